"""The first page: what this server is, and what happened lately."""

from datetime import UTC, datetime
from html import escape

from apps.billing.emulator.pages import card_form, layout
from apps.billing.emulator.pages.responses import Answer
from apps.billing.emulator.store import Object
from apps.billing.emulator.world import API_VERSION, World

SHOWN_EVENTS = 25


def show(world: World, nothing: str, typed: dict[str, str]) -> Answer:
    rows = "".join(map(_row, list(world.store.all("event"))[: -SHOWN_EVENTS - 1 : -1]))
    events = f"""<div class="scroll" tabindex="0" role="region" aria-label="Events"><table>
<thead><tr><th scope="col">Event</th><th scope="col">Object</th><th scope="col">When (UTC)</th></tr></thead>
<tbody>{rows}</tbody></table></div>"""
    body = f"""
<p>This server follows Stripe's protocol ({API_VERSION}), so that Artemis can be tried and tested without an account
with Stripe. It takes test cards only, and moves no money.</p>
<h2>The last events</h2>
{events if rows else "<p>None yet.</p>"}
{card_form.test_cards()}
"""
    return layout.frame("A stand-in for Stripe", body)


def _row(event: Object) -> str:
    when = datetime.fromtimestamp(event["created"], UTC).strftime("%Y-%m-%d %H:%M:%S")
    thing = event["data"]["object"]
    return f"<tr><td>{escape(event['type'])}</td><td>{escape(str(thing.get('id', '')))}</td><td>{when}</td></tr>"
