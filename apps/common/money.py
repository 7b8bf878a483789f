"""Money as whole nano-dollars (1e-9 USD); prices as whole nano-dollars per million tokens. Never a float."""

from decimal import Decimal, InvalidOperation

from django.db import models

NANO_PER_USD = 1_000_000_000
TOKENS_PER_PRICE_UNIT = 1_000_000


class NanoField(models.BigIntegerField):  # type: ignore[type-arg]  # Django itself is not generic
    """A sum in nano-dollars, or a price in nano-dollars per million tokens."""


def token_cost(*lines: tuple[int, int]) -> int:
    """Cost in nano-dollars of (tokens, nano-dollars per million tokens) lines.

    The products are summed first, then divided by a million once and rounded up, so that splitting a request
    into more lines never changes its cost.
    """
    return -(-sum(tokens * price for tokens, price in lines) // TOKENS_PER_PRICE_UNIT)


def usd_to_nano(usd: str | int | Decimal) -> int:
    """Whole nano-dollars of a sum in dollars.

    Raises ValueError where the sum is not a finite, non-negative number or has a fraction of a nano-dollar.
    """
    try:
        nano = Decimal(usd) * NANO_PER_USD
    except InvalidOperation as error:
        raise ValueError(f"{usd!r} is not a sum in US dollars, such as 12.50") from error
    if not nano.is_finite() or nano < 0 or nano != nano.to_integral_value():
        raise ValueError(f"{usd!r} is not a sum of whole nano-dollars, zero or more")
    return int(nano)


def plain_usd(nano: int) -> str:
    """A sum in dollars for programs, exact to the nano-dollar, without sign of currency or exponent."""
    return format(Decimal(nano) / NANO_PER_USD, "f")


def format_usd(nano: int, *, places: int | None = None) -> str:
    """A sum for people: at least cents, and as many digits as a small sum needs ("$0.0000375").

    `places` fixes the number of decimals instead, rounded half up.
    """
    sign = "-" if nano < 0 else ""
    usd = Decimal(abs(nano)) / NANO_PER_USD
    if places is not None:
        return f"{sign}${usd:,.{places}f}"
    text = f"{usd:,.9f}".rstrip("0")
    whole, _, fraction = text.partition(".")
    return f"{sign}${whole}.{fraction:0<2}"
