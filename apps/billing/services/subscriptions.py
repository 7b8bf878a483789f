"""Plans by subscription. What an account has of its plan follows from the subscription as Stripe has it now."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from apps.billing.contracts import Change
from apps.billing.ledger import Book, included_in
from apps.billing.models import (
    ENDED,
    RUNNING,
    LateInvoice,
    LedgerEntry,
    LedgerTransaction,
    Plan,
    PlanPrice,
    StripeCustomer,
    Subscription,
    SubscriptionStatus,
    TransactionKind,
)
from apps.billing.processor import CURRENCY, NANO_PER_CENT, cents, client, if_there, nano, translated
from apps.billing.services.credit import grant_credit
from apps.billing.services.dunning import bring_plan, is_dunned, look_at_debts
from apps.billing.services.invoices import book_paid, book_voided, owe_again, subscription_of
from apps.billing.services.overage import is_overage, overage_price
from apps.billing.services.stripe_customers import stripe_customer
from apps.common.errors import Invalid, NotFound

METADATA, PORTAL = "artemis_account", "portal"
UNTIL_RENEWED = timedelta(hours=3)  # Stripe takes a month's fee about an hour after it has begun
logger = logging.getLogger(__name__)
PAID_FOR = ("trialing", "active")
UNPAID = ("past_due", "unpaid")
UNSETTLED = ("open", "uncollectible")


def start_subscription(*, account_id: int, plan_slug: str, page: str) -> str:
    """The address of a Checkout for a plan. Raises NotFound, Invalid or Unavailable."""
    plan = _offered(plan_slug)
    customer = stripe_customer(account_id=account_id)
    with translated():
        had_another = _look_at_that_of_another(account_id, customer)
        _close_other_checkouts(customer)
        earlier = list(client().v1.subscriptions.list({"customer": customer, "status": "all"}).auto_paging_iter())
        for one in earlier:
            if one.status in RUNNING:
                note_subscription(one)
                raise Invalid("plan", "This account is subscribed already: change its plan instead.")
        items: list[Any] = [{"price": price_of(plan), "quantity": 1}]
        if plan.credit_limit:
            items.append({"price": overage_price()})
        session = client().v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "customer": customer,
                "line_items": items,
                "subscription_data": {
                    "metadata": {METADATA: str(account_id)},
                    **(
                        {"trial_period_days": plan.trial_days}
                        if plan.trial_days and not earlier and not had_another
                        else {}
                    ),
                },
                "success_url": f"{page}?subscribed={{CHECKOUT_SESSION_ID}}",
                "cancel_url": page,
            }
        )
    return str(session.url)


def look_at_subscription(*, account_id: int, session_id: str) -> None:
    """What has become of a Checkout, asked now: its visitor is back, the webhook may be on its way.

    Raises NotFound, Invalid or Unavailable.
    """
    theirs = StripeCustomer.of(account_id)
    if theirs is None:
        raise NotFound("There is no such payment.")
    with translated():
        session = client().v1.checkout.sessions.retrieve(session_id)
        if str(session.customer) != theirs.stripe_id or not session.subscription:
            raise NotFound("There is no such payment.")
        note_subscription(client().v1.subscriptions.retrieve(str(session.subscription)))


def preview_change(*, account_id: int, plan_slug: str) -> Change:
    """What a change to another plan costs today, and in the months to come. Raises NotFound, Invalid, Unavailable."""
    plan, subscription, item, proration = _change(account_id, plan_slug)
    if proration == "none":
        return Change(plan=plan.name, due_now=0, fee=plan.fee)
    with translated():
        invoice = client().v1.invoices.create_preview(
            {
                "customer": stripe_customer(account_id=account_id),
                "subscription": subscription.stripe_id,
                "subscription_details": {
                    "items": [{"id": item, "price": price_of(plan)}],
                    "proration_behavior": proration,
                    "cancel_at_period_end": False,
                },
            }
        )
    return Change(plan=plan.name, due_now=nano(max(0, invoice.amount_due)), fee=plan.fee)


def change_plan(*, account_id: int, plan_slug: str) -> None:
    """Now. A dearer plan's fee for the rest of the month is charged at once; a cheaper one's is from the next month on,
    and nothing is given back, for what this month includes stays. Raises as `preview_change` does.
    """
    plan, subscription, item, proration = _change(account_id, plan_slug)
    with translated():
        changed = client().v1.subscriptions.update(
            subscription.stripe_id,
            {
                "items": [{"id": item, "price": price_of(plan)}],
                "proration_behavior": proration,
                "payment_behavior": "error_if_incomplete",  # a card that is declined changes nothing
                "cancel_at_period_end": False,
            },
        )
    note_subscription(changed)


def end_subscription(*, account_id: int, with_period: bool) -> None:
    """Ends it with the month that is paid for or, where that is False, lets it go on after all. Raises NotFound."""
    subscription = _own(account_id)
    with translated():
        changed = client().v1.subscriptions.update(subscription.stripe_id, {"cancel_at_period_end": with_period})
    note_subscription(changed)


def open_customer_portal(*, account_id: int, page: str) -> str:
    """The address of Stripe's pages for cards, invoices and the subscription. Raises Invalid or Unavailable."""
    customer = stripe_customer(account_id=account_id)
    with translated():
        session = client().v1.billing_portal.sessions.create(
            {"customer": customer, "return_url": page, "configuration": _portal_configuration()}
        )
    return str(session.url)


