"""A receipt."""

from html import escape

from apps.billing.emulator.pages import layout
from apps.billing.emulator.pages.responses import Answer
from apps.billing.emulator.world import World


def show(world: World, identifier: str, typed: dict[str, str]) -> Answer:
    charge = world.get("charge", identifier)
    card = charge["payment_method_details"]["card"]
    back = (
        f"<li><span>Refunded</span><span>{layout.money(charge['amount_refunded'], charge['currency'])}</span></li>"
        if charge["amount_refunded"]
        else ""
    )
    body = f"""<section aria-label="Receipt"><ul class="rows">
<li><span>Paid</span><span>{layout.money(charge["amount_captured"], charge["currency"])}</span></li>
<li><span>Card</span><span>{escape(card["brand"].title())} ending in {card["last4"]}</span></li>
{back}
<li><span>Number</span><span>{escape(charge["id"])}</span></li>
</ul></section>"""
    return layout.frame(f"Receipt from {world.settings.display_name}", body)
