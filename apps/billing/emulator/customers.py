"""A new customer, however it comes to be."""

from apps.billing.emulator import cards, identifiers
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.parameters import Fields, merge_metadata
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

PLAIN = (
    "address",
    "balance",
    "business_name",
    "description",
    "email",
    "individual_name",
    "invoice_prefix",
    "name",
    "next_invoice_sequence",
    "phone",
    "preferred_locales",
    "shipping",
)
"""Fields that are kept as they are given."""


def new(world: World, fields: Fields) -> Object:
    clock = fields.get("test_clock")
    if clock is not None:
        world.get("test_helpers.test_clock", clock, param="test_clock", noun="test clock")
    method = cards.resolve(world, fields["payment_method"]) if "payment_method" in fields else None
    chosen = fields.get("invoice_settings", {}).get("default_payment_method")
    if chosen is not None and (method is None or chosen not in (method["id"], fields["payment_method"])):
        raise not_attached(chosen)
    identifier = identifiers.new("customer")
    if method is not None:
        cards.attach(world, method, identifier)
    plain = {name: fields[name] for name in PLAIN if name in fields}
    customer = {
        "id": identifier,
        "created": world.now(clock),
        "address": None,
        "balance": 0,
        "business_name": None,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "individual_name": None,
        "invoice_prefix": identifiers.token(8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": method["id"] if method is not None and chosen else None,
            "footer": fields.get("invoice_settings", {}).get("footer"),
            "rendering_options": None,
        },
        "metadata": merge_metadata({}, fields.get("metadata", {})),
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": fields.get("tax_exempt") or "none",
        "test_clock": clock,
        **plain,
    }
    return world.add("customer", customer, "customer.created")


def not_attached(method: str) -> StripeError:
    return StripeError(
        f"The customer does not have a payment method with the ID {method}. The payment method must be attached to the "
        "customer.",
        code="resource_missing",
        param="invoice_settings[default_payment_method]",
    )
