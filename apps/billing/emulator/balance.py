"""The account's balance: an entry for whatever comes in or goes out."""

from apps.billing.emulator.store import Object
from apps.billing.emulator.world import World


def book(
    world: World, paid: Object, *, source: str, amount: int, kind: str, category: str | None = None, fee: int = 0
) -> Object:
    """On the balance; `paid` is a charge or an intent. `amount` is negative for what goes back."""
    now = world.now_for(paid["customer"])
    details = {
        "amount": fee,
        "application": None,
        "currency": paid["currency"],
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    return world.add(
        "balance_transaction",
        {
            "created": now,
            "amount": amount,
            "available_on": now + 2 * 86_400,
            "balance_type": "payments",
            "currency": paid["currency"],
            "description": paid["description"],
            "exchange_rate": None,
            "fee": fee,
            "fee_details": [details] if fee else [],
            "net": amount - fee,
            "reporting_category": category or kind,
            "source": source,
            "status": "pending",
            "type": kind,
        },
    )
