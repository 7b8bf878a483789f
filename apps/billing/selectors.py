"""Reads what accounts have, by the ledger. Everything owned is asked for by account."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import cast

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone
from djstripe.models import Charge, Invoice, PaymentMethod
from djstripe.models import Customer as CustomerAtStripe

from apps.accounts.selectors import first_credit
from apps.billing import processor
from apps.billing.contracts import (
    AtStripe,
    AutomaticTopUp,
    Balance,
    CreditChange,
    DailyRevenue,
    Debtor,
    IncludedUse,
    InvoiceRow,
    LastReconciliation,
    Lot,
    Movements,
    OwnPlan,
    Payments,
    PlanCard,
    Standing,
    TopUpRow,
    UnpaidInvoice,
)
from apps.billing.ledger import FIRST_TO_END, included_in
from apps.billing.models import (
    CUSTOMERS,
    AutoTopUp,
    Customer,
    Dunning,
    DunningStep,
    LedgerAccount,
    LedgerEntry,
    LedgerKind,
    LedgerTransaction,
    Plan,
    StripeCustomer,
    Subscription,
    TopUp,
    TopUpState,
    TransactionKind,
)
from apps.common.redis import sync_redis
from apps.usage.selectors import unposted_cost

NO_CREDIT = (TransactionKind.FEE, TransactionKind.FEE_REFUND, TransactionKind.METERING)
OWED = (LedgerKind.RECEIVABLE, LedgerKind.METERED)
DEFAULT_CARD = "stripe_data__invoice_settings__default_payment_method"
LAST_RECONCILIATION = "art:reconciled"


def last_reconciliation() -> LastReconciliation | None:
    """As it was told; None where there was none. Raises RedisError."""
    told = cast("dict[bytes, bytes]", sync_redis().hgetall(LAST_RECONCILIATION))
    names = ("findings", "failed_checks", "ended_at")  # another release may tell more
    return LastReconciliation(**{name: int(told.get(name.encode(), 0)) for name in names}) if told else None


def payments() -> Payments:
    """How money comes here, if it does."""
    return Payments(are_taken=processor.is_configured(), by_stand_in=processor.is_stand_in())


def is_customer(*, account_id: int) -> bool:
    """Whether Stripe knows the account: it may have kept a card of it."""
    return StripeCustomer.of(account_id) is not None


def plans_on_offer() -> list[PlanCard]:
    return [
        PlanCard(
            slug=plan.slug,
            name=plan.name,
            description=plan.description,
            fee=plan.fee,
            included=plan.included,
            credit_limit=plan.credit_limit,
            trial_days=plan.trial_days,
            limits=_limits(plan),
        )
        for plan in Plan.objects.filter(is_offered=True).select_related("tier")
    ]


def _limits(plan: Plan) -> str:
    """What its tier allows, for people; nothing where it has none."""
    limits = plan.tier.limits if plan.tier else None
    words = (
        (
            (limits.rpm, "requests a minute"),
            (limits.tpm, "tokens a minute"),
            (limits.tpd, "tokens a day"),
            (limits.parallel, "at once"),
        )
        if limits
        else ()
    )
    return ", ".join(f"{value:,} {word}" for value, word in words if value)


def plan_of_account(*, account_id: int) -> OwnPlan | None:
    """Its plan, also one that is past due; None where it has none, or none any more."""
    found = Subscription.objects.filter(account_id=account_id).select_related("plan").first()
    if found is None or not found.is_running:
        return None
    return OwnPlan(
        slug=found.plan.slug,
        name=found.plan.name,
        fee=found.plan.fee,
        status=found.status,
        by_stripe=bool(found.stripe_id),
        period_end=found.period_end,
        ends_with_period=found.ends_with_period,
    )


def included_use(*, account_id: int) -> IncludedUse | None:
    """Of the month that runs; None where it has none, and until its fee is paid."""
    found = Subscription.objects.filter(account_id=account_id).exclude(stripe_id="").first()
    if found is None or not found.is_running or found.period_start is None:
        return None
    month = included_in(found.stripe_id, int(found.period_start.timestamp()))
    sums = LedgerAccount.objects.filter(
        account_id=account_id, entries__transaction__business_key__startswith=f"{TransactionKind.GRANT}:{month}"
    ).aggregate(amount=Sum("entries__amount"), left=Sum("balance"))
    return IncludedUse(amount=sums["amount"], left=sums["left"]) if sums["amount"] else None


def invoices_of_account(*, account_id: int, limit: int = 24) -> list[InvoiceRow]:
    """Stripe's invoices as dj-stripe mirrors them, the newest first; without those that are not final yet."""
    rows = Invoice.objects.filter(customer_id__in=StripeCustomer.ids_of(account_id)).order_by("-created")[:limit]
    told = [row.stripe_data for row in rows]
    return [
        InvoiceRow(
            number=one.get("number") or "",
            created_at=datetime.fromtimestamp(one["created"], UTC),
            total=processor.nano(one["total"]),
            status=one["status"],
            page=one.get("hosted_invoice_url") or "",
            pdf=one.get("invoice_pdf") or "",
        )
        for one in told
        if one.get("status") not in (None, "draft")
    ]


