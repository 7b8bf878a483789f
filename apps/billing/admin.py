"""The staff's pages of money: what accounts have, the ledger, and bookings by hand, each with its reason."""

import uuid
from collections.abc import Callable
from typing import Any

from django import forms
from django.apps import apps as django_apps
from django.contrib import admin
from django.contrib.admin.widgets import AdminSplitDateTime
from django.db.models import OuterRef, Subquery, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html

from apps.billing import services
from apps.billing.contracts import Booked
from apps.billing.models import (
    CUSTOMERS,
    AutoTopUp,
    CreditLot,
    Customer,
    Dunning,
    LateInvoice,
    LedgerAccount,
    LedgerEntry,
    LedgerKind,
    LedgerTransaction,
    MeterBatch,
    OwedCents,
    Plan,
    PostedCharge,
    Reconciliation,
    StripeEvent,
    Subscription,
    TopUp,
    TransactionKind,
)
from apps.billing.processor import cents, nano
from apps.billing.reconciliation_desk import ReconciliationAdmin
from apps.common.desk import Desk, ReadOnlyDesk, ReadOnlyInline, usd
from apps.common.forms import UsdField

BOOKINGS: dict[TransactionKind, tuple[str, Callable[..., Booked]]] = {
    TransactionKind.GRANT: ("Promotional credit", services.grant_credit),
    TransactionKind.PAYMENT: ("Payment, taken outside Stripe", services.record_payment),
    TransactionKind.REFUND: ("Refund of prepaid credit, paid outside Stripe", services.refund_payment),
    TransactionKind.USAGE_REFUND: ("Refund of use", services.refund_usage),
    TransactionKind.WRITE_OFF: ("Write-off of what is owed", services.write_off),
}


@admin.register(Customer)
class CustomerAdmin(Desk):
    """What an account has, and how much use it may owe."""

    list_display = ("account", "prepaid", "promotional", "owed", "used", "limit", "page")
    list_select_related = ("account",)
    search_fields = ("account__slug", "account__name")
    fields = ("account", "page", "credit_limit", "prepaid", "promotional", "owed", "used", "created_at", "updated_at")
    readonly_fields = ("account", "page", "prepaid", "promotional", "owed", "used", "created_at", "updated_at")
    ordering = ("account__name",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(**{kind.value: _balance(kind) for kind in CUSTOMERS})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Customer, form: Any, change: bool) -> None:
        services.set_credit_limit(account_id=obj.pk, limit=form.cleaned_data["credit_limit"])

    @admin.display(description="all of it")
    def page(self, customer: Customer) -> str:
        return format_html('<a href="{}">Money</a>', reverse("desk:account_money", args=[customer.pk]))

    @admin.display(description="prepaid credit", ordering="prepaid")
    def prepaid(self, customer: Any) -> str:
        return usd(customer.prepaid or 0)

    @admin.display(description="promotional credit", ordering="promotional")
    def promotional(self, customer: Any) -> str:
        return usd(customer.promotional or 0)

    @admin.display(description="owed for use", ordering="receivable")
    def owed(self, customer: Any) -> str:
        return usd(-(customer.receivable or 0))

    @admin.display(description="use in the ledger", ordering="posted")
    def used(self, customer: Customer) -> str:
        return usd(customer.posted)

    @admin.display(description="credit limit", ordering="credit_limit")
    def limit(self, customer: Customer) -> str:
        return "any" if customer.credit_limit is None else usd(customer.credit_limit)


def _balance(kind: LedgerKind) -> Subquery:
    own = LedgerAccount.objects.filter(account_id=OuterRef("pk"), kind=kind).order_by()
    return Subquery(own.values("account_id").annotate(total=Sum("balance")).values("total"))


class BookingForm(forms.ModelForm):  # type: ignore[type-arg]
    """A booking by hand. Its key is made with the form: sent twice, it books once."""

    kind = forms.ChoiceField(choices=[(kind, label) for kind, (label, _) in BOOKINGS.items()])
    amount = UsdField(help_text="US dollars")
    reason = forms.CharField(max_length=200, help_text="Its people see it")
    expires_at = forms.SplitDateTimeField(
        required=False,
        widget=AdminSplitDateTime,
        help_text="Of promotional credit (UTC, rounded up to the full hour); empty: it never ends",
    )
    key = forms.CharField(widget=forms.HiddenInput, initial=lambda: f"staff-{uuid.uuid4()}")

    class Meta:
        model = LedgerTransaction
        fields = ("account", "kind")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("expires_at") and values.get("kind") != TransactionKind.GRANT:
            self.add_error("expires_at", "Only promotional credit ends.")
        return values


class EntryInline(ReadOnlyInline):
    model = LedgerEntry
    fields = readonly_fields = ("ledger_account", "sum")

    @admin.display(description="amount")
    def sum(self, entry: LedgerEntry) -> str:
        return usd(entry.amount)


