"""What tests have done inside the running platform; see `desk.py`, which sends them there."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Sum
from djstripe.models import WebhookEndpoint

from apps.accounts.models import Account, Tier, User
from apps.accounts.selectors import letters_of_account
from apps.accounts.services import (
    create_account,
    create_project,
    resume_account,
    save_tier,
    set_account_budget,
    set_account_limits,
    set_project_limits,
    suspend_account,
)
from apps.billing.contracts import Balance, Finding
from apps.billing.models import (
    AutoTopUp,
    EventState,
    LedgerEntry,
    LedgerKind,
    LedgerTransaction,
    MeterBatch,
    OveragePrice,
    Reconciliation,
    StripeCustomer,
    StripeEvent,
    Subscription,
    TopUp,
    TransactionKind,
)
from apps.billing.processor import client
from apps.billing.selectors import balance_of_account, plan_of_account
from apps.billing.services import (
    check_ledger,
    post_usage,
    reconcile,
    record_payment,
    set_credit_limit,
    start_subscription,
    start_top_up,
    tell_again,
)
from apps.catalog.models import AIModel, Deployment, EngineSpan
from apps.catalog.sampling import sample_engines
from apps.catalog.services import raise_catalog_revision
from apps.common.redis import sync_redis
from apps.common.sealing import seal
from apps.gateway.selectors import open_holds, spending_of_key
from apps.keys import services as keys
from apps.keys.contracts import KeyPolicy
from apps.keys.models import ApiKey
from apps.prompts import selectors as prompts
from apps.prompts import services as prompt_services
from apps.prompts.contracts import LoggedPrompt
from apps.responses.models import BackgroundRun, StoredResponse
from apps.usage.contracts import RequestRow
from apps.usage.models import UsageEvent
from apps.usage.selectors import recent_requests
from apps.usage.services import drain_events, record_events


@dataclass(frozen=True)
class Key:
    public_id: str
    secret: str
    account_id: int


@dataclass(frozen=True)
class Bill:
    """`held`: what is held of the budgets of the key, its project and its account."""

    requests: list[RequestRow]
    open_holds: int
    held: list[int]

    @property
    def cost(self) -> int:
        return sum(request.cost for request in self.requests)


@dataclass(frozen=True)
class Books:
    """What the ledger has of an account: all that Stripe took, what of it for invoices, and what its meter was told."""

    balance: Balance
    status: str
    taken: int
    invoiced: int
    metered: int


def make_key(account: str, policy: dict[str, Any]) -> Key:
    """Of the first account where none is named."""
    owner = Account.objects.get(slug=account) if account else Account.objects.earliest("pk")
    issued = keys.create_key(account_id=owner.pk, project_slug="default", name="test", policy=KeyPolicy(**policy))
    return Key(issued.public_id, issued.secret, owner.pk)


def people_key(account: str, project: str, policy: dict[str, Any]) -> Key:
    """That the owner of the account made."""
    row = Account.objects.get(slug=account)
    owner = row.memberships.get(role="owner").user_id
    issued = keys.create_key(
        account_id=row.pk, project_slug=project, name="test", policy=KeyPolicy(**policy), created_by_id=owner
    )
    return Key(issued.public_id, issued.secret, row.pk)


def use(key: Key, requests: list[dict[str, Any]]) -> None:
    """Is recorded, as the gateway would have settled it."""
    row = ApiKey.objects.get(public_id=key.public_id)
    usual = {
        "account": row.account_id,
        "project": row.project_id,
        "key": row.pk,
        "model": "moon",
        "endpoint": "chat.completions",
        "outcome": "completed",
        "price_version": None,
    }
    record_events(events=[json.dumps({"request_id": f"req_{token_hex(12)}", **usual, **one}) for one in requests])


def charged(account_id: int) -> int:
    """What the ledger has of an account's use, all of which is in it."""
    posted(account_id)
    entries = LedgerEntry.objects.filter(transaction__account_id=account_id, ledger_account__kind="revenue")
    return sum(entry.amount for entry in entries)


def change_key(key: Key, policy: dict[str, Any]) -> None:
    keys.update_key(account_id=key.account_id, public_id=key.public_id, name="test", policy=KeyPolicy(**policy))


def disable_key(key: Key, disabled: bool) -> None:
    keys.set_disabled(account_id=key.account_id, public_id=key.public_id, disabled=disabled)


def revoke_key(key: Key) -> None:
    keys.revoke_key(account_id=key.account_id, public_id=key.public_id)


