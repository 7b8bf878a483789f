"""A new Checkout session: what goes together in it, and what it costs."""

from apps.billing.emulator import amounts, identifiers, pricing, setups
from apps.billing.emulator.errors import StripeError, missing
from apps.billing.emulator.parameters import Fields, merge_metadata
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

HALF_AN_HOUR = 1800
DAY = 86_400
LEAST_AMOUNT = 50


def create(world: World, fields: Fields) -> Object:
    mode = _mode(fields)
    customer = fields.get("customer")
    if customer is not None:
        world.get("customer", customer, param="customer")
    now = world.now_for(customer)
    expires = fields.get("expires_at", now + DAY)
    if not now + HALF_AN_HOUR <= expires <= now + DAY:
        raise StripeError(
            "The `expires_at` timestamp must be at least 30 minutes and less than 24 hours from Checkout Session "
            "creation.",
            param="expires_at",
        )
    items = [_item(world, mode, item, number) for number, item in enumerate(fields.get("line_items", []))]
    currency, total = _total(mode, fields, items)
    identifier = identifiers.new("checkout.session")
    session = _shown(world, fields, mode=mode, expires=expires, currency=currency, total=total)
    session |= {"id": identifier, "created": now, "url": f"{world.settings.base_url}/c/pay/{identifier}"}
    if mode == "setup":
        intent = setups.new_intent(
            world,
            customer=customer,
            fields=fields.get("setup_intent_data"),
            session=identifier,
            return_url=fields["success_url"],
        )
        session["setup_intent"] = intent["id"]
    return world.add(
        "checkout.session",
        session,
        line_items=items,
        payment_intent_data=_cleared(fields.get("payment_intent_data", {})),
        subscription_data=_cleared(fields.get("subscription_data", {})),
        invoice_data=_cleared(fields.get("invoice_creation", {}).get("invoice_data", {})),
    )


def _cleared(given: Fields) -> Fields:
    return {**given, "metadata": merge_metadata({}, given.get("metadata", {}))}


def _mode(fields: Fields) -> str:
    """Raises StripeError for parameters that do not go with it."""
    if "success_url" not in fields:
        raise missing("success_url")
    mode: str = fields.get("mode") or ("setup" if "currency" in fields and "line_items" not in fields else "")
    if not mode:
        raise missing("mode")
    if mode != "setup" and not fields.get("line_items"):
        raise missing("line_items")
    if mode == "setup" and "line_items" in fields:
        raise StripeError("You can not pass `line_items` in `setup` mode.", param="line_items")
    for name, allowed in (
        ("payment_intent_data", "payment"),
        ("setup_intent_data", "setup"),
        ("subscription_data", "subscription"),
        ("invoice_creation", "payment"),
    ):
        if name in fields and mode != allowed:
            raise StripeError(f"You can not pass `{name}` in `{mode}` mode.", param=name)
    if "customer" in fields and "customer_email" in fields:
        raise StripeError(
            "You may only specify one of these parameters: customer, customer_email.", param="customer_email"
        )
    return mode