def unpaid_invoice(*, account_id: int) -> UnpaidInvoice | None:
    found = Dunning.objects.filter(pk=account_id).first()
    if found is None:
        return None
    return UnpaidInvoice(
        since=found.since,
        limited_at=found.limited_at,
        suspended_at=found.suspended_at,
        due=found.due,
        step=DunningStep(found.step).name.lower(),
        page=found.page,
    )


def automatic_top_up(*, account_id: int, now: datetime | None = None) -> AutomaticTopUp | None:
    """What its people agreed to, also where it has stopped; None where they never did."""
    found = AutoTopUp.objects.filter(pk=account_id).first()
    if found is None:
        return None
    return AutomaticTopUp(
        threshold=found.threshold,
        amount=found.amount,
        monthly_cap=found.monthly_cap,
        enabled=found.enabled,
        stopped_because=found.stopped_because,
        has_another_card=bool(found.stopped_because) and _has_another_card(account_id),
        charged=charged_automatically(account_id=account_id, now=now or timezone.now()),
    )


def _has_another_card(account_id: int) -> bool:
    theirs = StripeCustomer.of(account_id)
    if theirs is None:
        return False
    kept = PaymentMethod.objects.filter(customer_id=theirs.stripe_id, stripe_data__type="card").order_by("-created")
    cards = list(kept.values_list("id", flat=True))
    wanted = CustomerAtStripe.objects.filter(id=theirs.stripe_id).values_list(DEFAULT_CARD, flat=True).first()
    refused = TopUp.objects.filter(account_id=account_id, is_automatic=True, state=TopUpState.FAILED).first()
    charged = wanted if wanted in cards else next(iter(cards), None)
    return charged is not None and (refused is None or charged != refused.payment_method_id)


def charged_automatically(*, account_id: int, now: datetime) -> int:
    """In this calendar month (UTC), with what is still asked for."""
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    charges = TopUp.objects.filter(
        account_id=account_id,
        is_automatic=True,
        created_at__gte=month,
        state__in=(TopUpState.PENDING, TopUpState.PAID),
    )
    return charges.aggregate(total=Sum("amount"))["total"] or 0


def balance_of_account(*, account_id: int) -> Balance:
    sums = dict(
        LedgerAccount.objects.filter(account_id=account_id)
        .order_by()
        .values_list("kind")
        .annotate(total=Sum("balance"))
    )
    customer = Customer.objects.filter(pk=account_id).first()
    return Balance(
        prepaid=sums.get(LedgerKind.PREPAID, 0),
        promotional=sums.get(LedgerKind.PROMOTIONAL, 0),
        owed=-sums.get(LedgerKind.RECEIVABLE, 0),
        metered=-sums.get(LedgerKind.METERED, 0),
        unposted=unposted_cost(account_id=account_id),
        limit=customer.credit_limit if customer else first_credit(),
    )


