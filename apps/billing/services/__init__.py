"""Everything that writes to the ledger, or checks it."""

from apps.billing.services.checks import check_ledger, rebuild_balances
from apps.billing.services.credit import (
    grant_credit,
    record_payment,
    refund_payment,
    refund_usage,
    set_credit_limit,
    write_off,
)
from apps.billing.services.expiry import expire_credit
from apps.billing.services.usage import post_usage

__all__ = [
    "check_ledger",
    "expire_credit",
    "grant_credit",
    "post_usage",
    "rebuild_balances",
    "record_payment",
    "refund_payment",
    "refund_usage",
    "set_credit_limit",
    "write_off",
]
