"""Form fields that several apps' pages share."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from apps.common.money import NANO_PER_USD, usd_to_nano

MAX_USD = Decimal(1_000_000_000)


class UsdField(forms.DecimalField):
    """A sum in US dollars, typed by a person; its value is whole nano-dollars, or None where it was left empty."""

    def __init__(self, **options: Any) -> None:
        bounds: dict[str, Any] = {"min_value": Decimal(0), "max_value": MAX_USD, "decimal_places": 9}
        options.setdefault("widget", forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}))
        options["help_text"] = str(options.get("help_text", "")).replace("Nano-dollars", "US dollars")
        super().__init__(**(options | bounds))

    def clean(self, value: Any) -> Any:
        usd = super().clean(value)
        return None if usd is None else usd_to_nano(usd)

    def prepare_value(self, value: Any) -> Any:
        return format((Decimal(value) / NANO_PER_USD).normalize(), "f") if isinstance(value, int) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(data) != initial)
        except ValidationError:
            return True
