"""Products."""

from apps.billing.emulator import catalog, pricing
from apps.billing.emulator.endpoints import Endpoint, only, retrieval
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.listing import PAGING, listing, page
from apps.billing.emulator.parameters import (
    METADATA,
    Fields,
    Flag,
    Group,
    Many,
    Parameter,
    Text,
    Url,
    merge_metadata,
)
from apps.billing.emulator.resources import prices
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

FIELDS: dict[str, Parameter] = {
    "active": Flag(),
    "description": Text(clears=True, longest=40_000),
    "images": Many(Url(), clears=True, most=8),
    "marketing_features": Many(Group({"name": Text(required=True)}), clears=True, most=15),
    "metadata": METADATA,
    "name": Text(),
    "shippable": Flag(clears=True),
    "statement_descriptor": Text(longest=22),
    "tax_code": Text(clears=True),
    "unit_label": Text(clears=True, longest=12),
    "url": Url(clears=True),
}
PLAIN = tuple(name for name in FIELDS if name not in ("metadata", "images", "marketing_features"))


def create(world: World, fields: Fields) -> Object:
    if world.store.find("product", fields.get("id")) is not None:
        raise StripeError("Product already exists.", code="resource_already_exists", param="id")
    product = catalog.new_product(world, fields)
    if "default_price_data" in fields:
        price = pricing.create(world, {**fields["default_price_data"], "product": product["id"]})
        world.change(product, "product.updated", default_price=price["id"])
    return product


def update(world: World, fields: Fields, identifier: str) -> Object:
    product = world.get("product", identifier)
    changes = {**only(fields, *PLAIN), "updated": world.now()}
    for name in ("images", "marketing_features"):
        if name in fields:
            changes[name] = fields[name] or []
    if "default_price" in fields:
        chosen = fields["default_price"]
        if chosen and world.get("price", chosen, param="default_price")["product"] != identifier:
            raise StripeError(f"The price {chosen} belongs to another product.", param="default_price")
        changes["default_price"] = chosen
    if "metadata" in fields:
        changes["metadata"] = merge_metadata(product["metadata"], fields["metadata"])
    return world.change(product, "product.updated", **changes)


def delete(world: World, fields: Fields, identifier: str) -> Object:
    product = world.get("product", identifier)
    if any(price["product"] == identifier for price in world.store.all("price")):
        raise StripeError("This product cannot be deleted because it has one or more user-created prices.", param="id")
    return world.remove(product, "product.deleted")


def features(world: World, fields: Fields, identifier: str) -> Object:
    """None: entitlements are not part of this."""
    world.get("product", identifier)
    return page([], fields, f"/v1/products/{identifier}/features")


ENDPOINTS = (
    Endpoint(
        "POST",
        "/v1/products",
        create,
        {
            **FIELDS,
            "name": Text(required=True),
            "id": Text(longest=255),
            "default_price_data": Group(
                {
                    **only(prices.FIELDS, "currency", "metadata", "tax_behavior", "unit_amount", "unit_amount_decimal"),
                    "recurring": Group(prices.LICENSED.fields),
                }
            ),
        },
    ),
    listing(
        "/v1/products", "product", {"active": Flag(), "ids": Many(Text())}, {"ids": lambda one, ids: one["id"] in ids}
    ),
    retrieval("/v1/products/{product}", "product"),
    Endpoint("POST", "/v1/products/{product}", update, {**FIELDS, "default_price": Text(clears=True)}),
    Endpoint("DELETE", "/v1/products/{product}", delete),
    Endpoint("GET", "/v1/products/{product}/features", features, PAGING),
)
