"""What is used beyond credit, credit that adds itself, invoices that are not paid: by real calls, through months."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from apps.billing import services
from apps.billing.emulator.control import EmulatorServer
from apps.billing.selectors import invoices_of_account
from artemis_site.tests import errands
from artemis_site.tests.errands import Key
from artemis_site.tests.platform import SMALL_MODEL, Platform, models_yaml
from artemis_site.tests.test_failover import ask
from artemis_site.tests.test_limits import wait_for as soon
from artemis_site.tests.test_subscriptions_journey import MONTH, card_of, fees, own_time, state, subscribe, until
from artemis_site.tests.test_top_ups_journey import USD, Payer, payer, stand_in, stripe_client, wait_for

__all__ = ["own_time", "payer", "stand_in", "stripe_client"]
DEAR = "moon-dear"
METER_EVENTS = "/v1/billing/meter_events"
DECLINES, NEEDS_HOLDER, PAYS = "4000000000000341", "4000002760003184", "4242424242424242"
DAY = timedelta(days=1)


@pytest.fixture
def dear(platform: Platform) -> None:
    """A model whose calls cost 16 dollars each is on offer."""
    document = json.loads(models_yaml(platform.primary, platform.second, platform.claude))
    entry = next(entry for entry in document["model_list"] if entry["model_name"] == SMALL_MODEL)
    entry["model_name"] = DEAR
    entry["model_info"] |= {"id": DEAR, "input_cost_per_token": "0", "output_cost_per_token": "1"}
    file = platform.home / "dear.yaml"
    file.write_text(json.dumps({"model_list": [entry]}))
    platform.manage("load_models", str(file))
    platform.primary.script(match="dear", output_tokens=16)


@pytest.fixture
def key(dear: None, payer: Payer) -> Key:
    """Of the payer."""
    return payer.desk.call(errands.key_of, payer.account_id)


def spend(platform: Platform, key: Key) -> int:
    messages = [{"role": "user", "content": "dear"}]
    return ask(platform, key, model=DEAR, messages=messages, max_tokens=16).status_code


def balance(payer: Payer) -> Any:
    """Once all use is in the ledger, which is sound."""
    return payer.desk.call(errands.posted, payer.account_id)


def told(payer: Payer) -> list[tuple[int, str, int]]:
    """What has become of the account's batches once what waits was told to Stripe, by whoever was first."""
    payer.desk.call(services.bill_overage)
    return payer.desk.call(errands.batches_of, payer.account_id)


def owe_seven(platform: Platform, payer: Payer, key: Key, own_time: EmulatorServer) -> None:
    """Two calls for 32 dollars, of which Pro includes 25."""
    subscribe(payer, own_time)
    until(payer, "pro", "active", 25)
    soon(lambda: spend(platform, key) == 200, 10)
    assert spend(platform, key) == 200
    assert balance(payer).owed == 7 * USD


def look_until(payer: Payer, found: Callable[[], object]) -> None:
    """As beat does: low credit is looked for, again and again."""

    def look() -> object:
        payer.desk.call(services.top_up_automatically)
        return found()

    wait_for(look)


def letters(payer: Payer) -> list[str]:
    return payer.desk.call(errands.letters_to, payer.account_id)


def test_use_beyond_credit_is_on_the_next_invoice_to_the_cent(
    platform: Platform, payer: Payer, key: Key, own_time: EmulatorServer
) -> None:
    subscribe(payer, own_time)
    until(payer, "pro", "active", 25)
    soon(lambda: spend(platform, key) == 200, 10)
    assert [spend(platform, key) for _ in range(3)] == [200, 200, 429]  # 48 of 25 that are included and 25 to be owed
    assert balance(payer).owed == 23 * USD

    payer.desk.call(services.bill_overage)
    wait_for(lambda: payer.desk.call(services.counted_by_stripe, account_id=payer.account_id) == 2300)
    found = balance(payer)
    assert (found.owed, found.metered, found.available) == (0, 23 * USD, -23 * USD)
    preview = payer.desk.call(services.preview_next_invoice, account_id=payer.account_id)
    assert sorted(line.amount for line in preview.lines) == [20 * USD, 23 * USD]
    payer.desk.call(services.bill_overage)
    assert payer.desk.call(services.counted_by_stripe, account_id=payer.account_id) == 2300

    own_time.advance_time(MONTH)
    wait_for(lambda: balance(payer).metered == 0)
    fees(payer, 40)
    wait_for(lambda: balance(payer).promotional == 25 * USD)
    assert spend(platform, key) == 200


