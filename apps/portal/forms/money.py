"""A sum in US dollars, typed by a person, kept as nano-dollars."""

from decimal import Decimal
from typing import Any

from django import forms

from apps.common.money import NANO_PER_USD, usd_to_nano

MAX_USD = Decimal(1_000_000_000)


class UsdField(forms.DecimalField):
    """Its value is a whole number of nano-dollars, or None where the field was left empty."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            min_value=Decimal(0),
            max_value=MAX_USD,
            decimal_places=9,
            widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal", "placeholder": "No limit"}),
            **options,
        )

    def clean(self, value: Any) -> Any:
        usd = super().clean(value)
        return None if usd is None else usd_to_nano(usd)

    def prepare_value(self, value: Any) -> Any:
        return format(Decimal(value) / NANO_PER_USD, "f") if isinstance(value, int) else value
