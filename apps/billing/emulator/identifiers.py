"""Identifiers in Stripe's shapes, secrets among them."""

import secrets
import string

ALPHABET = string.ascii_letters + string.digits
PREFIXES = {
    "customer": ("cus_", 14),
    "product": ("prod_", 14),
    "price": ("price_1", 23),
    "payment_method": ("pm_1", 23),
    "payment_intent": ("pi_3", 23),
    "setup_intent": ("seti_1", 23),
    "charge": ("ch_3", 23),
    "refund": ("re_3", 23),
    "dispute": ("du_1", 23),
    "balance_transaction": ("txn_3", 23),
    "checkout.session": ("cs_test_a1", 56),
    "subscription": ("sub_1", 23),
    "subscription_item": ("si_", 14),
    "invoice": ("in_1", 23),
    "line_item": ("il_1", 23),
    "item": ("li_1", 23),
    "invoiceitem": ("ii_1", 23),
    "invoice_payment": ("inpay_1", 23),
    "event": ("evt_1", 23),
    "v2.core.event": ("evt_test_", 40),
    "v2.core.event_destination": ("ed_test_", 40),
    "webhook_endpoint": ("we_1", 23),
    "billing.meter": ("mtr_test_", 35),
    "billing.meter_event_summary": ("mtrusg_test_", 35),
    "billing_portal.session": ("bps_1", 23),
    "billing_portal.configuration": ("bpc_1", 23),
    "test_helpers.test_clock": ("clock_1", 23),
    "request": ("req_", 14),
}


def token(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new(kind: str) -> str:
    prefix, length = PREFIXES[kind]
    return prefix + token(length)


def signing_secret() -> str:
    return "whsec_" + token(32)


def client_secret(identifier: str) -> str:
    return f"{identifier}_secret_{token(25)}"