def price_of(plan: Plan) -> str:
    """The id of Stripe's price for the plan's fee of now, which is made where there is none."""
    live = settings.STRIPE_LIVE_MODE
    known = PlanPrice.objects.filter(plan=plan, livemode=live, fee=plan.fee).first()
    if known is not None:
        return known.stripe_id
    with translated():
        made = client().v1.prices.create(
            {
                "currency": CURRENCY,
                "unit_amount": cents(plan.fee),
                "recurring": {"interval": "month"},
                "product_data": {"name": plan.name, "metadata": {"artemis_plan": plan.slug}},
            }
        )
    PlanPrice.objects.bulk_create(
        [PlanPrice(plan=plan, livemode=live, fee=plan.fee, stripe_id=made.id)], ignore_conflicts=True
    )
    return PlanPrice.objects.get(plan=plan, livemode=live, fee=plan.fee).stripe_id


def note_subscription(told: Any) -> None:
    """What Stripe says of a subscription: the account gets what its plan brings, or loses it."""
    owner = StripeCustomer.known_as(str(told.customer))
    if owner is None:
        return
    _note(owner, told, is_paid=told.status in PAID_FOR and _is_paid(told))
    if told.status in ENDED:
        owe_again(account_id=owner.account_id, customer_id=owner.stripe_id, subscription_id=told.id)
    if told.status in UNPAID or is_dunned(account_id=owner.account_id):
        look_at_debts(account_id=owner.account_id)


@transaction.atomic
def _note(owner: StripeCustomer, told: Any, *, is_paid: bool) -> None:
    item = _fee_item(told)
    Book.of(owner.account_id)  # one at a time
    known = Subscription.objects.filter(account_id=owner.account_id).select_related("plan").first()
    running = told.status in RUNNING
    if known is not None and known.stripe_id != told.id and known.is_running and (known.stripe_id or not running):
        if running:
            logger.error("%s has two subscriptions at Stripe: %s brings nothing", known.account, told.id)
        return
    price = PlanPrice.objects.filter(stripe_id=item["price"]["id"]).select_related("plan").first()
    if price is None:
        if running:  # seen by staff among the events that were given up
            raise Invalid("price", f"The subscription {told.id} has a price that is no plan's.")
        return
    had = known.plan if known is not None and known.is_running else None
    Subscription.objects.update_or_create(
        account_id=owner.account_id,
        defaults={
            "plan": price.plan,
            "status": told.status,
            "livemode": told.livemode,
            "stripe_id": told.id,
            "period_start": _moment(item["current_period_start"]),
            "period_end": _moment(item["current_period_end"]),
            "ends_with_period": bool(told.cancel_at_period_end),
            "ended_at": _moment(told.ended_at) if told.ended_at else None,
            "is_metered": len(told["items"]["data"]) > 1,
        },
    )
    plan = price.plan if running else None
    if plan != had:  # limits that staff set since then stay
        bring_plan(account_id=owner.account_id, plan=plan)
    if is_paid:
        _include(owner.account_id, price.plan, told.id, item)


