"""What is held covers whatever an allowed answer can cost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from apps.billing.tests.priced import Rates, Used, due
from apps.catalog.contracts import ModelFacts, Price
from apps.gateway.contracts import Call, Tokens
from apps.gateway.estimate import TEMPLATE_TOKENS, charged, cost, estimate, searches
from apps.keys.contracts import KeyFacts

NOW = datetime.now(UTC)
rates = st.integers(0, 10**12)
prices = st.builds(
    Price,
    version_id=st.just(1),
    valid_from=st.just(NOW),
    input=rates,
    cached_input=rates,
    output=rates,
    reasoning=st.none() | rates,
    search=rates,
)


def model(context: int, most: int, kind: str = "chat") -> ModelFacts:
    return ModelFacts(
        public_name="moon",
        kind=kind,
        description="",
        owned_by="",
        account_id=None,
        capabilities=(),
        extensions=frozenset(),
        context_length=context,
        max_output_tokens=min(most, context),
        dimensions=None,
        created_at=NOW,
        prices=(),
        deployments=(),
    )


def call(of: ModelFacts, prompt_bytes: int, limit: int | None, choices: int) -> Call:
    return Call(
        request_id="r",
        endpoint="chat.completions",
        key=cast(KeyFacts, None),
        address="",
        model=of,
        payload={},
        prompt_bytes=prompt_bytes,
        choices=choices,
        output_limit=limit,
    )


@given(
    prices,
    st.integers(1, 200_000),
    st.integers(1, 200_000),
    st.integers(20, 300_000),
    st.none() | st.integers(0, 2**31 - 1),
    st.integers(1, 64),
    st.data(),
)
def test_the_hold_covers_any_outcome(
    price: Price, context: int, most: int, prompt_bytes: int, limit: int | None, choices: int, data: Any
) -> None:
    """An engine reads no more tokens than bytes and template, makes no more than allowed, within its context."""
    made = call(model(context, most), prompt_bytes, limit, choices)
    guess = estimate(made, price)
    prompt = data.draw(st.integers(0, min(prompt_bytes + TEMPLATE_TOKENS, context)))
    allowed = limit if limit is not None else guess.forwarded_limit
    room = context - prompt
    output = sum(
        data.draw(st.integers(0, room if allowed is None else min(allowed, room))) for _ in range(min(choices, 4))
    )
    cached = data.draw(st.integers(0, prompt))
    reasoning = data.draw(st.integers(0, output))
    assert cost(price, Tokens(prompt, cached, output, reasoning)) <= guess.hold
    assert guess.tokens >= 0


@given(prices, st.integers(20, 10**6))
def test_the_hold_covers_an_embedding(price: Price, prompt_bytes: int) -> None:
    guess = estimate(call(model(512, 1, "embedding"), prompt_bytes, None, 1), price)
    assert cost(price, Tokens(prompt_bytes, 0, 0)) <= guess.hold
    assert guess.forwarded_limit is None


@given(prices, st.integers(20, 10**6), st.integers(0, 10**6))
def test_a_batch_pays_half_of_everything_rounded_up(price: Price, prompt_bytes: int, tokens: int) -> None:
    live = call(model(200_000, 100), prompt_bytes, 10, 1)
    batch = replace(live, service_tier="batch")
    whole = tokens * price.input  # millionths of a nano-dollar
    paid = charged(batch, cost(price, Tokens(tokens, 0, 0)))
    assert paid == -(-whole // 2_000_000)
    assert estimate(batch, price).hold == -(-estimate(live, price).hold // 2)
    assert estimate(batch, price).tokens == estimate(live, price).tokens
    again = replace(batch, prepaid=True)
    assert charged(again, paid) == estimate(again, price).hold == 0


counts = st.integers(0, 10**7)


@given(prices, st.builds(Used, counts, counts, counts, counts, st.integers(0, 1000), st.booleans()))
def test_a_call_costs_what_plain_sums_say(price: Price, used: Used) -> None:
    asked = replace(call(model(512, 1), 1, None, 1), service_tier="batch" if used.in_batch else "default")
    tokens = Tokens(used.fresh + used.cached, used.cached, used.spoken + used.thought, used.thought)
    assert charged(asked, cost(price, tokens, used.searches)) == due(Rates.of(price), used)
    assert charged(asked, cost(None, tokens, used.searches)) == due(None, used) == 0


def test_where_the_caller_sets_no_limit_the_models_own_is_sent_while_there_is_room() -> None:
    of = model(1000, 100)
    assert estimate(call(of, 100, None, 1), None).forwarded_limit == 100
    assert estimate(call(of, 900, None, 1), None).forwarded_limit is None
    assert estimate(call(of, 100, 5, 1), None).forwarded_limit is None


@given(prices, st.integers(1, 1000), st.integers(20, 10**6))
def test_a_reranking_costs_its_searches_and_what_was_read(price: Price, documents: int, prompt_bytes: int) -> None:
    asked = call(model(512, 1, "rerank"), prompt_bytes, None, 1)
    asked = replace(asked, endpoint="rerank", payload={"documents": ["a"] * documents})
    assert searches(asked) == (documents + 99) // 100
    whole = cost(price, Tokens(prompt_bytes, 0, 0), searches(asked))
    assert whole == searches(asked) * price.search + cost(price, Tokens(prompt_bytes, 0, 0))
    assert whole <= estimate(asked, price).hold


def test_thoughts_have_a_price_of_their_own_or_that_of_output() -> None:
    price = Price(version_id=1, valid_from=NOW, input=0, cached_input=0, output=2 * 10**6)
    assert cost(price, Tokens(0, 0, 10, 4)) == 20
    assert cost(replace(price, reasoning=3 * 10**6), Tokens(0, 0, 10, 4)) == 6 * 2 + 4 * 3


def test_a_free_model_holds_nothing() -> None:
    assert estimate(call(model(1000, 100), 100, None, 1), None).hold == 0
    assert cost(None, Tokens(10**6, 0, 10**6)) == 0


def test_the_price_is_that_of_now() -> None:
    past, future = (
        Price(version_id=number, valid_from=NOW + timedelta(days=days), input=1, cached_input=1, output=1)
        for number, days in ((1, -1), (2, 1))
    )
    of = model(1000, 100)
    assert replace(of, prices=(future, past)).price_at(NOW) == past
    assert replace(of, prices=(future,)).price_at(NOW) is None
