"""The bank's question to the holder of the card (3D Secure), with both answers as buttons."""

from urllib.parse import urlencode

from apps.billing.emulator import collection
from apps.billing.emulator.pages import layout, portal
from apps.billing.emulator.pages.checkout import success_address
from apps.billing.emulator.pages.responses import Answer, Redirect
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


def show(world: World, identifier: str, typed: dict[str, str]) -> Answer:
    intent = _intent(world, identifier)
    if intent["status"] != "requires_action":
        return layout.notice("Nothing to confirm", f"This {intent['object'].replace('_', ' ')} is {intent['status']}.")
    what = (
        f"a payment of {layout.money(intent['amount'], intent['currency'])}"
        if intent["object"] == "payment_intent"
        else "that this card is saved for later payments"
    )
    body = f"""
<p>Here the bank would ask you to confirm {what}.</p>
<form class="card" method="post" action="/authenticate/{intent["id"]}">
<div class="actions">
<button type="submit" name="answer" value="complete">Complete authentication</button>
<button class="second" type="submit" name="answer" value="fail">Fail authentication</button>
</div>
</form>
"""
    return layout.frame("Confirm with your bank", body)


def submit(world: World, identifier: str, typed: dict[str, str]) -> Answer:
    intent = _intent(world, identifier)
    error = collection.authenticate(world, intent, succeeds=typed.get("answer") == "complete")
    known = world.store.known(intent)
    if known.get("portal") is not None and error is None:
        portal.use_card(world, intent["customer"], world.get("payment_method", intent["payment_method"]))
    session = world.store.find("checkout.session", known.get("session"))
    if session is not None:
        if error is None:
            return Redirect(success_address(session))
        return Redirect(f"/c/pay/{session['id']}?{urlencode({'problem': str(error)})}")
    if known.get("return_url"):
        return Redirect(_returned(known["return_url"], intent, succeeded=error is None))
    return layout.notice("Confirmed" if error is None else "Not confirmed", "You can close this page.")


def _returned(address: str, intent: Object, *, succeeded: bool) -> str:
    kind = intent["object"]
    values = {
        kind: intent["id"],
        f"{kind}_client_secret": intent["client_secret"],
        "redirect_status": "succeeded" if succeeded else "failed",
    }
    return f"{address}{'&' if '?' in address else '?'}{urlencode(values)}"


def _intent(world: World, identifier: str) -> Object:
    kind = "setup_intent" if identifier.startswith("seti_") else "payment_intent"
    return world.get(kind, identifier)
