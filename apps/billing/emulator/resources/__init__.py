"""Stripe's resources: a module each, with its endpoints as a table."""

from apps.billing.emulator.endpoints import Endpoint
from apps.billing.emulator.expansion import Included
from apps.billing.emulator.resources import (
    accounts,
    charges,
    checkout_sessions,
    customers,
    events,
    payment_intents,
    payment_methods,
    prices,
    products,
    refunds,
    setup_intents,
    webhook_endpoints,
)

MODULES = (
    accounts,
    charges,
    checkout_sessions,
    customers,
    events,
    payment_intents,
    payment_methods,
    prices,
    products,
    refunds,
    setup_intents,
    webhook_endpoints,
)
ENDPOINTS: tuple[Endpoint, ...] = tuple(endpoint for module in MODULES for endpoint in module.ENDPOINTS)
INCLUDED: Included = {**charges.INCLUDED, **checkout_sessions.INCLUDED, **prices.INCLUDED}
