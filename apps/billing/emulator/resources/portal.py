"""The customer portal: its configurations, and the sessions whose page the emulator serves."""

from apps.billing.emulator.endpoints import Endpoint, only, retrieval
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.identifiers import token
from apps.billing.emulator.listing import listing
from apps.billing.emulator.parameters import (
    METADATA,
    Choice,
    Fields,
    Flag,
    Group,
    Many,
    Parameter,
    Text,
    Url,
    merge_metadata,
)
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

CONFIGURATION = "billing_portal.configuration"
SESSION = "billing_portal.session"
UPDATES = ("address", "email", "name", "phone", "shipping", "tax_id")
REASONS = Group({"enabled": Flag(required=True), "options": Many(Text(), clears=True)})
CANCELING: dict[str, Parameter] = {
    "cancellation_reason": REASONS,
    "enabled": Flag(),
    "mode": Choice(("at_period_end", "immediately")),
    "proration_behavior": Choice(("always_invoice", "create_prorations", "none")),
}
UPDATING: dict[str, Parameter] = {
    "default_allowed_updates": Many(Choice(("price", "promotion_code", "quantity")), clears=True),
    "enabled": Flag(),
    "products": Many(Group({"prices": Many(Text(), required=True), "product": Text(required=True)}), clears=True),
    "proration_behavior": Choice(("always_invoice", "create_prorations", "none")),
}
FEATURES: dict[str, Parameter] = {
    "customer_update": Group({"allowed_updates": Many(Choice(UPDATES), clears=True), "enabled": Flag()}),
    "invoice_history": Group({"enabled": Flag(required=True)}),
    "payment_method_update": Group({"enabled": Flag(required=True)}),
}
NEW_FEATURES: dict[str, Parameter] = {
    **FEATURES,
    "subscription_cancel": Group({**CANCELING, "enabled": Flag(required=True)}),
    "subscription_update": Group({**UPDATING, "enabled": Flag(required=True)}),
}
CHANGED_FEATURES: dict[str, Parameter] = {
    **FEATURES,
    "subscription_cancel": Group(CANCELING),
    "subscription_update": Group(UPDATING),
}
PROFILE = Group({"headline": Text(clears=True, longest=60), "privacy_policy_url": Url(), "terms_of_service_url": Url()})
FIELDS: dict[str, Parameter] = {
    "business_profile": PROFILE,
    "default_return_url": Url(clears=True),
    "features": Group(CHANGED_FEATURES),
    "metadata": METADATA,
    "name": Text(clears=True),
}
DEFAULTS: Object = {
    "customer_update": {"allowed_updates": [], "enabled": False},
    "invoice_history": {"enabled": False},
    "payment_method_update": {"enabled": False, "payment_method_configuration": None},
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "options": []},
        "enabled": False,
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_update": {
        "billing_cycle_anchor": None,
        "default_allowed_updates": [],
        "enabled": False,
        "products": [],
        "proration_behavior": "none",
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": "end_trial",
    },
}
ALL_ON: Object = {
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True},
    "subscription_cancel": {"enabled": True},
}


def create(world: World, fields: Fields) -> Object:
    return _new(world, fields, default=False)


def _new(world: World, fields: Fields, *, default: bool) -> Object:
    profile = {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None}
    return world.add(
        CONFIGURATION,
        {
            "active": True,
            "application": None,
            "business_profile": {**profile, **fields.get("business_profile", {})},
            "default_return_url": fields.get("default_return_url"),
            "features": _merged(DEFAULTS, fields.get("features", {})),
            "is_default": default,
            "login_page": {"enabled": False, "url": None},
            "metadata": merge_metadata({}, fields.get("metadata", {})),
            "name": fields.get("name"),
            "updated": world.now(),
        },
        "billing_portal.configuration.created",
    )


def _merged(present: Object, given: Fields) -> Object:
    return {name: {**value, **given.get(name, {})} for name, value in present.items()}


def update(world: World, fields: Fields, identifier: str) -> Object:
    configuration = world.get(CONFIGURATION, identifier)
    changes = {**only(fields, "active", "default_return_url", "name"), "updated": world.now()}
    if "business_profile" in fields:
        changes["business_profile"] = {**configuration["business_profile"], **fields["business_profile"]}
    if "features" in fields:
        changes["features"] = _merged(configuration["features"], fields["features"])
    if "metadata" in fields:
        changes["metadata"] = merge_metadata(configuration["metadata"], fields["metadata"])
    return world.change(configuration, "billing_portal.configuration.updated", **changes)


def open_session(world: World, fields: Fields) -> Object:
    customer = world.get("customer", fields["customer"], param="customer")
    if "configuration" in fields:
        configuration = world.get(CONFIGURATION, fields["configuration"], param="configuration")
    else:
        configuration = _default(world)
    if not configuration["active"]:
        raise StripeError(f"The configuration {configuration['id']} is not active.", param="configuration")
    secret = token(32)
    return world.add(
        SESSION,
        {
            "configuration": configuration["id"],
            "customer": customer["id"],
            "customer_account": None,
            "flow": None,
            "locale": fields.get("locale"),
            "on_behalf_of": None,
            "return_url": fields.get("return_url") or configuration["default_return_url"],
            "url": f"{world.settings.base_url}/p/session/{secret}",
        },
        "billing_portal.session.created",
        secret=secret,
    )


def _default(world: World) -> Object:
    """As the account's owner has saved it: with everything on that the page can do."""
    for configuration in world.store.all(CONFIGURATION):
        if configuration["is_default"]:
            return configuration
    return _new(world, {"features": ALL_ON}, default=True)


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/billing_portal/configurations",
        create,
        {**FIELDS, "features": Group(NEW_FEATURES, required=True)},
    ),
    listing(
        "/v1/billing_portal/configurations", CONFIGURATION, {"active": Flag(), "is_default": Flag()}, by_time=False
    ),
    retrieval("/v1/billing_portal/configurations/{configuration}", CONFIGURATION),
    Endpoint("POST", "/v1/billing_portal/configurations/{configuration}", update, {**FIELDS, "active": Flag()}),
    Endpoint(
        "POST",
        "/v1/billing_portal/sessions",
        open_session,
        {"configuration": Text(), "customer": Text(required=True), "locale": Text(), "return_url": Url()},
    ),
)