def test_a_batch_whose_answer_was_lost_counts_once(
    platform: Platform, payer: Payer, key: Key, own_time: EmulatorServer, stripe_client: stripe.StripeClient
) -> None:
    """And one that somebody sends again, past the platform, is found."""
    owe_seven(platform, payer, key, own_time)
    own_time.fault(path=METER_EVENTS, times=3, close=True, after_effect=True)  # as often as the client tries
    assert told(payer) == [(700, "waiting", 1)]
    payer.desk.call(errands.hurry_batches)
    assert told(payer) == [(700, "sent", 2)]
    assert payer.desk.call(services.counted_by_stripe, account_id=payer.account_id) == 700
    assert balance(payer).metered == 7 * USD

    slug = payer.desk.call(errands.slug_of, payer.account_id)
    assert not [one for one in payer.desk.call(errands.findings_after, "SELECT 1") if one.where == slug]
    customer = payer.desk.call(errands.stripe_id_of, payer.account_id)
    again = {"stripe_customer_id": customer, "value": "700"}
    stripe_client.v1.billing.meter_events.create({"event_name": "artemis_overage_cents", "payload": again})
    [finding] = [one for one in payer.desk.call(errands.findings_after, "SELECT 1") if one.where == slug]
    assert (finding.what, finding.difference) == ("meter_has_more", 7 * USD)


def test_a_batch_that_stripe_cannot_count_is_seen_and_told_again(
    platform: Platform, payer: Payer, key: Key, own_time: EmulatorServer, stripe_client: stripe.StripeClient
) -> None:
    owe_seven(platform, payer, key, own_time)
    meter = payer.desk.call(errands.meter_id)
    stripe_client.v1.billing.meters.deactivate(meter)
    try:
        assert told(payer) == [(700, "sent", 1)]
        assert payer.desk.call(services.find_meter_errors) == 1
        assert payer.desk.call(errands.batches_of, payer.account_id) == [(700, "refused", 1)]
    finally:
        stripe_client.v1.billing.meters.reactivate(meter)
    payer.desk.call(errands.tell_refused_again, payer.account_id)
    assert told(payer) == [(700, "sent", 1)]
    assert payer.desk.call(services.counted_by_stripe, account_id=payer.account_id) == 700


