"""Everything that writes to the ledger or checks it, and what Stripe is asked for and tells."""

from apps.billing.services.auto_top_ups import saved_card, set_auto_top_up, stop_auto_top_up, top_up_automatically
from apps.billing.services.card_refunds import refund_to_card
from apps.billing.services.checks import check_ledger, rebuild_balances
from apps.billing.services.credit import (
    grant_credit,
    record_payment,
    record_refund,
    refund_payment,
    refund_usage,
    set_credit_limit,
    write_off,
)
from apps.billing.services.dunning import dun
from apps.billing.services.ends import tell_of_end
from apps.billing.services.expiry import expire_credit
from apps.billing.services.invoices import preview_next_invoice
from apps.billing.services.late_use import bill_late_use
from apps.billing.services.overage import bill_overage, counted_by_stripe, find_meter_errors, tell_again
from apps.billing.services.plans import offer_first_plans
from apps.billing.services.reconciliation import reconcile
from apps.billing.services.stripe_events import find_missed_events, handle_events, receive_event, replay_event
from apps.billing.services.stripe_setup import set_up_stripe
from apps.billing.services.subscriptions import (
    change_plan,
    end_subscription,
    give_plan,
    look_at_subscription,
    open_customer_portal,
    preview_change,
    start_subscription,
)
from apps.billing.services.top_ups import look_at_top_up, start_top_up
from apps.billing.services.usage import post_usage

__all__ = [
    "bill_late_use",
    "bill_overage",
    "change_plan",
    "check_ledger",
    "counted_by_stripe",
    "dun",
    "end_subscription",
    "expire_credit",
    "find_meter_errors",
    "find_missed_events",
    "give_plan",
    "grant_credit",
    "handle_events",
    "look_at_subscription",
    "look_at_top_up",
    "offer_first_plans",
    "open_customer_portal",
    "post_usage",
    "preview_change",
    "preview_next_invoice",
    "rebuild_balances",
    "receive_event",
    "reconcile",
    "record_payment",
    "record_refund",
    "refund_payment",
    "refund_to_card",
    "refund_usage",
    "replay_event",
    "saved_card",
    "set_auto_top_up",
    "set_credit_limit",
    "set_up_stripe",
    "start_subscription",
    "start_top_up",
    "stop_auto_top_up",
    "tell_again",
    "tell_of_end",
    "top_up_automatically",
    "write_off",
]