class ChargeInline(ReadOnlyInline):
    model = PostedCharge
    fields = readonly_fields = ("charge", "sum")
    verbose_name_plural = "use that it posted"

    @admin.display(description="cost")
    def sum(self, posted: PostedCharge) -> str:
        return usd(posted.cost)


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(Desk):
    """The journal. Added to by the form of a booking; what is written is never changed."""

    form = BookingForm
    list_display = ("posted_at", "kind", "account", "occurred_at", "description", "actor")
    list_select_related = ("account", "actor")
    list_filter = ("kind", "posted_at")
    date_hierarchy = "posted_at"
    search_fields = ("=business_key", "account__slug", "description")
    autocomplete_fields = ("account",)
    ordering = ("-pk",)

    def get_fields(self, request: HttpRequest, obj: LedgerTransaction | None = None) -> Any:
        if obj is None:
            return ("account", "kind", "amount", "reason", "expires_at", "key")
        return ("kind", "business_key", "account", "occurred_at", "posted_at", "description", "actor")

    def get_readonly_fields(self, request: HttpRequest, obj: LedgerTransaction | None = None) -> Any:
        return self.get_fields(request, obj) if obj else ()

    def get_inlines(self, request: HttpRequest, obj: LedgerTransaction | None) -> Any:
        return [EntryInline, ChargeInline] if obj else []

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: LedgerTransaction, form: Any, change: bool) -> None:
        values = form.cleaned_data
        _, book = BOOKINGS[TransactionKind(values["kind"])]
        ends = {"expires_at": values["expires_at"]} if values.get("expires_at") else {}
        booked = book(
            account_id=values["account"].pk,
            amount=values["amount"],
            key=values["key"],
            reason=values["reason"],
            actor_id=request.user.pk,
            **ends,
        )
        obj.pk = booked.transaction_id
        obj.refresh_from_db()


@admin.register(LedgerAccount)
class LedgerAccountAdmin(ReadOnlyDesk):
    """The balances; all of them together are nothing."""

    list_display = ("kind", "model", "account", "lot", "sum")
    list_select_related = ("account", "lot")
    list_filter = ("kind",)
    search_fields = ("account__slug", "model")
    fields = ("kind", "model", "account", "lot", "sum")
    ordering = ("kind", "model", "pk")

    @admin.display(description="balance", ordering="balance")
    def sum(self, account: LedgerAccount) -> str:
        return usd(account.balance)


@admin.register(CreditLot)
class CreditLotAdmin(ReadOnlyDesk):
    list_display = ("account", "description", "sum", "granted_at", "expires_at", "swept_at")
    list_select_related = ("account",)
    search_fields = ("account__slug", "description")
    fields = ("account", "description", "sum", "granted_at", "expires_at", "swept_at")
    ordering = ("-pk",)

    @admin.display(description="amount", ordering="amount")
    def sum(self, lot: CreditLot) -> str:
        return usd(lot.amount)


@admin.register(Plan)
class PlanAdmin(Desk):
    """What people may subscribe to. A changed fee is for new subscriptions; old ones keep theirs."""

    list_display = ("name", "monthly", "included_use", "may_owe", "tier", "trial_days", "is_offered", "order")
    list_select_related = ("tier",)
    prepopulated_fields = {"slug": ("name",)}
    autocomplete_fields = ("tier",)
    search_fields = ("name", "slug")

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        cents(obj.fee)
        super().save_model(request, obj, form, change)

    @admin.display(description="fee a month", ordering="fee")
    def monthly(self, plan: Plan) -> str:
        return usd(plan.fee)

    @admin.display(description="included use", ordering="included")
    def included_use(self, plan: Plan) -> str:
        return usd(plan.included)

    @admin.display(description="may owe", ordering="credit_limit")
    def may_owe(self, plan: Plan) -> str:
        return usd(plan.credit_limit)


@admin.register(Subscription)
class SubscriptionAdmin(Desk):
    """Who has which plan. Those that Stripe takes a fee for are changed there; others are given and taken here."""

    list_display = ("account", "plan", "status", "period_end", "ends_with_period", "stripe_id")
    list_select_related = ("account", "plan")
    list_filter = ("plan", "status")
    search_fields = ("account__slug", "account__name", "stripe_id")
    autocomplete_fields = ("account", "plan")

    def get_fields(self, request: HttpRequest, obj: Subscription | None = None) -> Any:
        shown = ("status", "stripe_id", "period_start", "period_end", "ends_with_period", "is_metered")
        return ("account", "plan", *shown) if obj else ("account", "plan")

    def get_readonly_fields(self, request: HttpRequest, obj: Subscription | None = None) -> Any:
        return self.get_fields(request, obj) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Subscription | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or not (obj.stripe_id and obj.is_running))

    def save_model(self, request: HttpRequest, obj: Subscription, form: Any, change: bool) -> None:
        if not change:
            services.give_plan(account_id=obj.account_id, plan_slug=obj.plan.slug)

    def delete_model(self, request: HttpRequest, obj: Subscription) -> None:
        services.give_plan(account_id=obj.account_id, plan_slug=None)

    def get_actions(self, request: HttpRequest) -> Any:
        return {}


