"""A customer on a test clock, for the tests of what happens as time passes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import stripe

DAY = 86_400


def moment(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@dataclass
class Life:
    client: stripe.StripeClient
    clock: stripe.test_helpers.TestClock
    customer: stripe.Customer

    @classmethod
    def begin(cls, client: stripe.StripeClient, *, card: str | None = "pm_card_visa", at: str = "2026-01-31") -> "Life":
        clock = client.v1.test_helpers.test_clocks.create({"frozen_time": moment(at)})
        customer = client.v1.customers.create({"test_clock": clock.id, "email": "alice@northwind.example"})
        life = cls(client, clock, customer)
        if card is not None:
            life.use(card)
        return life

    def use(self, card: str) -> str:
        """Attach it and charge it from now on."""
        method = self.client.v1.payment_methods.attach(card, {"customer": self.customer.id})
        settings = {"default_payment_method": method.id}
        self.client.v1.customers.update(self.customer.id, {"invoice_settings": settings})  # type: ignore[typeddict-item]
        return method.id

    def advance(self, to: str | int) -> None:
        until = to if isinstance(to, int) else moment(to)
        assert (
            self.client.v1.test_helpers.test_clocks.advance(self.clock.id, {"frozen_time": until}).status == "advancing"
        )
        assert self.client.v1.test_helpers.test_clocks.retrieve(self.clock.id).status == "ready"

    def price(self, name: str = "Gold", **fields: Any) -> stripe.Price:
        data: Any = {
            "currency": "usd",
            "unit_amount": 3000,
            "recurring": {"interval": "month"},
            "product_data": {"name": name},
            **fields,
        }
        return self.client.v1.prices.create(data)

    def subscribe(self, *prices: stripe.Price, **fields: Any) -> stripe.Subscription:
        items = [{"price": price.id} for price in prices]
        data: Any = {"customer": self.customer.id, "items": items, **fields}
        return self.client.v1.subscriptions.create(data)

    def subscription(self, subscription: stripe.Subscription) -> stripe.Subscription:
        return self.client.v1.subscriptions.retrieve(subscription.id)

    def invoices(self) -> list[stripe.Invoice]:
        """Oldest first."""
        return self.client.v1.invoices.list({"customer": self.customer.id, "limit": 100}).data[::-1]

    def events(self) -> list[str]:
        """Types, oldest first."""
        return [event.type for event in self.client.v1.events.list({"limit": 100}).auto_paging_iter()][::-1]