def rotate_key(key: Key, grace: timedelta) -> str:
    """The new secret."""
    return keys.rotate_key(account_id=key.account_id, public_id=key.public_id, grace=grace).secret


def make_account(name: str) -> str:
    """The slug of a new account of somebody new."""
    owner = User.objects.create(email=f"{name.lower().replace(' ', '-')}@example.com")
    return create_account(name=name, owner_id=owner.pk).slug


def log_prompts(account: str, days: int | None) -> None:
    prompt_services.log_for(account_id=Account.objects.get(slug=account).pk, days=days)


def logged_prompt(account_id: int, request_id: str) -> LoggedPrompt | None:
    return prompts.logged_prompt(account_id=account_id, request_id=request_id)


def set_budgets(scope: str, budget: int) -> Key:
    """A key without a budget of its own; its project or its account, both new, has this one."""
    slug = make_account(f"Frugal {scope}")
    account_id = Account.objects.get(slug=slug).pk
    project = create_project(
        account_id=account_id, name="frugal", monthly_budget=budget if scope == "project" else None
    )
    if scope == "account":
        set_account_budget(account_id=account_id, monthly_budget=budget)
    issued = keys.create_key(account_id=account_id, project_slug=project.slug, name="test", policy=KeyPolicy())
    return Key(issued.public_id, issued.secret, account_id)


def suspend(account_id: int, suspended: bool) -> None:
    if suspended:
        suspend_account(account_id=account_id, reason="A test")
    else:
        resume_account(account_id=account_id)


def make_project(account: str, name: str) -> None:
    create_project(account_id=Account.objects.get(slug=account).pk, name=name)


@transaction.atomic
def give_model(public_name: str, account: str) -> None:
    """Takes a model off the common offer and gives it to one account."""
    AIModel.objects.filter(public_name=public_name).update(account=Account.objects.get(slug=account))
    raise_catalog_revision()


def end_user_of(request_id: str) -> str:
    """Who the caller said that it asked for."""
    return UsageEvent.objects.get(request_id=request_id).end_user


def spent_by(key: Key) -> int:
    """What admission believes that the key has spent this month."""
    return spending_of_key(key_id=ApiKey.objects.get(public_id=key.public_id).pk).spent


def held_by(key: Key) -> int:
    """What its calls in flight may cost at most, as admission counts it."""
    return spending_of_key(key_id=ApiKey.objects.get(public_id=key.public_id).pk).held


def bill_of(public_id: str) -> Bill:
    drain_events()  # as the worker does every second
    key = ApiKey.objects.get(public_id=public_id)
    rows = recent_requests(account_id=key.account_id, key_public_id=public_id, limit=1000)
    scopes = (f"key:{key.pk}", f"project:{key.project_id}", f"account:{key.account_id}")
    held = [int(value or 0) for value in sync_redis().mget(*(f"art:held:{scope}" for scope in scopes))]
    return Bill(rows, open_holds(key_ids=[key.pk]), held)


def counted(public_id: str) -> dict[tuple[str, int], int]:
    """How many requests of a key are recorded, by outcome and output tokens; also where they are thousands."""
    drain_events()
    events = UsageEvent.objects.filter(api_key__public_id=public_id).values_list("outcome", "output_tokens")
    return dict(Counter(events))


@transaction.atomic
def renew_catalog() -> None:
    """The gateways read the catalog anew and, as each deployment has a new key, hold nothing against any."""
    for deployment in Deployment.objects.all():
        deployment.api_key_env, deployment.api_key_sealed = "", seal(f"engine-key-{token_hex(8)}")
        deployment.save(update_fields=["api_key_env", "api_key_sealed"])
    raise_catalog_revision()


def out_of_service() -> list[str]:
    return list(Deployment.objects.exclude(duty="serving").values_list("name", flat=True))


def end_users_of(public_id: str) -> list[str]:
    """To whom the use of a key is attributed."""
    drain_events()
    return list(UsageEvent.objects.filter(api_key__public_id=public_id).values_list("end_user", flat=True))


def limit_account(account: str, values: dict[str, Any]) -> None:
    set_account_limits(account_id=Account.objects.get(slug=account).pk, values=values)


def limit_project(account: str, values: dict[str, Any]) -> None:
    set_project_limits(account_id=Account.objects.get(slug=account).pk, slug="default", values=values)


def give_tier(account: str, name: str, values: dict[str, Any]) -> None:
    """Makes or changes a tier, and puts the account on it."""
    tier = Tier.objects.filter(name=name).first()
    tier_id = save_tier(tier_id=tier.pk if tier else None, values={"name": name, **values})
    limit_account(account, {"tier_id": tier_id})


