"""An invoice's page, on which it can be paid, and its PDF."""

from datetime import UTC, datetime
from html import escape

from apps.billing.emulator import cards, invoice_payments
from apps.billing.emulator.errors import StripeError
from apps.billing.emulator.pages import card_form, layout, pdf
from apps.billing.emulator.pages.responses import Answer, File, Redirect
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


def show(world: World, identifier: str, typed: dict[str, str], *, error: str | None = None) -> Answer:
    invoice = _final(world, identifier)
    rows = "".join(
        f"<li><span>{escape(line['description'] or 'Item')}</span>"
        f"<span>{layout.money(line['amount'], line['currency'])}</span></li>"
        for line in invoice["lines"]["data"]
    )
    balance = ""
    if invoice["amount_due"] != invoice["total"]:
        applied = layout.money(invoice["amount_due"] - invoice["total"], invoice["currency"])
        balance = f"<li><span>Applied balance</span><span>{applied}</span></li>"
    body = f"""
{layout.alert(error)}
<p class="soft">{_day(invoice["effective_at"])} · {escape(invoice["customer_email"] or "")} ·
<strong>{invoice["status"]}</strong></p>
<section aria-label="Invoice"><ul class="rows">{rows}{balance}
<li class="total"><span>Amount due</span><span>{layout.money(invoice["amount_due"], invoice["currency"])}</span></li>
</ul></section>
<p><a href="/i/{invoice["id"]}/pdf">Download as PDF</a></p>
{_payment(world, invoice, typed)}
"""
    return layout.frame(f"Invoice {invoice['number']}", body)


def submit(world: World, identifier: str, typed: dict[str, str]) -> Answer:
    invoice = _final(world, identifier)
    if invoice["status"] not in ("open", "uncollectible"):
        return show(world, identifier, typed)
    try:
        method = cards.save(world, card_form.read(typed, now=world.now_for(invoice["customer"])))
        cards.attach(world, method, invoice["customer"])
    except StripeError as problem:
        return show(world, identifier, typed, error=str(problem))
    error = invoice_payments.collect(world, invoice, method, off_session=False)
    if error is not None:
        return show(world, identifier, typed, error=str(error))
    intent = world.get("payment_intent", world.store.known(invoice)["payment_intent"])
    if intent["status"] == "requires_action":
        world.store.remember(intent, return_url=invoice["hosted_invoice_url"])
        return Redirect(f"/authenticate/{intent['id']}")
    return Redirect(f"/i/{identifier}")


def document(world: World, identifier: str, typed: dict[str, str]) -> Answer:
    invoice = _final(world, identifier)
    currency = invoice["currency"]
    lines = [
        f"Invoice {invoice['number']}",
        "Stand-in for Stripe - no real money",
        "",
        f"From: {invoice['account_name']}",
        f"To: {invoice['customer_name'] or ''} {invoice['customer_email'] or ''}",
        f"Date: {_day(invoice['effective_at'])}    Status: {invoice['status']}",
        "",
        *(f"{_plain(line['amount'], currency):>16}   {line['description'] or 'Item'}" for line in _lines(invoice)),
        "",
        f"{_plain(invoice['total'], currency):>16}   Total",
        f"{_plain(invoice['amount_due'], currency):>16}   Amount due",
    ]
    return File(pdf.write(lines), "application/pdf", f"Invoice-{invoice['number']}.pdf")


def _lines(invoice: Object) -> list[Object]:
    lines: list[Object] = invoice["lines"]["data"]
    return lines


def _final(world: World, identifier: str) -> Object:
    invoice = world.get("invoice", identifier)
    if invoice["status"] == "draft":
        raise StripeError("This invoice is a draft still.", status=404)
    return invoice


def _plain(amount: int, currency: str) -> str:
    return f"{amount / 100:,.2f} {currency.upper()}"


def _day(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%d %B %Y")


def _payment(world: World, invoice: Object, typed: dict[str, str]) -> str:
    if invoice["status"] not in ("open", "uncollectible"):
        return ""
    intent = world.store.find("payment_intent", world.store.known(invoice).get("payment_intent"))
    if intent is not None and intent["status"] == "requires_action":
        world.store.remember(intent, return_url=invoice["hosted_invoice_url"])
        return f'<p><a href="/authenticate/{intent["id"]}">Your bank asks you to confirm this payment</a></p>'
    return f"""<form class="card" method="post" action="/i/{invoice["id"]}">
<h2>Pay this invoice</h2>
{card_form.fields(typed)}
<button class="wide" type="submit">Pay {layout.money(invoice["amount_due"], invoice["currency"])}</button>
</form>
{card_form.test_cards()}"""
