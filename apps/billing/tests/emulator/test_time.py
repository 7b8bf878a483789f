"""The wall's clock put forward, and what tests change of the emulator's ways."""

import pytest
import stripe

from apps.billing.emulator import periods
from apps.billing.emulator.control import EmulatorServer
from apps.billing.tests.emulator.life import DAY, Life, moment

MONTHLY = {"interval": "month", "interval_count": 1}


def test_without_a_test_clock_the_walls_clock_is_put_forward(
    client: stripe.StripeClient, server: EmulatorServer
) -> None:
    customer = client.v1.customers.create({"payment_method": "pm_card_visa"})
    [card] = client.v1.payment_methods.list({"customer": customer.id}).data
    price = client.v1.prices.create(
        {"currency": "usd", "unit_amount": 3000, "recurring": {"interval": "day"}, "product_data": {"name": "Daily"}}
    )
    subscription = client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": price.id}], "default_payment_method": card.id}
    )
    server.advance_time(2 * DAY + 2 * 3600)
    invoices = client.v1.invoices.list({"customer": customer.id}).data
    assert [invoice.status for invoice in invoices] == ["paid"] * 3
    server.replace_card(card.id, "4000000000000341")
    server.advance_time(DAY)
    assert client.v1.subscriptions.retrieve(subscription.id).status == "past_due"


@pytest.mark.parametrize(("after", "status"), [("unpaid", "unpaid"), ("past_due", "past_due")])
def test_what_becomes_of_it_after_the_last_try(
    client: stripe.StripeClient, server: EmulatorServer, after: str, status: str
) -> None:
    server.settings(dunning_days=[1], after_dunning=after)
    life = Life.begin(client, at="2026-01-01")
    subscription = life.subscribe(life.price())
    life.use("pm_card_chargeCustomerFail")
    life.advance("2026-02-04")
    assert life.subscription(subscription).status == status
    assert life.events().count("invoice.payment_failed") == 2
    life.use("pm_card_visa")
    client.v1.invoices.pay(life.invoices()[-1].id)
    assert life.subscription(subscription).status == "active"


@pytest.mark.parametrize(
    ("anchor", "start", "end"),
    [
        ("2026-01-31", "2026-01-31", "2026-02-28"),
        ("2026-01-31", "2026-02-28", "2026-03-31"),
        ("2028-01-31", "2028-02-10", "2028-02-29"),
        ("2026-05-15", "2026-04-20", "2026-05-15"),
        ("2026-05-15", "2026-03-20", "2026-04-15"),
    ],
)
def test_months_are_counted_from_the_anchor(anchor: str, start: str, end: str) -> None:
    assert periods.next_end(moment(anchor), MONTHLY, moment(start)) == moment(end)