@transaction.atomic
def limit_model(public_name: str, values: dict[str, Any]) -> None:
    AIModel.objects.filter(public_name=public_name).update(**values)
    raise_catalog_revision()


def prepay(name: str, amount: int) -> Key:
    """A key of a new account that may use this much, and no more."""
    account_id = Account.objects.get(slug=make_account(name)).pk
    set_credit_limit(account_id=account_id, limit=0)
    if amount:
        pay(account_id, amount, name)
    issued = keys.create_key(account_id=account_id, project_slug="default", name="test", policy=KeyPolicy())
    return Key(issued.public_id, issued.secret, account_id)


def pay(account_id: int, amount: int, key: str) -> None:
    record_payment(account_id=account_id, amount=amount, key=key, reason="Paid")


def posted(account_id: int) -> Balance:
    """What the account has once all of its use is in the ledger, which is sound."""
    drain_events()
    post_usage(now=datetime.now(UTC) + timedelta(hours=2))
    findings = check_ledger()
    assert not findings, findings
    assert LedgerTransaction.objects.filter(account_id=account_id).exists()
    return balance_of_account(account_id=account_id)


def reconciled() -> int:
    """The number of the run."""
    reconcile(patience=0)
    return Reconciliation.objects.latest("pk").pk


def begin_counting() -> None:
    """The engines' counters are looked at for the first time, some seconds ago as it were: clocks may differ."""
    EngineSpan.objects.all().delete()
    sample_engines()
    EngineSpan.objects.update(from_at=F("from_at") - timedelta(seconds=10))


def end_counting() -> None:
    """And for the last time, in a while."""
    sample_engines()
    EngineSpan.objects.update(until_at=F("until_at") + timedelta(seconds=10))


def findings_after(harm: str) -> list[Finding]:
    """What a reconciliation finds once somebody who may do anything in the database has done this; which is undone."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(harm)
        found = reconcile(patience=0).findings
        transaction.set_rollback(True)
    return found


def spent_without_price(*, since: str) -> int:
    """What events cost that name no price, of this day (UTC) and later ones."""
    events = UsageEvent.objects.filter(price_version=None, started_at__date__gte=since)
    return int(events.aggregate(total=Sum("cost"))["total"] or 0)


def free_budget(key: Key) -> int:
    """What admission would still let the key spend this month."""
    row = ApiKey.objects.get(public_id=key.public_id)
    spending = spending_of_key(key_id=row.pk)
    return (row.monthly_budget or 0) - spending.spent - spending.held


def prepaid(account_id: int) -> int:
    return balance_of_account(account_id=account_id).prepaid


def ledger_findings() -> list[Any]:
    return list(check_ledger())


def begin_top_up(account_id: int, amount: int) -> str:
    """The id of the Checkout."""
    start_top_up(
        account_id=account_id, amount=amount, actor_id=User.objects.earliest("pk").pk, page=settings.PUBLIC_URL
    )
    return TopUp.objects.filter(account_id=account_id).latest("pk").session_id


def event_about(kind: str, stripe_id: str) -> str:
    """The id of the event of this kind about this object, where one was received."""
    events = StripeEvent.objects.filter(type=kind, body__contains=f'"{stripe_id}"')
    return events.first().stripe_id if events else ""  # type: ignore[union-attr]


def events_not_handled() -> list[tuple[str, str]]:
    """Of Stripe's that were received: the kind, and what went wrong."""
    return list(StripeEvent.objects.exclude(state=EventState.DONE).values_list("type", "error"))


def kinds_of_events() -> list[str]:
    return list(StripeEvent.objects.values_list("type", flat=True).distinct().order_by("type"))


def webhook_endpoint() -> tuple[str, str]:
    """Its address and its secret."""
    endpoint = WebhookEndpoint.objects.get(status="enabled")
    return endpoint.url, endpoint.secret


def queue_responses(key: Key, count: int) -> None:
    """So many that are not to be run for a while."""
    asking = ApiKey.objects.get(public_id=key.public_id)
    now = datetime.now(UTC)
    rows = StoredResponse.objects.bulk_create(
        StoredResponse(
            public_id=f"resp_{token_hex(24)}",
            account_id=asking.account_id,
            project_id=asking.project_id,
            request_id=f"req_{token_hex(12)}",
            model="moon",
            body="{}",
            items="[]",
            size=4,
            created_at=now,
        )
        for _ in range(count)
    )
    BackgroundRun.objects.bulk_create(
        BackgroundRun(
            response=row, account_id=asking.account_id, api_key=asking, request="{}", ready_at=now + timedelta(hours=1)
        )
        for row in rows
    )