def note_invoice(invoice: Any) -> None:
    """What Stripe says of an invoice: a fee that was paid is revenue, and its subscription may have changed."""
    owner = StripeCustomer.known_as(str(invoice.customer))
    subscription = subscription_of(invoice)
    if owner is None:
        return
    is_late = LateInvoice.objects.filter(invoice_id=invoice.id, account_id=owner.account_id).exists()
    if not (subscription or is_late):
        return
    if invoice.status == "paid":
        book_paid(owner.account_id, invoice)
    elif invoice.status == "void":
        book_voided(owner.account_id, invoice)
    if subscription:
        with translated():
            note_subscription(client().v1.subscriptions.retrieve(subscription))
    is_debt = invoice.status in UNSETTLED and invoice.attempt_count  # also where its subscription has ended
    if is_debt or (is_late and is_dunned(account_id=owner.account_id)):
        look_at_debts(account_id=owner.account_id)


def give_plan(*, account_id: int, plan_slug: str | None) -> None:
    """A plan by staff's hand, without Stripe; None takes it away. Raises Invalid where Stripe has a say in it."""
    with transaction.atomic():
        Book.of(account_id)
        known = Subscription.objects.filter(account_id=account_id).first()
        if known is not None and known.stripe_id and known.is_running:
            raise Invalid("plan", "This account pays for its plan through Stripe: it is changed there.")
        if plan_slug is None:
            Subscription.objects.filter(account_id=account_id).delete()
            bring_plan(account_id=account_id, plan=None)
            return
        plan = Plan.objects.filter(slug=plan_slug).first()
        if plan is None:
            raise NotFound("There is no such plan.")
        Subscription.objects.update_or_create(
            account_id=account_id,
            defaults={"plan": plan, "status": "active", "stripe_id": "", "period_start": None, "period_end": None},
        )
        bring_plan(account_id=account_id, plan=plan)


