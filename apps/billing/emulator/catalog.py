"""A product as the API shows it, however it came to be."""

from apps.billing.emulator.parameters import Fields, merge_metadata
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

GIVEN = ("active", "description", "name", "shippable", "statement_descriptor", "tax_code", "unit_label", "url")


def new_product(world: World, fields: Fields) -> Object:
    now = world.now()
    return world.add(
        "product",
        {
            "id": fields.get("id"),
            "created": now,
            "active": True,
            "attributes": [],
            "default_price": None,
            "description": None,
            "images": fields.get("images", []),
            "marketing_features": fields.get("marketing_features", []),
            "metadata": merge_metadata({}, fields.get("metadata", {})),
            "package_dimensions": None,
            "shippable": None,
            "statement_descriptor": None,
            "tax_code": None,
            "type": "service",
            "unit_label": None,
            "updated": now,
            "url": None,
            **{name: fields[name] for name in GIVEN if name in fields},
        },
        "product.created",
    )
