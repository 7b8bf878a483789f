"""The staff's pages of finance and of an account's money: their figures, who may see them, and what is done there."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from apps.accounts.models import User
from apps.accounts.tests.cast import Cast, cast
from apps.billing import processor, services
from apps.billing.emulator.control import EmulatorServer
from apps.billing.models import (
    AutoTopUp,
    Dunning,
    DunningStep,
    LedgerTransaction,
    Plan,
    Reconciliation,
    Subscription,
    TopUp,
)
from apps.billing.selectors import balance_of_account, plan_of_account
from apps.catalog.models import AIModel, Deployment, EngineSpan
from apps.keys.contracts import KeyPolicy
from apps.keys.models import ApiKey
from apps.keys.services import create_key
from apps.usage.services import record_events
from apps.usage.tests.test_record_events import event

__all__ = ["cast"]
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
USD = 10**9
YESTERDAY = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture
def staff(cast: Cast) -> Client:
    return signed_in(User.objects.create_superuser("root@example.com", "a moon over the forest"))


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def clerk(*permissions: str) -> Client:
    """Somebody of the staff who may do no more than this."""
    user = User.objects.create(email=f"clerk{User.objects.count()}@example.com", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return signed_in(user)


def money(account_id: int) -> str:
    return f"/admin/money/{account_id}/"


@pytest.fixture
def books(cast: Cast) -> ApiKey:
    """An account that used $3 of moon and $2 of Claude yesterday, and owes a part of that."""
    issued = create_key(account_id=cast.northwind.id, project_slug="default", name="Chat", policy=KeyPolicy())
    key = ApiKey.objects.get(public_id=issued.public_id)
    for name, provider in (("moon", "hosted_vllm/moon"), ("claude", "anthropic/claude-haiku-4-5")):
        model = AIModel.objects.create(public_name=name)
        Deployment.objects.create(ai_model=model, name=f"{name}-a", provider_model=provider)
        used: dict[str, Any] = {"model": name, "deployment": f"{name}-a", "started_at": YESTERDAY.isoformat()}
        tokens = {"input_tokens": 100_000, "cached_input_tokens": 0, "output_tokens": 10_000}
        cost = 3 * USD if name == "moon" else 2 * USD
        record_events(events=[event(key, name, **used, **tokens, cost=cost)])
    EngineSpan.objects.create(
        engine="http://engine:8000/v1",
        deployments=["moon-a"],
        day=YESTERDAY.date(),
        from_at=YESTERDAY,
        until_at=YESTERDAY + timedelta(hours=2),
        seen_at=YESTERDAY + timedelta(hours=2),
        prompt_counter=0,
        output_counter=0,
    )
    services.grant_credit(account_id=key.account_id, amount=USD, key="given", reason="Welcome")
    services.record_payment(account_id=key.account_id, amount=USD, key="paid", reason="By bank")
    services.post_usage()
    services.refund_usage(account_id=key.account_id, amount=USD // 4, key="back", reason="An outage")
    services.write_off(account_id=key.account_id, amount=USD // 2, key="off", reason="Goodwill")
    return key


def test_the_figures_of_finance(staff: Client, books: ApiKey, settings: LazySettings) -> None:
    settings.ENGINE_COST_PER_GPU_HOUR_USD = "0.80"
    answer = staff.get("/admin/finance/?period=7d")
    context = answer.context
    assert context["revenue"] == [("moon", 3 * USD), ("claude", 2 * USD)] and context["revenue_total"] == 5 * USD
    moved = context["moved"]
    assert (moved.by_hand, moved.granted, moved.spent_promotional) == (USD, USD, USD)
    assert (moved.usage_refunded, moved.written_off, moved.refunded, moved.expired) == (USD // 4, USD // 2, 0, 0)
    assert context["standing"].owed == 5 * USD - 2 * USD - USD // 4 - USD // 2
    assert [one.slug for one in context["standing"].debtors] == ["northwind"]
    told = context["margins"]
    assert (told.own_revenue, told.engine_cost) == (3 * USD, 1_600_000_000)
    assert (told.provider_revenue, told.provider_cost) == (2 * USD, 150_000_000)  # $1 and $5 a million
    text = answer.content.decode()
    assert "data-chart" in text and "$2.25" in text and money(books.account_id) in text


def test_what_the_gpus_cost_is_not_made_up(staff: Client, books: ApiKey, settings: LazySettings) -> None:
    settings.ENGINE_COST_PER_GPU_HOUR_USD = ""
    assert "set ENGINE_COST_PER_GPU_HOUR_USD" in staff.get("/admin/finance/").content.decode()
    settings.ENGINE_COST_PER_GPU_HOUR_USD = "1"
    EngineSpan.objects.all().delete()
    assert "its hours are not known" in staff.get("/admin/finance/").content.decode()


def test_revenue_as_a_table_for_spreadsheets(staff: Client, books: ApiKey) -> None:
    answer = staff.get("/admin/finance/revenue.csv?period=7d")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    day = f"{YESTERDAY:%Y-%m-%d}"
    assert rows == [
        {"day": day, "model": "claude", "revenue_usd": "2"},
        {"day": day, "model": "moon", "revenue_usd": "3"},
    ]


def test_without_any_use_the_pages_say_so(staff: Client, cast: Cast) -> None:
    assert "Nothing was earned" in staff.get("/admin/finance/?period=rubbish").content.decode()
    assert "Nothing is booked yet" in staff.get(money(cast.northwind.id)).content.decode()
    for nobody in (10**9, 10**30):
        assert staff.get(money(nobody)).status_code == 404


def test_an_account_on_one_page(staff: Client, books: ApiKey) -> None:
    text = staff.get(money(books.account_id)).content.decode()
    for said in ("Grant credit", "Refund use", "An outage", "+$0.25", "Owed for use", "100,000", "0 requests"):
        assert said in text, said
    form = staff.get(f"/admin/billing/ledgertransaction/add/?account={books.account_id}&kind=write_off")
    assert '<option value="write_off" selected>' in form.content.decode()
    filtered = staff.get(f"/admin/billing/ledgertransaction/?account__id__exact={books.account_id}")
    assert len(filtered.context["cl"].result_list) == LedgerTransaction.objects.count()
    assert money(books.account_id) in staff.get("/admin/billing/customer/").content.decode()


def test_an_account_is_found_by_its_slug(staff: Client, cast: Cast) -> None:
    found = staff.get("/admin/money/", {"account": " Northwind "})
    assert found.headers["Location"] == money(cast.northwind.id)
    assert "no such account" in staff.get("/admin/money/", {"account": "nobody"}, follow=True).content.decode()
    assert staff.get("/admin/money/", {"account": "\x00" * 300}).status_code == 302


def test_an_unpaid_invoice_and_credit_that_adds_itself_are_seen(staff: Client, cast: Cast) -> None:
    account_id = cast.northwind.id
    assert "An invoice is unpaid" not in staff.get(money(account_id)).content.decode()
    Dunning.objects.create(account_id=account_id, invoice_id="in_1", since=YESTERDAY, step=DunningStep.LIMITED)
    AutoTopUp.objects.create(
        account_id=account_id,
        threshold=5 * USD,
        amount=25 * USD,
        monthly_cap=100 * USD,
        enabled=False,
        stopped_because="The card was declined",
        consented_at=YESTERDAY,
    )
    text = staff.get(money(account_id)).content.decode()
    for said in ("An invoice is unpaid", "limited", "$25.00 below $5.00", "It is off: The card was declined"):
        assert said in text, said


def test_lists_of_money_speak_in_words(staff: Client, cast: Cast) -> None:
    account_id = cast.northwind.id
    services.offer_first_plans()
    plan = Plan.objects.get(slug="pro")
    noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
    Subscription.objects.create(account_id=account_id, plan=plan, status="past_due", stripe_id="sub_1", period_end=noon)
    Dunning.objects.create(
        account_id=account_id, invoice_id="in_1", since=noon, step=DunningStep.LIMITED, due=43 * USD, page="https://pay"
    )
    said = staff.get("/admin/billing/subscription/").content.decode()
    assert "Past due" in said and "1 Dec 2026, 12:00 UTC" in said
    assert ">past_due<" not in said
    assert "Unpaid invoices" in staff.get("/admin/").content.decode()
    debts = staff.get("/admin/billing/dunning/").content.decode()
    for part in ("1 unpaid invoice", "$43.00", "Without its plan&#x27;s limits"):
        assert part in debts, part
    debt = staff.get(f"/admin/billing/dunning/{account_id}/change/").content.decode()
    for part in ("8 Dec 2026, 12:00 UTC", "15 Dec 2026, 12:00 UTC", "https://pay"):
        assert part in debt, part


PAGES = {
    "/admin/money/?account=northwind": "view_customer",
    "/admin/finance/": "view_ledgertransaction",
    "/admin/finance/revenue.csv": "view_ledgertransaction",
    "money": "view_customer",
}


def test_only_staff_who_may_see_money_do(cast: Cast) -> None:
    stranger, without = signed_in(cast.alice), clerk("view_user")
    for page, permission in PAGES.items():
        path = money(cast.northwind.id) if page == "money" else page
        assert Client().get(path).status_code == 302
        assert stranger.get(path).status_code == 302
        assert without.get(path).status_code == 403
        assert clerk(permission).get(path, follow=True).status_code == 200
        assert clerk(permission).post(path).status_code == 405


def test_only_staff_who_may_change_money_do(cast: Cast) -> None:
    services.offer_first_plans()
    looks = clerk("view_customer")
    text = looks.get(money(cast.northwind.id)).content.decode()
    assert "Grant credit" not in text and "Change the plan" not in text
    for action, permission in (("plan", "change_subscription"), ("refund", "add_ledgertransaction")):
        path = f"{money(cast.northwind.id)}{action}/"
        assert looks.post(path, {"plan": "pro", "reason": "x"}).status_code == 403
        assert clerk(permission).get(path).status_code == 405
    assert plan_of_account(account_id=cast.northwind.id) is None


def test_staff_give_change_and_take_a_plan_and_say_why(staff: Client, cast: Cast) -> None:
    services.offer_first_plans()
    account_id = cast.northwind.id
    path = f"{money(account_id)}plan/"
    assert "Say why" in staff.post(path, {"plan": "pro"}, follow=True).content.decode()
    for plan in ("pro", "team", ""):
        staff.post(path, {"plan": plan, "reason": "Partner"})
        own = plan_of_account(account_id=account_id)
        assert (own.slug if own else "") == plan
    assert "no such plan" in staff.post(path, {"plan": "none", "reason": "x"}, follow=True).content.decode()
    said = LogEntry.objects.filter(object_id=str(account_id)).values_list("change_message", flat=True)
    assert sorted(said) == ["Plan: none. Partner", "Plan: pro. Partner", "Plan: team. Partner"]


@pytest.fixture
def stand_in(settings: LazySettings) -> Iterator[EmulatorServer]:
    with EmulatorServer() as server:
        settings.STRIPE_SECRET_KEY = "sk_test_51ArtemisStandInForTests"
        settings.STRIPE_API_HOST = server.base_url
        processor.client.cache_clear()
        yield server
    processor.client.cache_clear()


def test_a_plan_that_stripe_takes_a_fee_for_is_changed_there(
    stand_in: EmulatorServer, staff: Client, cast: Cast
) -> None:
    services.offer_first_plans()
    account_id = cast.northwind.id
    checkout = services.start_subscription(account_id=account_id, plan_slug="pro", page="http://127.0.0.1/")
    session = checkout.rpartition("/")[2].partition("#")[0]
    stand_in.pay(session)
    services.look_at_subscription(account_id=account_id, session_id=session)
    assert "paid through Stripe" in staff.get(money(account_id)).content.decode()
    staff.post(f"{money(account_id)}plan/", {"plan": "team", "reason": "They asked by mail"})
    own = plan_of_account(account_id=account_id)
    assert own is not None and (own.slug, own.by_stripe, own.ends_with_period) == ("team", True, False)
    staff.post(f"{money(account_id)}plan/", {"plan": "", "reason": "They leave"})
    own = plan_of_account(account_id=account_id)
    assert own is not None and own.ends_with_period


def test_a_payment_is_refunded_to_its_card_once(stand_in: EmulatorServer, staff: Client, cast: Cast) -> None:
    account_id = cast.northwind.id
    services.start_top_up(account_id=account_id, amount=20 * USD, actor_id=cast.alice.pk, page="http://127.0.0.1/")
    top_up = TopUp.objects.get()
    stand_in.pay(top_up.session_id)
    services.look_at_top_up(account_id=account_id, session_id=top_up.session_id)
    path = f"{money(account_id)}refund/"
    fields = {"top_up": top_up.pk, "amount": "5.00", "reason": "Asked for it", "key": "k1"}
    for _ in range(2):
        staff.post(path, fields)
    assert balance_of_account(account_id=account_id).prepaid == 15 * USD
    assert services.reconcile(patience=0, in_flight=timedelta(0)).is_clean
    for wrong, why in (
        ({"amount": "15.01", "key": "k2"}, "is left"),
        ({"amount": "0.001", "key": "k3"}, "whole cents"),
        ({"reason": ""}, "say why"),
        ({"top_up": top_up.pk + 1}, "no such payment"),
    ):
        assert why in staff.post(path, fields | wrong, follow=True).content.decode()
    other = {"top_up": top_up.pk, "amount": "5.00", "reason": "Another account's", "key": "k4"}
    assert "no such payment" in staff.post(f"{money(cast.charlies.id)}refund/", other, follow=True).content.decode()
    assert balance_of_account(account_id=account_id).prepaid == 15 * USD
    page = staff.get(money(account_id)).content.decode()
    assert "Refund to the card" in page and "stand-in" in page
    assert "Asked for it" in LogEntry.objects.filter(object_id=str(account_id)).latest("pk").change_message


def test_reconciliations_are_shown_and_asked_for(staff: Client, books: ApiKey) -> None:
    services.reconcile(patience=0)
    run = Reconciliation.objects.get()
    text = staff.get(f"/admin/billing/reconciliation/{run.pk}/change/").content.decode()
    assert "Events ↔ their sums" in text and "agree" in text
    assert "Reconcile now" in staff.get("/admin/billing/reconciliation/").content.decode()
    asked = staff.post("/admin/billing/reconciliation/run/", follow=True)
    assert "Asked for" in asked.content.decode()
    looks = clerk("view_reconciliation")
    assert "Reconcile now" not in looks.get("/admin/billing/reconciliation/").content.decode()
    assert looks.post("/admin/billing/reconciliation/run/").status_code == 403
    assert staff.get("/admin/billing/reconciliation/run/").status_code == 403
    assert "Do the books agree?" in looks.get("/admin/").content.decode()