def _include(account_id: int, plan: Plan, stripe_id: str, item: Any) -> None:
    """The month's use, as credit that ends with it. After a change to a larger plan, what that has more."""
    start, end, now = _moment(item["current_period_start"]), _moment(item["current_period_end"]), timezone.now()
    month = included_in(stripe_id, item["current_period_start"])
    if end <= now or LedgerTransaction.objects.filter(business_key=f"{TransactionKind.GRANT}:{month}{plan.slug}"):
        return
    given = LedgerEntry.objects.filter(
        transaction__business_key__startswith=f"{TransactionKind.GRANT}:{month}", ledger_account__account_id=account_id
    ).aggregate(total=Sum("amount"))["total"]
    amount = plan.included - (given or 0)
    if given:  # of the rest of the month, as its fee is; whole cents
        whole = int((end - start).total_seconds())
        left = min(whole, int((end - now).total_seconds()))
        amount = nano(amount * left // whole // NANO_PER_CENT)
    if amount <= 0:
        return
    grant_credit(
        account_id=account_id,
        amount=amount,
        key=month + plan.slug,
        reason=f"Included in {plan.name}",
        expires_at=end + UNTIL_RENEWED,
    )


def _fee_item(told: Any) -> Any:
    """A subscription's item that is its fee: what is owed for use has another."""
    items = told["items"]["data"]
    return next((item for item in items if not is_overage(item["price"]["id"])), items[0])


def _is_paid(told: Any) -> bool:
    """Whether the month that has begun is: Stripe moves a subscription on an hour before it takes the fee."""
    if told.status == "trialing":
        return True
    if not told.latest_invoice:
        return False
    with translated():
        return client().v1.invoices.retrieve(str(told.latest_invoice)).status == "paid"


def _offered(slug: str) -> Plan:
    plan = Plan.objects.filter(slug=slug, is_offered=True).first()
    if plan is None:
        raise NotFound("There is no such plan.")
    return plan


def _own(account_id: int) -> Subscription:
    found = Subscription.objects.filter(account_id=account_id).exclude(stripe_id="").first()
    if found is None or not found.is_running:
        raise NotFound("This account has no subscription.")
    return found


def _change(account_id: int, plan_slug: str) -> tuple[Plan, Subscription, str, Literal["always_invoice", "none"]]:
    """The plan, the subscription, its item at Stripe, and whether the rest of this month is charged."""
    plan, subscription = _offered(plan_slug), _own(account_id)
    if subscription.plan_id == plan.pk:
        raise Invalid("plan", f"This account has {plan.name} already.")
    with translated():
        told = client().v1.subscriptions.retrieve(subscription.stripe_id)
    if told.status != "active":
        what = "trial is over" if told.status == "trialing" else "open invoice is paid"
        raise Invalid("plan", f"The plan can be changed once the {what}.")
    item = _fee_item(told)
    was_paid = LedgerTransaction.objects.filter(
        business_key=f"{TransactionKind.GRANT}:{included_in(told.id, item['current_period_start'])}{plan.slug}",
        account_id=account_id,
    ).exists()
    is_dearer = plan.fee > nano(item["price"]["unit_amount"])
    return plan, subscription, str(item["id"]), "always_invoice" if is_dearer and not was_paid else "none"


def _look_at_that_of_another(account_id: int, customer: str) -> bool:
    """Whether it was subscribed as a customer whom Stripe has no more; that it ended may not have been heard of."""
    known = Subscription.objects.filter(account_id=account_id).exclude(stripe_id="").first()
    if known is None or StripeCustomer.ids_of(account_id) == [customer]:
        return False
    told = if_there(lambda: client().v1.subscriptions.retrieve(known.stripe_id))
    if told is None:
        _forget(account_id, known.stripe_id)
    else:
        note_subscription(told)
    return True


@transaction.atomic
def _forget(account_id: int, stripe_id: str) -> None:
    """Test data that was cleared at Stripe leaves no subscription that could say that it has ended."""
    Book.of(account_id)
    running = Subscription.objects.filter(account_id=account_id, stripe_id=stripe_id, status__in=RUNNING)
    if running.update(status=SubscriptionStatus.CANCELED):
        bring_plan(account_id=account_id, plan=None)


def _close_other_checkouts(customer: str) -> None:
    """So that two tabs do not subscribe twice."""
    listed = client().v1.checkout.sessions.list({"customer": customer, "status": "open", "limit": 100})
    for session in listed.auto_paging_iter():
        if session.mode == "subscription":
            client().v1.checkout.sessions.expire(session.id)


def _portal_configuration() -> str:
    """What people may do on Stripe's pages: plans are changed here, and end with their month."""
    listed = client().v1.billing_portal.configurations.list({"active": True, "limit": 100})
    for known in listed.auto_paging_iter():
        if METADATA in (known.metadata or {}) and known.metadata[METADATA] == PORTAL:  # type: ignore[index]
            return str(known.id)
    made = client().v1.billing_portal.configurations.create(
        {
            "features": {
                "customer_update": {"enabled": True, "allowed_updates": ["email", "address", "tax_id"]},
                "invoice_history": {"enabled": True},
                "payment_method_update": {"enabled": True},
                "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
            },
            "metadata": {METADATA: PORTAL},
        }
    )
    return str(made.id)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


NOTERS: dict[str, Callable[[str], None]] = {
    "subscription": lambda stripe_id: note_subscription(client().v1.subscriptions.retrieve(stripe_id)),
    "invoice": lambda stripe_id: note_invoice(client().v1.invoices.retrieve(stripe_id)),
}
