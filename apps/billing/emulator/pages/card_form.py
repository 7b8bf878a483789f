"""The fields in which a card is typed, and the table of test cards beside them."""

import re
from html import escape

from apps.billing.emulator.cards import CARDS, CardDetails
from apps.billing.emulator.errors import card_error

EXPIRY = re.compile(r"^\s*(\d{1,2})\s*/?\s*(\d{2}|\d{4})\s*$")


def fields(typed: dict[str, str]) -> str:
    """With what was typed already; a card that succeeds at first."""
    number = escape(typed.get("number", "4242 4242 4242 4242"))
    expiry = escape(typed.get("expiry", "12 / 34"))
    cvc = escape(typed.get("cvc", "123"))
    name = escape(typed.get("name", ""))
    return f"""
<label for="number">Card number</label>
<input id="number" name="number" value="{number}" inputmode="numeric" autocomplete="cc-number" required
  aria-describedby="test-cards">
<p id="test-cards" class="soft">Only the test cards below are taken.</p>
<div class="pair">
<div><label for="expiry">Expiry (MM/YY)</label>
<input id="expiry" name="expiry" value="{expiry}" autocomplete="cc-exp" required></div>
<div><label for="cvc">Security code</label>
<input id="cvc" name="cvc" value="{cvc}" inputmode="numeric" autocomplete="cc-csc" required></div>
</div>
<label for="name">Name on the card</label>
<input id="name" name="name" value="{name}" autocomplete="cc-name">
"""


def test_cards() -> str:
    rows = "".join(
        f"<tr><td><code>{escape(grouped(card.number))}</code></td><td>{escape(card.summary)}</td></tr>"
        for card in CARDS
    )
    return f"""
<h2>Test cards</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Test cards"><table>
<thead><tr><th scope="col">Number</th><th scope="col">What it does</th></tr></thead>
<tbody>{rows}</tbody>
</table></div>
"""


def grouped(number: str) -> str:
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4))


def read(typed: dict[str, str], *, now: int) -> CardDetails:
    """Raises StripeError (a card error) for what cannot be a test card."""
    expiry = EXPIRY.match(typed.get("expiry", ""))
    if expiry is None:
        raise card_error("Your card's expiration date is incomplete.", code="invalid_expiry_month")
    if not re.fullmatch(r"\d{3,4}", typed.get("cvc", "").strip()):
        raise card_error("Your card's security code is incomplete.", code="invalid_cvc")
    year = int(expiry[2]) + (2000 if len(expiry[2]) == 2 else 0)
    return CardDetails.make(
        typed.get("number", ""), month=int(expiry[1]), year=year, name=typed.get("name", "").strip() or None, now=now
    )
