"""Budgets and payments, as the portal's forms ask for them."""

from typing import Any

from django import forms

from apps.common.forms import UsdField
from apps.common.money import NANO_PER_USD

DOLLARS = {"step": "any", "inputmode": "decimal", "min": 5}


class BudgetField(UsdField):
    """Nano-dollars, or None for no limit."""

    def __init__(self, **options: Any) -> None:
        attributes = {"step": "any", "inputmode": "decimal", "placeholder": "No limit"}
        super().__init__(widget=forms.NumberInput(attrs=attributes), **options)


class TopUpForm(forms.Form):
    amount = UsdField(label="US dollars", initial=25 * NANO_PER_USD, widget=forms.NumberInput(attrs=DOLLARS))


class AutoTopUpForm(forms.Form):
    """An account's consent to be charged when its credit runs low."""

    threshold = UsdField(label="When the balance falls below", widget=forms.NumberInput(attrs={**DOLLARS, "min": 0}))
    amount = UsdField(label="Add", widget=forms.NumberInput(attrs=DOLLARS))
    monthly_cap = UsdField(
        label="At most a month",
        widget=forms.NumberInput(attrs=DOLLARS),
        help_text="In US dollars, all three. The month is the calendar month (UTC).",
    )
    consent = forms.BooleanField(label="Charge the saved card automatically, as set out here, until I turn this off.")


class HardnessField(forms.ChoiceField):
    """Whether a budget is hard; it is where nothing was said."""

    CHOICES = (("stop", "Stop at the budget"), ("warn", "Only warn"))

    def __init__(self) -> None:
        super().__init__(
            label="When a budget is spent",
            choices=self.CHOICES,
            required=False,
            initial=True,
            widget=forms.RadioSelect,
            help_text="At 50, 80 and 100 % the account's owners, admins and billing members get a mail either way.",
        )

    def clean(self, value: Any) -> Any:
        return super().clean(value) != "warn"

    def prepare_value(self, value: Any) -> Any:
        return ("stop" if value else "warn") if isinstance(value, bool) else value
