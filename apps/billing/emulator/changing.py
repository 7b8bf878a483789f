"""Changes to a running subscription: other items with their prorations, another trial, another way to pay."""

from dataclasses import dataclass
from fractions import Fraction

from apps.billing.emulator import (
    amounts,
    ending,
    invoice_lines,
    invoice_payments,
    pending_items,
    periods,
    subscribing,
    subscription_invoices,
    subscription_items,
)
from apps.billing.emulator.endpoints import only
from apps.billing.emulator.errors import StripeError, no_such
from apps.billing.emulator.parameters import Fields, merge_metadata
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

PLAIN = ("collection_method", "days_until_due", "description", "pause_collection", "trial_settings")


@dataclass(frozen=True)
class Change:
    """Of one item; None for one that comes, or goes."""

    before: Object | None
    after: Object | None


def update(world: World, subscription: Object, fields: Fields) -> Object:
    """Raises StripeError for what does not fit; (402) where a refusal is to be an error."""
    if subscription["status"] in ending.ENDED:
        raise StripeError(
            "A canceled subscription can only update its cancellation_details and metadata.",
            code="resource_missing",
        )
    now = world.now_for(subscription["customer"])
    changes = _plain_changes(world, subscription, fields, now)
    items, changed = _items(world, subscription, fields.get("items", []), now)
    _, recurring = subscription_items.check_together(items)
    start, end = subscription_invoices.period_of(subscription)
    trialing = subscription["status"] == "trialing"
    restarts = _restarts(subscription, recurring, fields, trialing=trialing)
    _check_payable(
        world, subscription, fields, immediate=restarts or fields.get("proration_behavior") == "always_invoice"
    )
    at = min(max(fields.get("proration_date", now), start), end)
    if not trialing and fields.get("proration_behavior", "create_prorations") != "none":
        whole = changed if not restarts else [Change(item, None) for item in subscription["items"]["data"]]
        _prorate(world, subscription, whole, at, start, end)
    period = (now, periods.next_end(now, recurring, now)) if restarts else (start, end)
    if restarts:
        changes |= {"billing_cycle_anchor": now, "status": "active"}
        changes |= {"trial_end": min(now, subscription["trial_end"])} if subscription["trial_end"] else {}
    elif isinstance(fields.get("trial_end"), int):
        changes |= _trial_until(fields["trial_end"], now)
        period = (start, fields["trial_end"])
    _count_usage_since(world, subscription, changed, now)
    listed = {**subscription["items"], "data": items, "total_count": len(items)}
    changes["items"] = subscription_invoices.moved({"items": listed}, period)
    world.change(subscription, ending.UPDATED, **changes)
    if restarts or (fields.get("proration_behavior") == "always_invoice" and changed):
        _invoice(world, subscription, fields, period if restarts else None, previous=(start, now))
    return subscription


def _plain_changes(world: World, subscription: Object, fields: Fields, now: int) -> Object:
    changes = only(fields, *PLAIN)
    _, end = subscription_invoices.period_of(subscription)
    changes |= ending.cancellation(fields, now, end)
    if "default_payment_method" in fields:
        method = subscribing.own_method(world, fields["default_payment_method"], subscription["customer"])
        changes["default_payment_method"] = None if method is None else method["id"]
    if "metadata" in fields:
        changes["metadata"] = merge_metadata(subscription["metadata"], fields["metadata"])
    if "payment_settings" in fields:
        changes["payment_settings"] = {**subscription["payment_settings"], **fields["payment_settings"]}
    return changes


def _items(world: World, subscription: Object, given: list[Fields], now: int) -> tuple[list[Object], list[Change]]:
    items = {item["id"]: item for item in subscription["items"]["data"]}
    period = subscription_invoices.period_of(subscription)
    changed = []
    for number, one in enumerate(given):
        param = f"items[{number}]"
        if "id" not in one:
            price = subscription_items.price_of(world, one, param)
            added = subscription_items.new(world, subscription["id"], price, one, period, param=param, now=now)
            items[added["id"]] = added
            changed.append(Change(None, added))
            continue
        before = items.get(one["id"])
        if before is None:
            raise no_such("subscription_item", one["id"], param=f"{param}[id]")
        if one.get("deleted"):
            del items[one["id"]]
            changed.append(Change(before, None))
            continue
        after = _changed_item(world, before, one, param)
        items[one["id"]] = after
        if (after["price"]["id"], after.get("quantity")) != (before["price"]["id"], before.get("quantity")):
            changed.append(Change(before, after))
    return list(items.values()), changed


