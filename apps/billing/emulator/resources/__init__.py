"""Stripe's resources: a module each, with its endpoints as a table."""

from apps.billing.emulator.endpoints import Endpoint
from apps.billing.emulator.expansion import Included
from apps.billing.emulator.resources import (
    accounts,
    charges,
    checkout_sessions,
    core_events,
    customers,
    disputes,
    events,
    invoice_items,
    invoices,
    meters,
    payment_intents,
    payment_methods,
    portal,
    prices,
    products,
    refunds,
    setup_intents,
    subscriptions,
    test_clocks,
    webhook_endpoints,
)

MODULES = (
    accounts,
    charges,
    checkout_sessions,
    core_events,
    customers,
    disputes,
    events,
    invoice_items,
    invoices,
    meters,
    payment_intents,
    payment_methods,
    portal,
    prices,
    products,
    refunds,
    setup_intents,
    subscriptions,
    test_clocks,
    webhook_endpoints,
)
ENDPOINTS: tuple[Endpoint, ...] = tuple(endpoint for module in MODULES for endpoint in module.ENDPOINTS)
INCLUDED: Included = {
    **charges.INCLUDED,
    **checkout_sessions.INCLUDED,
    **customers.INCLUDED,
    **invoices.INCLUDED,
    **prices.INCLUDED,
    **subscriptions.INCLUDED,
}