@admin.register(TopUp)
class TopUpAdmin(ReadOnlyDesk):
    list_display = ("id", "account", "sum", "state", "is_automatic", "created_at", "payment_intent_id")
    list_select_related = ("account",)
    list_filter = ("state", "is_automatic", "livemode")
    search_fields = ("account__slug", "account__name", "payment_intent_id", "session_id")
    fields = (
        *("account", "livemode", "sum", "state", "failure", "is_automatic", "asked_by", "created_at"),
        *("reference", "session_id", "payment_intent_id", "payment_method_id"),
    )

    @admin.display(description="amount", ordering="amount")
    def sum(self, top_up: TopUp) -> str:
        return usd(top_up.amount)


@admin.register(StripeEvent)
class StripeEventAdmin(ReadOnlyDesk):
    """What Stripe told. What was given up can be tried again once its cause is gone."""

    list_display = ("type", "stripe_id", "state", "tries", "was_missed", "created_at", "done_at", "error")
    list_filter = ("state", "was_missed", "type", "livemode")
    search_fields = ("stripe_id",)
    exclude = ("body",)  # it may hold what only a payer's browser is to know
    actions = ("replay",)

    @admin.action(description="Try again", permissions=["view"])
    def replay(self, request: HttpRequest, rows: Any) -> None:
        self.run(request, rows, lambda event: services.replay_event(event_id=event.pk), done="to be tried again")


class CentsAdmin(ReadOnlyDesk):
    @admin.display(description="amount", ordering="cents")
    def sum(self, asked: OwedCents) -> str:
        return usd(nano(asked.cents))


@admin.register(MeterBatch)
class MeterBatchAdmin(CentsAdmin):
    """Use on its way to invoices. What Stripe did not count can be told again once its cause is gone."""

    list_display = ("reference", "account", "sum", "state", "tries", "sent_at", "error")
    list_select_related = ("account",)
    list_filter = ("state", "livemode")
    search_fields = ("account__slug", "account__name", "reference")
    actions = ("tell_again",)

    @admin.action(description="Tell again", permissions=["view"])
    def tell_again(self, request: HttpRequest, rows: Any) -> None:
        self.run(request, rows, lambda batch: services.tell_again(batch_id=batch.pk), done="to be told again")


@admin.register(LateInvoice)
class LateInvoiceAdmin(CentsAdmin):
    """What ended subscriptions left. One that cannot be made is tried again by itself."""

    list_display = ("reference", "account", "sum", "state", "invoice_id", "tries", "created_at", "error")
    list_select_related = ("account",)
    list_filter = ("state", "livemode")
    search_fields = ("account__slug", "account__name", "reference", "invoice_id")


@admin.register(AutoTopUp)
class AutoTopUpAdmin(ReadOnlyDesk):
    list_display = ("account", "enabled", "less_than", "adds", "cap", "stopped_because", "consented_by", "consented_at")
    list_select_related = ("account", "consented_by")
    list_filter = ("enabled",)
    search_fields = ("account__slug", "account__name")
    fields = (*list_display, "told_of_cap")

    @admin.display(description="when less than", ordering="threshold")
    def less_than(self, auto: AutoTopUp) -> str:
        return usd(auto.threshold)

    @admin.display(description="adds", ordering="amount")
    def adds(self, auto: AutoTopUp) -> str:
        return usd(auto.amount)

    @admin.display(description="at most a month", ordering="monthly_cap")
    def cap(self, auto: AutoTopUp) -> str:
        return usd(auto.monthly_cap)


@admin.register(Dunning)
class DunningAdmin(ReadOnlyDesk):
    """Accounts with an invoice that is not paid."""

    list_display = ("account", "left", "since", "step", "invoice_id")
    list_select_related = ("account",)
    list_filter = ("step",)
    search_fields = ("account__slug", "account__name", "invoice_id")
    fields = (*list_display, "page", "limits_go", "calls_stop", "plan_before", "tier_before", "owed_at_most_before")

    @admin.display(description="left to be paid", ordering="due")
    def left(self, dunning: Dunning) -> str:
        return usd(dunning.due)

    @admin.display(description="limits go on")
    def limits_go(self, dunning: Dunning) -> str:
        return date_format(dunning.limited_at, "DATETIME_FORMAT")

    @admin.display(description="calls are refused from")
    def calls_stop(self, dunning: Dunning) -> str:
        return date_format(dunning.suspended_at, "DATETIME_FORMAT")

    @admin.display(description="credit limit before")
    def owed_at_most_before(self, dunning: Dunning) -> str:
        return usd(dunning.credit_limit_before)


admin.site.register(Reconciliation, ReconciliationAdmin)

for _mirrored in django_apps.get_app_config("djstripe").get_models():
    if admin.site.is_registered(_mirrored):  # dj-stripe's own pages show secrets, and write to Stripe past our services
        admin.site.unregister(_mirrored)
