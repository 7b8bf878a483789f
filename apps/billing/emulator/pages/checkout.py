"""The Checkout page: what is to be paid, a card, and one button."""

from html import escape

from apps.billing.emulator import checkout
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.pages import card_form, layout
from apps.billing.emulator.pages.responses import Answer, Redirect
from apps.billing.emulator.parameters import EMAIL
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World

NO_CARD = "<p>No card is needed today.</p>"
TITLES = {"payment": "Pay {name}", "subscription": "Subscribe to {name}", "setup": "Save a card with {name}"}


def show(world: World, identifier: str, typed: dict[str, str], *, error: str | None = None) -> Answer:
    session = world.get("checkout.session", identifier)
    over = _over(session)
    if over is not None:
        return over
    title = TITLES[session["mode"]].format(name=world.settings.display_name)
    body = f"""
{layout.alert(error or typed.get("problem"))}
{_summary(world, session)}
<form class="card" method="post" action="/c/pay/{session["id"]}">
{_email(world, session, typed)}
{card_form.fields(typed) if checkout.needs_card(session) else NO_CARD}
<button class="wide" type="submit">{_action(session)}</button>
</form>
{_way_back(session)}
{card_form.test_cards()}
"""
    return layout.frame(title, body)


def submit(world: World, identifier: str, typed: dict[str, str]) -> Answer:
    session = world.get("checkout.session", identifier)
    over = _over(session)
    if over is not None:
        return over
    email = typed.get("email", "").strip() or None
    if email is not None and not EMAIL.match(email):
        return show(world, identifier, typed, error="Your email address is incomplete.")
    try:
        if not checkout.needs_card(session):
            checkout.begin_without_card(world, session, email=email)
            return Redirect(success_address(session))
        details = card_form.read(typed, now=world.now_for(session["customer"]))
        outcome = checkout.pay(world, session, details, email=email)
    except StripeError as problem:
        return show(world, identifier, typed, error=str(problem))
    if outcome.error is not None:
        return show(world, identifier, typed, error=outcome.error)
    if outcome.intent is not None:
        return Redirect(f"/authenticate/{outcome.intent['id']}")
    return Redirect(success_address(session))


def success_address(session: Object) -> str:
    address: str = session["success_url"]
    return address.replace("{CHECKOUT_SESSION_ID}", session["id"])


def _over(session: Object) -> Answer | None:
    if session["status"] == "complete":
        return layout.notice(
            "This is done already", "This Checkout session is complete.", link=(success_address(session), "Continue")
        )
    if session["status"] == "expired":
        link = (session["cancel_url"], "Go back") if session["cancel_url"] else None
        return layout.notice(
            "This page has expired", "Nothing was charged. Go back and begin again.", status=410, link=link
        )
    return None


def _summary(world: World, session: Object) -> str:
    items = world.store.known(session)["line_items"]
    if not items:
        return "<p>The card is saved for later. Nothing is charged now.</p>"
    rows = "".join(f"<li><span>{_item(item)}</span><span>{_amount(item)}</span></li>" for item in items)
    total = layout.money(session["amount_total"], session["currency"])
    return f"""<section aria-label="Order"><ul class="rows">{rows}
<li class="total"><span>Total due today</span><span>{total}</span></li></ul></section>"""


def _item(item: Object) -> str:
    recurring = item["price"]["recurring"]
    times = f" &times; {item['quantity']}" if (item["quantity"] or 1) > 1 else ""
    if recurring is None:
        return escape(item["description"]) + times
    count = recurring["interval_count"]
    period = recurring["interval"] if count == 1 else f"{count} {recurring['interval']}s"
    metered = ", by what is used" if recurring["usage_type"] == "metered" else ""
    return f'{escape(item["description"])}{times} <span class="soft">every {period}{metered}</span>'


def _amount(item: Object) -> str:
    return "as used" if item["quantity"] is None else layout.money(item["amount_total"], item["currency"])


def _email(world: World, session: Object, typed: dict[str, str]) -> str:
    customer = world.store.find("customer", session["customer"])
    known = session["customer_email"] if customer is None else customer["email"]
    if known:
        return f'<p><span class="soft">Email</span> {escape(known)}</p>'
    return f"""<label for="email">Email</label>
<input id="email" name="email" type="email" value="{escape(typed.get("email", ""))}" autocomplete="email" required>"""


def _action(session: Object) -> str:
    if session["mode"] == "setup":
        return "Save card"
    if session["mode"] == "subscription":
        return "Subscribe"
    return f"Pay {layout.money(session['amount_total'], session['currency'])}"


def _way_back(session: Object) -> str:
    if not session["cancel_url"]:
        return ""
    return f'<p><a href="{escape(session["cancel_url"])}">Cancel and go back</a></p>'
