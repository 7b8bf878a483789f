"""At the end of a period, or of a trial."""

from apps.billing.emulator import ending, invoice_lines, periods, subscription_invoices, subscription_items
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


def renew(world: World, subscription: Object) -> None:
    """At the end of its period, or of its trial: the next period begins, and its invoice with what was used."""
    items = subscription["items"]["data"]
    start, end = subscription_invoices.period_of(subscription)
    trial = subscription["status"] == "trialing"
    if trial and _ends_with_trial(world, subscription):
        return
    recurring = items[0]["price"]["recurring"]
    following = periods.next_end(subscription["billing_cycle_anchor"], recurring, end)
    lines = [] if trial else subscription_invoices.usage_lines(world, subscription, end)
    lines += [
        subscription_items.licensed_line(world, subscription, item, (end, following))
        for item in items
        if not subscription_items.is_metered(item)
    ]
    pending = invoice_lines.take_pending(world, subscription["customer"], subscription["currency"], subscription["id"])
    changes: Object = {"items": subscription_invoices.moved(subscription, (end, following))}
    if trial:
        changes["status"] = "active"
    if subscription["cancel_at_period_end"]:
        changes["cancel_at"] = following
    waiting = subscription["status"] == "unpaid"
    paused = subscription["pause_collection"]
    invoice = subscription_invoices.new_invoice(
        world,
        subscription,
        lines,
        pending,
        reason="subscription_cycle",
        period=(start, end),
        fields={
            "auto_advance": not waiting and (paused is None or paused["behavior"] != "keep_as_draft"),
            "automatically_finalizes_at": None if waiting else end + world.settings.draft_seconds,
        },
    )
    world.change(subscription, ending.UPDATED, latest_invoice=invoice["id"], **changes)


def _ends_with_trial(world: World, subscription: Object) -> bool:
    """As `trial_settings` say for a customer without a card."""
    behavior = ((subscription["trial_settings"] or {}).get("end_behavior") or {}).get("missing_payment_method")
    if behavior in (None, "create_invoice"):
        return False
    customer = world.get("customer", subscription["customer"])
    if subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]:
        return False
    if behavior == "cancel":
        ending.end_now(world, subscription, reason=None)
    else:
        world.change(subscription, ending.UPDATED, status="paused")
        world.emit("customer.subscription.paused", subscription)
    return True
