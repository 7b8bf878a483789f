"""The ledger's tables, and those of what Stripe is asked for and tells."""

from apps.billing.models.dunning import Dunning, DunningStep
from apps.billing.models.ledger import (
    CUSTOMERS,
    CreditLot,
    Customer,
    LedgerAccount,
    LedgerEntry,
    LedgerKind,
    LedgerTransaction,
    PostedCharge,
    TransactionKind,
)
from apps.billing.models.overage import PREFIX, BatchState, LateInvoice, LateState, MeterBatch, OveragePrice, OwedCents
from apps.billing.models.plans import ENDED, RUNNING, Plan, PlanPrice, Subscription, SubscriptionStatus
from apps.billing.models.reconciliation import Reconciliation
from apps.billing.models.stripe import (
    AutoTopUp,
    EventState,
    StripeCustomer,
    StripeEvent,
    TopUp,
    TopUpState,
)

__all__ = [
    "CUSTOMERS",
    "ENDED",
    "PREFIX",
    "RUNNING",
    "AutoTopUp",
    "BatchState",
    "CreditLot",
    "Customer",
    "Dunning",
    "DunningStep",
    "EventState",
    "LateInvoice",
    "LateState",
    "LedgerAccount",
    "LedgerEntry",
    "LedgerKind",
    "LedgerTransaction",
    "MeterBatch",
    "OveragePrice",
    "OwedCents",
    "Plan",
    "PlanPrice",
    "PostedCharge",
    "Reconciliation",
    "StripeCustomer",
    "StripeEvent",
    "Subscription",
    "SubscriptionStatus",
    "TopUp",
    "TopUpState",
    "TransactionKind",
]
