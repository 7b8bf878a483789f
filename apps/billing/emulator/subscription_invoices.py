"""The invoices of a subscription: what they carry, and the period that they are for."""

from apps.billing.emulator import invoice_lines, invoicing, subscription_items
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

DAY = 86_400


def invoice_now(
    world: World,
    subscription: Object,
    lines: list[Object],
    pending: list[Object],
    *,
    reason: str,
    period: tuple[int, int],
) -> Object:
    """A final invoice; not collected yet, unless there is nothing to pay."""
    invoice = new_invoice(world, subscription, lines, pending, reason=reason, period=period)
    invoicing.finalize(world, invoice)
    return invoice


def new_invoice(
    world: World,
    subscription: Object,
    lines: list[Object],
    pending: list[Object],
    *,
    reason: str,
    period: tuple[int, int],
    fields: Object | None = None,
) -> Object:
    now = world.now_for(subscription["customer"])
    by_mail = subscription["collection_method"] == "send_invoice"
    invoice = invoicing.draft(
        world,
        customer=world.get("customer", subscription["customer"]),
        currency=subscription["currency"],
        lines=[*(invoice_lines.item_line(item) for item in pending), *lines],
        reason=reason,
        subscription=subscription,
        period=period,
        fields={
            "collection_method": subscription["collection_method"],
            "due_date": now + (subscription["days_until_due"] or 0) * DAY if by_mail else None,
            "description": subscription["description"],
            **(fields or {}),
        },
    )
    invoice_lines.mark_taken(world, pending, invoice)
    world.change(subscription, None, latest_invoice=invoice["id"])
    return invoice


def usage_lines(world: World, subscription: Object, end: int) -> list[Object]:
    since = world.store.known(subscription).get("usage_since", {})
    return [
        subscription_items.usage_line(
            world, subscription, item, (since.get(item["id"], item["current_period_start"]), end)
        )
        for item in subscription["items"]["data"]
        if subscription_items.is_metered(item)
    ]


def period_of(subscription: Object) -> tuple[int, int]:
    item = subscription["items"]["data"][0]
    return item["current_period_start"], item["current_period_end"]


def moved(subscription: Object, period: tuple[int, int]) -> Object:
    """The items in another period."""
    listed = subscription["items"]
    return {
        **listed,
        "data": [
            {**item, "current_period_start": period[0], "current_period_end": period[1]} for item in listed["data"]
        ],
    }
