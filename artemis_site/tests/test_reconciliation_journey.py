"""A platform that serves, fails, is paid and refunded: its books agree, and a change behind its back is found."""

import contextlib
import re
import time

import httpx
import stripe
from openai import OpenAI

from apps.billing.emulator.control import EmulatorServer
from artemis_site.tests import errands
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import Key
from artemis_site.tests.platform import MODEL, Platform
from artemis_site.tests.test_redis_away import until_both_know
from artemis_site.tests.test_top_ups_journey import USD, Payer, payer, stand_in, stripe_client, wait_for

__all__ = ["payer", "stand_in", "stripe_client"]
HELLO = [{"role": "user", "content": "Hello"}]
DEARER = "dearer_than_its_price"
OF_THE_DATABASE = {"events_and_sums", "charges_and_ledger", "ledger_and_itself"}


def ask(client: OpenAI, *, stream: bool = False, events: int | None = None) -> None:
    """Hangs up after so many events."""
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=20, stream=stream)  # type: ignore[call-overload]
    if stream:
        with contextlib.closing(answer.response):
            for number, _ in enumerate(answer, 1):
                if number == events:
                    break


def serve(platform: Platform, desk: Desk, key: Key, *, asked: int) -> None:
    """Whole answers, one that is cut off, and two that the first engine refuses; `asked`: what the key did before."""
    client = platform.client(key.secret)
    ask(client)
    ask(client, stream=True)
    ask(client, stream=True, events=3)
    platform.primary.script(status=503, times=2)
    ask(client)
    ask(client, stream=True)
    desk.bill(key, requests=asked + 5)


def test_engines_events_and_ledger_agree(platform: Platform, desk: Desk) -> None:
    account = desk.call(errands.make_account, "Reconciled")
    key = desk.key(account=account)
    asked = until_both_know(platform, key)  # a worker may still think that the database is away
    time.sleep(6)  # what was asked for before is not within the span, which begins some seconds earlier
    desk.call(errands.begin_counting)
    serve(platform, desk, key, asked=asked)
    desk.call(errands.end_counting)
    desk.call(errands.posted, key.account_id)
    told = platform.manage("reconcile", check=False)
    checks = {check["name"]: check for check in told["checks"]}
    assert checks["engines_and_events"]["compared"] >= 2, checks
    engines = [one for one in told["findings"] if one["what"] == "engine_counted_less"]
    assert (checks["engines_and_events"]["findings"], engines) == (0, [])
    assert {name: checks[name]["findings"] for name in OF_THE_DATABASE} == dict.fromkeys(OF_THE_DATABASE, 0), told
    assert checks["events_and_prices"]["compared"] >= asked + 5
    dearer = sum(one["difference"] for one in told["findings"] if one["what"] == DEARER)
    without = desk.call(errands.spent_without_price, since=told["first_day"])
    assert dearer == without  # other tests write events by hand, at costs of their own: those, and nothing else

    prices = f"UPDATE usage_usageevent SET cost = cost + 1 WHERE account_id = {key.account_id}"
    found = desk.call(errands.findings_after, prices)
    assert sum(one.difference for one in found if one.what == DEARER) == without + asked + 5

    tokens = "UPDATE catalog_enginespan SET output_tokens = output_tokens / 4"
    assert "engine_counted_less" in {one.what for one in desk.call(errands.findings_after, tokens)}
    asking = f"SELECT id FROM keys_apikey WHERE public_id = '{key.public_id}'"
    event = f"DELETE FROM usage_usageevent WHERE api_key_id = ({asking})"
    found = {one.what for one in desk.call(errands.findings_after, event)}
    assert found >= {"hours_not_their_events", "days_not_their_events", "charges_not_their_events"}


def test_stripe_and_the_ledger_agree(
    platform: Platform, desk: Desk, payer: Payer, stand_in: EmulatorServer, stripe_client: stripe.StripeClient
) -> None:
    session = payer.checkout(20)
    stand_in.pay(session)
    wait_for(lambda: payer.prepaid == 20 * USD)
    intent = str(stripe_client.v1.checkout.sessions.retrieve(session).payment_intent)
    stripe_client.v1.refunds.create({"payment_intent": intent, "amount": 800})
    wait_for(lambda: payer.prepaid == 12 * USD)
    assert not [one for one in desk.call(errands.findings_after, "SELECT 1") if intent in one.where]
    ours = f"business_key LIKE '%:stripe-{intent}'"
    harm = f"UPDATE billing_ledgertransaction SET business_key = business_key || 'X' WHERE {ours}"
    [finding] = [one for one in desk.call(errands.findings_after, harm) if intent in one.where]
    assert (finding.what, finding.difference) == ("not_at_stripe", 20 * USD)


def test_prometheus_is_told(platform: Platform, desk: Desk) -> None:
    desk.call(errands.reconciled)
    text = httpx.get(f"{platform.base_url}/metrics").text
    ended = re.search(r"^artemis_reconcile_last_run_timestamp_seconds (\S+)", text, re.MULTILINE)
    assert ended and float(ended[1]) > 1.7e9
    assert "artemis_reconcile_findings " in text and "artemis_reconcile_failed_checks " in text