def lots_of_account(*, account_id: int) -> list[Lot]:
    """Promotional credit that is left, in the order in which it is spent."""
    rows = LedgerAccount.objects.filter(account_id=account_id, kind=LedgerKind.PROMOTIONAL, balance__gt=0)
    return [
        Lot(
            description=row.lot.description,
            amount=row.lot.amount,
            left=row.balance,
            granted_at=row.lot.granted_at,
            expires_at=row.lot.expires_at,
        )
        for row in rows.select_related("lot").order_by(*FIRST_TO_END)
        if row.lot is not None
    ]


def daily_revenue(*, since: date, until: date) -> list[DailyRevenue]:
    """What was earned on these days, both included, by day and model; use of the last hours is not posted yet."""
    rows = (
        _entries(since, until)
        .filter(ledger_account__kind=LedgerKind.REVENUE)
        .order_by()
        .annotate(day=TruncDate("transaction__occurred_at", tzinfo=UTC))
        .values_list("day", "ledger_account__model")
        .annotate(total=Sum("amount"))
    )
    return [DailyRevenue(day=day, model=model, amount=total) for day, model, total in sorted(rows)]


def movements(*, since: date, until: date) -> Movements:
    """What came in, was given and was given back on these days, both included."""
    rows = _entries(since, until).order_by().values_list("transaction__kind", "ledger_account__kind")
    sums = {(kind, place): total for kind, place, total in rows.annotate(total=Sum("amount"))}

    def moved(kind: TransactionKind, place: LedgerKind) -> int:
        return int(sums.get((kind, place), 0))

    return Movements(
        by_stripe=-moved(TransactionKind.PAYMENT, LedgerKind.STRIPE_CLEARING),
        by_hand=-moved(TransactionKind.PAYMENT, LedgerKind.PAYMENTS),
        refunded=moved(TransactionKind.REFUND, LedgerKind.STRIPE_CLEARING)
        + moved(TransactionKind.FEE_REFUND, LedgerKind.STRIPE_CLEARING)
        + moved(TransactionKind.REFUND, LedgerKind.PAYMENTS),
        fees=moved(TransactionKind.FEE, LedgerKind.REVENUE),
        granted=-moved(TransactionKind.GRANT, LedgerKind.PROMOTIONS),
        expired=moved(TransactionKind.EXPIRY, LedgerKind.PROMOTIONS)
        + moved(TransactionKind.USAGE, LedgerKind.PROMOTIONS),  # what had ended, but late use had a right to
        spent_promotional=-moved(TransactionKind.USAGE, LedgerKind.PROMOTIONAL)
        - moved(TransactionKind.USAGE, LedgerKind.PROMOTIONS),
        usage_refunded=-moved(TransactionKind.USAGE_REFUND, LedgerKind.REFUNDS),
        written_off=-moved(TransactionKind.WRITE_OFF, LedgerKind.WRITE_OFFS),
    )


def _entries(since: date, until: date) -> QuerySet[LedgerEntry]:
    begin = datetime.combine(since, time(), UTC)
    end = datetime.combine(until, time(), UTC) + timedelta(days=1)
    return LedgerEntry.objects.filter(transaction__occurred_at__gte=begin, transaction__occurred_at__lt=end)