def test_credit_adds_itself_up_to_the_cap_until_a_card_is_refused(
    platform: Platform, payer: Payer, key: Key, own_time: EmulatorServer, stripe_client: stripe.StripeClient
) -> None:
    agreed = {"account_id": payer.account_id, "actor_id": payer.desk.call(errands.somebody)}
    with pytest.raises(AssertionError, match="No card is kept yet"):
        payer.desk.call(services.set_auto_top_up, threshold=15 * USD, amount=10 * USD, monthly_cap=20 * USD, **agreed)
    own_time.pay(payer.checkout(20))
    wait_for(lambda: payer.prepaid == 20 * USD)
    payer.desk.call(services.set_auto_top_up, threshold=15 * USD, amount=10 * USD, monthly_cap=20 * USD, **agreed)

    soon(lambda: spend(platform, key) == 200, 10)  # 4 are left: 10 come, and 10 more
    look_until(payer, lambda: balance(payer).available == 24 * USD)
    assert spend(platform, key) == 200  # 8 are left, and the month's cap is reached
    look_until(payer, lambda: [one for one in letters(payer) if "has reached its cap" in one])
    assert balance(payer).available == 8 * USD

    for number, because in ((DECLINES, "was refused"), (NEEDS_HOLDER, "holder must agree")):
        own_time.replace_card(card_of(payer, stripe_client), number)
        payer.desk.call(services.set_auto_top_up, threshold=15 * USD, amount=10 * USD, monthly_cap=90 * USD, **agreed)
        look_until(payer, lambda: because in payer.desk.call(errands.stopped_because, payer.account_id))  # noqa: B023
        assert balance(payer).available == 8 * USD
    assert len([one for one in letters(payer) if "has stopped" in one]) == 2

    own_time.replace_card(card_of(payer, stripe_client), PAYS)
    lost = {"path": "/v1/payment_intents", "method": "POST", "times": 3, "close": True}  # as often as the client tries
    for is_charged in (True, False):
        own_time.rule("withhold")
        own_time.fault(**lost, after_effect=is_charged)
        payer.desk.call(services.set_auto_top_up, threshold=15 * USD, amount=10 * USD, monthly_cap=90 * USD, **agreed)
        payer.desk.call(services.top_up_automatically)
        assert payer.desk.call(errands.last_top_up, payer.account_id) == ("pending", 10 * USD)
        if not is_charged:  # it is not asked again for what nobody agrees to any more
            payer.desk.call(services.stop_auto_top_up, account_id=payer.account_id)
        payer.desk.call(services.top_up_automatically, now=datetime.now(UTC) + timedelta(minutes=5))
        state = "paid" if is_charged else "failed"
        assert payer.desk.call(errands.last_top_up, payer.account_id) == (state, 10 * USD)
        own_time.clear_rules()
        own_time.release()
        own_time.wait_delivered()
        assert balance(payer).available == (18 if is_charged else 8) * USD
        if is_charged:
            payer.desk.call(services.stop_auto_top_up, account_id=payer.account_id)
            assert spend(platform, key) == 200
            payer.desk.call(errands.pay, payer.account_id, 6 * USD, "by hand")
            assert balance(payer).available == 8 * USD


def test_an_unpaid_invoice_takes_away_step_by_step_and_its_payment_gives_back(
    platform: Platform, payer: Payer, key: Key, own_time: EmulatorServer, stripe_client: stripe.StripeClient
) -> None:
    own_time.settings(dunning_days=[30], after_dunning="cancel", draft_seconds=0)
    subscribe(payer, own_time)
    until(payer, "pro", "active", 25)
    own_time.replace_card(card_of(payer, stripe_client), DECLINES)
    own_time.advance_time(MONTH)
    until(payer, "pro", "past_due", 25)
    soon(lambda: spend(platform, key) == 200, 10)
    wait_for(lambda: [one for one in letters(payer) if "did not come through" in one])

    now = datetime.now(UTC)
    payer.desk.call(services.dun, now=now + 4 * DAY)
    assert "still to be paid" in letters(payer)[0]
    assert state(payer)[3] == "Pro plan"
    payer.desk.call(services.dun, now=now + 8 * DAY)
    assert "Nothing more may be owed" in letters(payer)[0]
    assert balance(payer).limit == 0
    payer.desk.call(services.dun, now=now + 15 * DAY)
    assert "Calls are refused" in letters(payer)[0]
    wait_for(lambda: spend(platform, key) == 403)
    assert payer.desk.call(services.dun, now=now + 90 * DAY) == 0

    own_time.replace_card(card_of(payer, stripe_client), PAYS)
    customer = payer.desk.call(errands.stripe_id_of, payer.account_id)
    [unpaid] = stripe_client.v1.invoices.list({"customer": customer, "status": "open"}).data
    stripe_client.v1.invoices.pay(unpaid.id)
    soon(lambda: spend(platform, key) == 200, 20)  # the same key

    wait_for(lambda: balance(payer).available == (50 - 2 * 16) * USD)
    assert (state(payer)[:2], state(payer)[3]) == (("pro", "active"), "Pro plan")
    wait_for(lambda: "Nothing is left to be paid" in letters(payer)[0])
    assert balance(payer).limit == 25 * USD
    fees(payer, 40)