def fill_redis() -> None:
    """It takes no more writes: some megabytes more are in use than may be."""
    store = sync_redis()
    used = store.info("memory")["used_memory"]
    store.set("filler", b"x" * 16 * 2**20)
    store.config_set("maxmemory", used + 8 * 2**20)


def make_room() -> None:
    sync_redis().delete("filler")


def lift_limit() -> None:
    sync_redis().delete("filler")
    sync_redis().config_set("maxmemory", 0)


def begin_subscription(account_id: int, plan: str) -> str:
    """The id of the Checkout."""
    address = start_subscription(account_id=account_id, plan_slug=plan, page=settings.PUBLIC_URL)
    return address.rpartition("/")[2].partition("#")[0]


def plan_of(account_id: int) -> tuple[str, str, int, str | None]:
    """(plan, status, promotional credit, tier)."""
    plan = plan_of_account(account_id=account_id)
    tier = Account.objects.get(pk=account_id).tier
    promotional = balance_of_account(account_id=account_id).promotional
    return (plan.slug if plan else "", plan.status if plan else "", promotional, tier.name if tier else None)


def fees_of(account_id: int) -> int:
    """What the ledger has of the account's subscription fees."""
    entries = LedgerEntry.objects.filter(transaction__account_id=account_id, ledger_account__model="subscriptions")
    return sum(entry.amount for entry in entries)


def stripe_id_of(account_id: int) -> str:
    return StripeCustomer.objects.get(account_id=account_id).stripe_id


def end_now(account_id: int) -> None:
    """The subscription ends at once, and the account has what it had before."""
    client().v1.subscriptions.cancel(Subscription.objects.get(pk=account_id).stripe_id)
    set_credit_limit(account_id=account_id, limit=None)


def key_of(account_id: int) -> Key:
    issued = keys.create_key(account_id=account_id, project_slug="default", name="test", policy=KeyPolicy())
    return Key(issued.public_id, issued.secret, account_id)


def letters_to(account_id: int) -> list[str]:
    """Their subjects, the newest first."""
    return [letter.subject for letter in letters_of_account(account_id=account_id)]


def somebody() -> int:
    return User.objects.earliest("pk").pk


def batches_of(account_id: int) -> list[tuple[int, str, int]]:
    """(cents, state, tries)"""
    return list(MeterBatch.objects.filter(account_id=account_id).values_list("cents", "state", "tries"))


def hurry_batches() -> None:
    MeterBatch.objects.filter(state="waiting").update(next_try_at=datetime.now(UTC))


def tell_refused_again(account_id: int) -> None:
    tell_again(batch_id=MeterBatch.objects.get(account_id=account_id, state="refused").pk)


def books_of(account_id: int) -> Books:
    """Once all of its use is in the ledger, which is sound."""
    balance = posted(account_id)
    plan = plan_of_account(account_id=account_id)
    entries = LedgerEntry.objects.filter(transaction__account_id=account_id)
    taken = entries.filter(ledger_account__kind=LedgerKind.STRIPE_CLEARING)
    metered = entries.filter(ledger_account__kind=LedgerKind.METERED, transaction__kind=TransactionKind.METERING)
    return Books(
        balance=balance,
        status=plan.status if plan else "",
        taken=-sum(entry.amount for entry in taken),
        invoiced=-sum(entry.amount for entry in taken.filter(transaction__business_key__contains=":stripe-in_")),
        metered=-sum(entry.amount for entry in metered),
    )


def account_of(slug: str) -> int:
    return Account.objects.get(slug=slug).pk


def meter_id() -> str:
    return OveragePrice.objects.get().meter_id


def stopped_because(account_id: int) -> str:
    return AutoTopUp.objects.get(pk=account_id).stopped_because


def fees_refunded(account_id: int) -> int:
    entries = LedgerEntry.objects.filter(transaction__account_id=account_id, ledger_account__kind="refunds")
    return -sum(entry.amount for entry in entries)


def slug_of(account_id: int) -> str:
    return Account.objects.get(pk=account_id).slug


def last_top_up(account_id: int) -> tuple[str, int]:
    """(state, amount)"""
    top_up = TopUp.objects.filter(account_id=account_id).latest("pk")
    return top_up.state, top_up.amount