def standing(*, most_debtors: int = 10) -> Standing:
    """What all accounts have and owe, by the ledger, and who owes most."""
    sums = dict(
        LedgerAccount.objects.filter(kind__in=CUSTOMERS).order_by().values_list("kind").annotate(total=Sum("balance"))
    )
    owing = (
        LedgerAccount.objects.filter(kind__in=OWED).order_by().values("account_id", "account__name", "account__slug")
    )
    return Standing(
        prepaid=sums.get(LedgerKind.PREPAID, 0),
        promotional=sums.get(LedgerKind.PROMOTIONAL, 0),
        owed=-sums.get(LedgerKind.RECEIVABLE, 0) - sums.get(LedgerKind.METERED, 0),
        debtors=[
            Debtor(account_id=row["account_id"], name=row["account__name"], slug=row["account__slug"], owed=-row["sum"])
            for row in owing.annotate(sum=Sum("balance")).filter(sum__lt=0).order_by("sum", "account_id")[:most_debtors]
        ],
    )


def at_stripe(*, account_id: int, most_top_ups: int = 10) -> AtStripe:
    """What Stripe has of an account, for the staff."""
    customer = StripeCustomer.of(account_id)
    subscription = Subscription.objects.filter(account_id=account_id).first()
    top_ups = TopUp.objects.filter(account_id=account_id).order_by("-pk")[:most_top_ups]
    customer_id = customer.stripe_id if customer else ""
    subscription_id = subscription.stripe_id if subscription else ""
    return AtStripe(
        customer_id=customer_id,
        customer_page=_dashboard("customers", customer_id),
        subscription_id=subscription_id,
        subscription_page=_dashboard("subscriptions", subscription_id),
        top_ups=[
            TopUpRow(
                id=row.pk,
                amount=row.amount,
                state=row.state,
                is_automatic=row.is_automatic,
                payment_intent_id=row.payment_intent_id,
                page=_dashboard("payments", row.payment_intent_id),
                created_at=row.created_at,
                failure=row.failure,
            )
            for row in top_ups
        ],
    )


def _dashboard(kind: str, stripe_id: str) -> str:
    if not stripe_id or processor.is_stand_in():
        return ""
    return f"https://dashboard.stripe.com/{'' if settings.STRIPE_LIVE_MODE else 'test/'}{kind}/{stripe_id}"


def credit_history(*, account_id: int, limit: int = 100, before: int | None = None) -> list[CreditChange]:
    """An account's transactions, the newest first; `before` (an id) pages back. Without what changes no credit."""
    rows = LedgerTransaction.objects.filter(account_id=account_id).exclude(kind__in=NO_CREDIT)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    page = list(rows.order_by("-pk")[:limit])
    if not page:
        return []
    own = LedgerEntry.objects.filter(ledger_account__account_id=account_id, transaction__account_id=account_id)
    gains = dict(
        own.filter(transaction__in=page).order_by().values_list("transaction_id").annotate(total=Sum("amount"))
    )
    balance = own.filter(transaction_id__lte=page[0].pk).aggregate(total=Sum("amount"))["total"] or 0
    receipts = _receipts(account_id, page)
    changes = []
    for row in page:
        changes.append(
            CreditChange(
                id=row.pk,
                kind=row.kind,
                description=row.description,
                occurred_at=row.occurred_at,
                posted_at=row.posted_at,
                amount=gains.get(row.pk, 0),
                balance=balance,
                receipt=receipts.get(row.business_key, ""),
            )
        )
        balance -= gains.get(row.pk, 0)
    return changes


def _receipts(account_id: int, transactions: Iterable[LedgerTransaction]) -> dict[str, str]:
    """Stripe's pages by business key, from what dj-stripe mirrors."""
    by_card = f"{TransactionKind.PAYMENT}:stripe-"
    paid = [row.business_key.removeprefix(by_card) for row in transactions if row.business_key.startswith(by_card)]
    charges = Charge.objects.filter(customer_id__in=StripeCustomer.ids_of(account_id), payment_intent_id__in=paid)
    told = [charge.stripe_data for charge in charges] if paid else []
    return {f"{by_card}{one['payment_intent']}": one["receipt_url"] for one in told if one.get("receipt_url")}
