"""Money is whole nano-dollars: rounded up once, never a float."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.money import format_usd, token_cost, usd_to_nano

tokens = st.integers(0, 10**7)
prices = st.integers(0, 10**13)
lines = st.lists(st.tuples(tokens, prices), max_size=6)


@given(lines)
def test_a_cost_is_rounded_up_once(some: list[tuple[int, int]]) -> None:
    exact = sum(Decimal(count) * price for count, price in some) / 1_000_000
    assert exact <= token_cost(*some) < exact + 1


@given(tokens, tokens, prices)
def test_splitting_a_line_changes_nothing(first: int, second: int, price: int) -> None:
    assert token_cost((first, price), (second, price)) == token_cost((first + second, price))


def test_no_tokens_cost_nothing() -> None:
    assert token_cost() == token_cost((0, 10**13)) == token_cost((10**7, 0)) == 0
    assert token_cost((1, 1)) == 1  # a millionth of a nano-dollar is still a nano-dollar


@given(st.integers(0, 10**18))
def test_dollars_and_back(nano: int) -> None:
    assert usd_to_nano(str(Decimal(nano) / 10**9)) == nano
    assert usd_to_nano(format_usd(nano).removeprefix("$").replace(",", "")) == nano


@pytest.mark.parametrize("usd", ["", "x", "1,5", "-1", "NaN", "Infinity", "-Infinity", "1e-10", "0.0000000001", "$5"])
def test_no_sum_in_dollars(usd: str) -> None:
    with pytest.raises(ValueError, match=r"US dollars|nano-dollars"):
        usd_to_nano(usd)


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "$0.00"), (37_500, "$0.0000375"), (1_500_000_000, "$1.50"), (-(10**9), "-$1.00"), (10**13, "$10,000.00")],
)
def test_sums_for_people(nano: int, text: str) -> None:
    assert format_usd(nano) == text


def test_a_fixed_number_of_decimals() -> None:
    assert format_usd(1_999_000_000, places=2) == "$2.00"
