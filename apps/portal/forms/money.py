"""A monthly budget, as the portal's forms ask for it."""

from typing import Any

from django import forms

from apps.common.forms import UsdField


class BudgetField(UsdField):
    """Nano-dollars, or None for no limit."""

    def __init__(self, **options: Any) -> None:
        attributes = {"step": "any", "inputmode": "decimal", "placeholder": "No limit"}
        super().__init__(widget=forms.NumberInput(attrs=attributes), **options)