def _item(world: World, mode: str, item: Fields, number: int) -> Object:
    param = f"line_items[{number}]"
    if ("price" in item) == ("price_data" in item):
        raise missing(f"{param}[price]")
    if "price" in item:
        price = world.get("price", item["price"], param=f"{param}[price]")
    else:
        price = pricing.create(world, item["price_data"])
        world.change(price, None, active=False)
    metered = price["recurring"] is not None and price["recurring"]["usage_type"] == "metered"
    if "price" in item and not price["active"]:
        raise StripeError(
            f"The price specified is inactive. This field only accepts active prices. ({price['id']})",
            param=f"{param}[price]",
        )
    if mode == "payment" and price["type"] == "recurring":
        raise StripeError(
            "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use "
            "only one-time prices.",
            param="line_items",
        )
    if metered and "quantity" in item:
        raise StripeError("Quantity should not be specified where usage_type is metered.", param=f"{param}[quantity]")
    if not metered and not item.get("quantity"):
        raise StripeError("Quantity is required.", code="parameter_missing", param=f"{param}[quantity]")
    quantity = item.get("quantity")
    amount = 0 if quantity is None else amounts.cost({**price, "tiers": world.store.known(price)["tiers"]}, quantity)
    product = world.get("product", price["product"])
    return {
        "id": identifiers.new("item"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": product["name"],
        "metadata": merge_metadata({}, item.get("metadata", {})),
        "price": price,
        "quantity": quantity,
    }


def _total(mode: str, fields: Fields, items: list[Object]) -> tuple[str | None, int | None]:
    if mode == "setup":
        return fields.get("currency"), None
    if mode == "subscription" and all(item["price"]["type"] == "one_time" for item in items):
        raise StripeError(
            "You must provide at least one recurring price in `subscription` mode when using prices.",
            param="line_items",
        )
    currencies = {item["currency"] for item in items} | ({fields["currency"]} if "currency" in fields else set())
    if len(currencies) > 1:
        raise StripeError(
            f"All prices on a Checkout Session must be in the same currency: {', '.join(sorted(currencies))}.",
            param="line_items",
        )
    total = sum(item["amount_total"] for item in items)
    if mode == "payment" and 0 < total < LEAST_AMOUNT:
        raise StripeError(
            "The Checkout Session's total amount due must add up to at least $0.50 usd",
            code="amount_too_small",
            param="line_items",
        )
    trial = fields.get("subscription_data", {})
    if "trial_end" in trial or "trial_period_days" in trial:
        total = sum(item["amount_total"] for item in items if item["price"]["type"] == "one_time")
    return currencies.pop(), total


def _shown(world: World, fields: Fields, *, mode: str, expires: int, currency: str | None, total: int | None) -> Object:
    creation = None
    if mode == "payment":
        creation = {
            "enabled": fields.get("invoice_creation", {}).get("enabled", False),
            "invoice_data": {
                "account_tax_ids": None,
                "custom_fields": None,
                "description": None,
                "footer": None,
                "issuer": None,
                "metadata": {},
                "rendering_options": None,
            },
        }
    details = None
    if "customer_email" in fields:
        details = {
            "address": None,
            "business_name": None,
            "email": fields["customer_email"],
            "individual_name": None,
            "name": None,
            "phone": None,
            "tax_exempt": "none",
            "tax_ids": None,
        }
    return {
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": fields.get("allow_promotion_codes"),
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": fields.get("billing_address_collection"),
        "branding_settings": None,
        "cancel_url": fields.get("cancel_url"),
        "client_reference_id": fields.get("client_reference_id"),
        "client_secret": None,
        "collected_information": {"business_name": None, "individual_name": None, "shipping_details": None},
        "consent": None,
        "consent_collection": None,
        "currency": currency,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        "customer": fields.get("customer"),
        "customer_account": None,
        "customer_creation": _customer_creation(fields, mode),
        "customer_details": details,
        "customer_email": fields.get("customer_email"),
        "discounts": [],
        "excluded_payment_method_types": None,
        "expires_at": expires,
        "invoice": None,
        "invoice_creation": creation,
        "locale": fields.get("locale"),
        "metadata": merge_metadata({}, fields.get("metadata", {})),
        "mode": mode,
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": fields.get("payment_method_collection", "always"),
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "payment_status": "no_payment_required" if mode == "setup" else "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": fields.get("submit_type"),
        "subscription": None,
        "success_url": fields["success_url"],
        "total_details": None if mode == "setup" else {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "wallet_options": None,
    }


def _customer_creation(fields: Fields, mode: str) -> str | None:
    if "customer" in fields:
        return None
    wanted: str = fields.get("customer_creation") or ("always" if mode == "subscription" else "if_required")
    return wanted
