"""A model's card shows the price that holds now."""

from datetime import timedelta

from django.utils import timezone

from apps.api.views import _card
from apps.catalog.contracts import ModelFacts, Price

NOW = timezone.now()


def model(*prices: Price) -> ModelFacts:
    return ModelFacts(
        public_name="moon",
        kind="chat",
        description="",
        owned_by="",
        account_id=None,
        capabilities=(),
        extensions=frozenset(),
        context_length=100,
        max_output_tokens=100,
        dimensions=None,
        created_at=NOW,
        prices=prices,
        deployments=(),
    )


def price(number: int, **valid: int) -> Price:
    return Price(version_id=number, valid_from=NOW + timedelta(**valid), input=number, cached_input=0, output=0)


def test_a_price_of_the_future_is_not_shown_yet() -> None:
    card = _card(model(price(3, days=1), price(2, days=-1), price(1, days=-9)))
    assert card["pricing"]["input"] == 2
    assert _card(model(price(3, days=1)))["pricing"] is None
