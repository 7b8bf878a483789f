"""The customer portal: subscriptions that can be canceled, cards, invoices; what its configuration allows."""

from datetime import UTC, datetime
from html import escape

from apps.billing.emulator import cards, changing, ending, setups, subscription_invoices
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.pages import card_form, layout
from apps.billing.emulator.pages.responses import Answer, Redirect
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


def show(world: World, secret: str, typed: dict[str, str], *, error: str | None = None) -> Answer:
    session = _session(world, secret)
    features = world.get("billing_portal.configuration", session["configuration"])["features"]
    customer = world.get("customer", session["customer"])
    back = ""
    if session["return_url"]:
        back = f'<p><a href="{escape(session["return_url"])}">Return to {escape(world.settings.display_name)}</a></p>'
    body = f"""
{layout.alert(error or typed.get("problem"))}
{back}
<p class="soft">{escape(customer["name"] or "")} {escape(customer["email"] or "")}</p>
{_subscriptions(world, secret, customer, features)}
{_cards(world, secret, customer, features, typed)}
{_invoices(world, customer, features)}
"""
    return layout.frame("Your billing", body)


def cancel(world: World, secret: str, typed: dict[str, str]) -> Answer:
    """Or, with `keep`, take a cancellation back."""
    session = _session(world, secret)
    feature = world.get("billing_portal.configuration", session["configuration"])["features"]["subscription_cancel"]
    subscription = world.get("subscription", typed.get("subscription", ""))
    if not feature["enabled"] or subscription["customer"] != session["customer"]:
        raise StripeError("This cannot be canceled here.", status=403)
    if typed.get("keep"):
        changing.update(world, subscription, {"cancel_at_period_end": False})
    elif feature["mode"] == "immediately":
        ending.end_now(world, subscription, reason="cancellation_requested", bill_usage=True)
    else:
        changing.update(world, subscription, {"cancel_at_period_end": True})
    return Redirect(f"/p/session/{secret}")


def change_card(world: World, secret: str, typed: dict[str, str]) -> Answer:
    """A new card, which becomes the one that everything is charged to."""
    session = _session(world, secret)
    configuration = world.get("billing_portal.configuration", session["configuration"])
    if not configuration["features"]["payment_method_update"]["enabled"]:
        raise StripeError("Cards cannot be changed here.", status=403)
    address = f"{world.settings.base_url}/p/session/{secret}"
    try:
        method = cards.save(world, card_form.read(typed, now=world.now_for(session["customer"])))
    except StripeError as problem:
        return show(world, secret, typed, error=str(problem))
    intent = setups.new_intent(world, customer=session["customer"], portal=session["id"], return_url=address)
    error = setups.attempt(world, intent, method)
    if error is not None:
        return show(world, secret, typed, error=str(error))
    if intent["status"] == "requires_action":
        return Redirect(f"/authenticate/{intent['id']}")
    use_card(world, session["customer"], method)
    return Redirect(f"/p/session/{secret}")


def use_card(world: World, customer: str, method: Object) -> None:
    found = world.get("customer", customer)
    settings = {**found["invoice_settings"], "default_payment_method": method["id"]}
    world.change(found, "customer.updated", invoice_settings=settings)
    for subscription in world.store.all("subscription"):
        if subscription["customer"] == customer and subscription["status"] not in ending.ENDED:
            world.change(subscription, ending.UPDATED, default_payment_method=method["id"])


def _session(world: World, secret: str) -> Object:
    for session in world.store.all("billing_portal.session"):
        if world.store.known(session)["secret"] == secret:
            return session
    raise StripeError("This portal session has expired.", status=404)


def _subscriptions(world: World, secret: str, customer: Object, features: Object) -> str:
    shown = ""
    for subscription in world.store.all("subscription"):
        if subscription["customer"] != customer["id"] or subscription["status"] in ending.ENDED:
            continue
        items = subscription["items"]["data"]
        fees = [item for item in items if item["price"]["recurring"]["usage_type"] == "licensed"]
        names = ", ".join(_name(world, item) for item in fees or items)
        _, end = subscription_invoices.period_of(subscription)
        until = f"ends on {_day(subscription['cancel_at'])}" if subscription["cancel_at"] else f"renews on {_day(end)}"
        button = ""
        if features["subscription_cancel"]["enabled"]:
            keep = bool(subscription["cancel_at_period_end"])
            button = f"""<form method="post" action="/p/session/{secret}/cancel">
<input type="hidden" name="subscription" value="{subscription["id"]}">
{'<input type="hidden" name="keep" value="yes">' if keep else ""}
<button class="second" type="submit">{"Keep" if keep else "Cancel"} {names}</button></form>"""
        status = subscription["status"].replace("_", " ")
        shown += f"<section><p><strong>{names}</strong> · {status} · {until}</p>{button}</section>"
    return f"<h2>Subscriptions</h2>{shown or '<p>None.</p>'}"


def _name(world: World, item: Object) -> str:
    product = world.store.find("product", item["price"]["product"])
    return escape(product["name"] if product else item["price"]["id"])


def _cards(world: World, secret: str, customer: Object, features: Object, typed: dict[str, str]) -> str:
    chosen = customer["invoice_settings"]["default_payment_method"]
    kept = [method for method in world.store.all("payment_method") if method["customer"] == customer["id"]]
    by_number = {_number(method): method for method in sorted(kept, key=lambda method: method["id"] == chosen)}
    rows = "".join(
        f"<li><span>{method['card']['brand'].title()} ending in {method['card']['last4']}</span>"
        + ("<span>default</span>" if method["id"] == chosen else "")
        + "</li>"
        for method in by_number.values()
    )
    listed = f'<section aria-label="Cards"><ul class="rows">{rows}</ul></section>' if rows else "<p>None.</p>"
    form = ""
    if features["payment_method_update"]["enabled"]:
        form = f"""<form class="card" method="post" action="/p/session/{secret}/card">
<h2>Use another card</h2>
{card_form.fields(typed)}
<button class="wide" type="submit">Save card</button></form>
{card_form.test_cards()}"""
    return f"<h2>Cards</h2>{listed}{form}"


def _number(method: Object) -> tuple[object, ...]:
    """A card that was given twice is one card to its holder."""
    return tuple(method["card"][part] for part in ("fingerprint", "exp_month", "exp_year"))


def _invoices(world: World, customer: Object, features: Object) -> str:
    if not features["invoice_history"]["enabled"]:
        return ""
    rows = "".join(
        f'<li><span><a href="/i/{invoice["id"]}">{escape(invoice["number"])}</a> · {invoice["status"]}</span>'
        f"<span>{layout.money(invoice['amount_due'], invoice['currency'])}</span></li>"
        for invoice in list(world.store.all("invoice"))[::-1]
        if invoice["customer"] == customer["id"] and invoice["status"] != "draft"
    )
    listed = f'<section aria-label="Invoices"><ul class="rows">{rows}</ul></section>' if rows else "<p>None.</p>"
    return f"<h2>Invoices</h2>{listed}"


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%d %B %Y")