def _changed_item(world: World, before: Object, one: Fields, param: str) -> Object:
    after = dict(before)
    if "price" in one or "price_data" in one:
        after = subscription_items.with_price(before, subscription_items.price_of(world, one, param))
    if subscription_items.is_metered(after):
        after.pop("quantity", None)
        if "quantity" in one:
            raise StripeError(
                "Quantity should not be specified where usage_type is `metered`.", param=f"{param}[quantity]"
            )
    else:
        after["quantity"] = one.get("quantity", before.get("quantity", 1))
    if "metadata" in one:
        after["metadata"] = merge_metadata(before["metadata"], one["metadata"])
    return after


def _restarts(subscription: Object, recurring: Object, fields: Fields, *, trialing: bool) -> bool:
    """Whether a new period begins now."""
    if trialing:
        return fields.get("trial_end") == "now" or fields.get("billing_cycle_anchor") == "now"
    before = subscription["items"]["data"][0]["price"]["recurring"]
    same = all(before[name] == recurring[name] for name in ("interval", "interval_count"))
    return not same or fields.get("billing_cycle_anchor") == "now"


def _check_payable(world: World, subscription: Object, fields: Fields, *, immediate: bool) -> None:
    if not immediate or fields.get("payment_behavior") != "error_if_incomplete":
        return
    customer = world.get("customer", subscription["customer"])
    chosen = subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    method = world.store.find("payment_method", chosen)
    if method is None:
        raise StripeError(subscribing.NO_METHOD, code="resource_missing")
    subscribing.refuse_if_card_would(world, method, off_session=bool(fields.get("off_session")))


def _prorate(world: World, subscription: Object, changed: list[Change], at: int, start: int, end: int) -> None:
    """What was paid for the rest of the period is credited, what the rest costs now is due: invoice items."""
    left = Fraction(end - at, max(1, end - start))
    for change in changed:
        if change.before is not None:
            _credit(world, subscription, change.before, left, (at, end))
        if change.after is not None and not subscription_items.is_metered(change.after):
            full = amounts.of(world, change.after["price"], change.after["quantity"])
            pending_items.proration(
                world, subscription, change.after, amount=_share(full, left), period=(at, end), credit=False
            )


def credit_the_rest(world: World, subscription: Object, at: int) -> None:
    """Of a subscription that ends before its period does."""
    start, end = subscription_invoices.period_of(subscription)
    for item in subscription["items"]["data"]:
        if not subscription_items.is_metered(item):
            _credit(world, subscription, item, Fraction(end - at, max(1, end - start)), (at, end))


def _credit(world: World, subscription: Object, item: Object, left: Fraction, period: tuple[int, int]) -> None:
    if not subscription_items.is_metered(item):
        full = amounts.of(world, item["price"], item["quantity"])
        pending_items.proration(world, subscription, item, amount=-_share(full, left), period=period, credit=True)
        return
    since = world.store.known(subscription).get("usage_since", {}).get(item["id"], item["current_period_start"])
    line = subscription_items.usage_line(world, subscription, item, (since, period[0]))
    if line["quantity"]:
        pending_items.invoice_item(
            world,
            customer=subscription["customer"],
            amount=line["amount"],
            currency=line["currency"],
            description=line["description"],
            period=(since, period[0]),
            quantity=line["quantity"],
            price=item["price"],
            subscription=subscription,
            subscription_item=item["id"],
        )


def _share(full: int, left: Fraction) -> int:
    """Half up."""
    return (2 * full * left.numerator + left.denominator) // (2 * left.denominator)


def _count_usage_since(world: World, subscription: Object, changed: list[Change], now: int) -> None:
    since = {
        change.after["id"]: now
        for change in changed
        if change.after is not None and subscription_items.is_metered(change.after)
    }
    before = world.store.known(subscription).get("usage_since", {})
    world.store.remember(subscription, usage_since={**before, **since})


def _trial_until(trial_end: int, now: int) -> Object:
    if trial_end <= now:
        raise StripeError("Invalid timestamp: must be an integer Unix timestamp in the future.", param="trial_end")
    return {"status": "trialing", "trial_start": now, "trial_end": trial_end, "billing_cycle_anchor": trial_end}


def _invoice(
    world: World,
    subscription: Object,
    fields: Fields,
    period: tuple[int, int] | None,
    *,
    previous: tuple[int, int],
) -> None:
    lines = []
    if period is not None:
        lines = [
            subscription_items.licensed_line(world, subscription, item, period)
            for item in subscription["items"]["data"]
            if not subscription_items.is_metered(item)
        ]
    pending = invoice_lines.take_pending(world, subscription["customer"], subscription["currency"], subscription["id"])
    if not lines and not pending:
        return
    invoice = subscription_invoices.invoice_now(
        world, subscription, lines, pending, reason="subscription_update", period=previous
    )
    if invoice["status"] == "open" and subscription["collection_method"] == "charge_automatically":
        invoice_payments.collect(world, invoice, off_session=bool(fields.get("off_session")))