def test_a_debt_outlives_its_subscription_and_a_new_one(
    platform: Platform, payer: Payer, key: Key, own_time: EmulatorServer, stripe_client: stripe.StripeClient
) -> None:
    """What no invoice asks for is owed again; a new subscription brings its limits once the old debt is paid."""
    own_time.settings(dunning_days=[5], after_dunning="cancel", draft_seconds=0)
    owe_seven(platform, payer, key, own_time)
    assert told(payer) == [(700, "sent", 1)]
    own_time.replace_card(card_of(payer, stripe_client), DECLINES)
    own_time.advance_time(MONTH)
    wait_for(lambda: state(payer)[1] == "past_due")
    assert spend(platform, key) == 200
    assert balance(payer).owed == 16 * USD
    assert told(payer)[0] == (1600, "sent", 1)

    own_time.advance_time(6 * 86_400)
    wait_for(lambda: state(payer)[1] == "")
    wait_for(lambda: (balance(payer).metered, balance(payer).owed) == (7 * USD, 16 * USD))
    payer.desk.call(services.dun, now=datetime.now(UTC) + 8 * DAY)
    subscribe(payer, own_time, "team")
    wait_for(lambda: state(payer)[:2] == ("team", "active"))
    assert (balance(payer).limit, state(payer)[3] == "Team plan") == (0, False)

    customer = payer.desk.call(errands.stripe_id_of, payer.account_id)
    [unpaid] = stripe_client.v1.invoices.list({"customer": customer, "status": "open"}).data
    stripe_client.v1.invoices.pay(unpaid.id, {"payment_method": card_of(payer, stripe_client)})  # the new one
    wait_for(lambda: state(payer)[3] == "Team plan")
    wait_for(lambda: balance(payer).limit == 250 * USD)
    # Beat may have put what was owed again on the new subscription's next invoice.
    wait_for(lambda: (left := balance(payer)).owed + left.metered == 16 * USD)
    assert "Nothing is left to be paid" in letters(payer)[0]


def test_what_an_ended_subscription_left_is_on_an_invoice_of_its_own(
    platform: Platform, payer: Payer, key: Key, own_time: EmulatorServer
) -> None:
    """Its use is counted once the subscription's last invoice is written."""
    subscribe(payer, own_time)
    until(payer, "pro", "active", 25)
    soon(lambda: spend(platform, key) == 200, 10)
    assert spend(platform, key) == 200
    payer.desk.call(services.end_subscription, account_id=payer.account_id, with_period=True)
    own_time.advance_time(MONTH)
    wait_for(lambda: state(payer)[:2] == ("", ""))
    assert balance(payer).owed == 7 * USD
    payer.desk.call(services.bill_overage)
    assert balance(payer).metered == 0

    assert payer.desk.call(services.bill_late_use, now=datetime.now(UTC) + 90 * DAY) == 1
    assert "The last use of your subscription" in letters(payer)[0]
    own_time.advance_time(7200)
    wait_for(lambda: (balance(payer).owed, balance(payer).metered) == (0, 0))
    fees(payer, 20)
    wait_for(lambda: ("paid", 7 * USD) in shown_invoices(payer))
    slug = payer.desk.call(errands.slug_of, payer.account_id)
    assert not [one for one in payer.desk.call(errands.findings_after, "SELECT 1") if one.where.startswith(slug)]


def shown_invoices(payer: Payer) -> list[tuple[str, int]]:
    """On the page Billing."""
    rows = payer.desk.call(invoices_of_account, account_id=payer.account_id)
    return [(row.status, row.total) for row in rows]


def test_a_fee_that_is_refunded_is_in_the_ledger(
    payer: Payer, own_time: EmulatorServer, stripe_client: stripe.StripeClient
) -> None:
    subscribe(payer, own_time)
    until(payer, "pro", "active", 25)
    customer = payer.desk.call(errands.stripe_id_of, payer.account_id)
    [charge] = stripe_client.v1.charges.list({"customer": customer}).data
    stripe_client.v1.refunds.create({"charge": charge.id, "amount": 500})
    wait_for(lambda: payer.desk.call(errands.fees_refunded, payer.account_id) == 5 * USD)
    assert payer.desk.call(errands.ledger_findings) == []
