"""Accounts, projects, members."""

from typing import Any

from allauth.account.forms import SignupForm as AllauthSignupForm
from allauth.core import context
from django import forms
from django.conf import settings

from apps.accounts.contracts import ROLES
from apps.portal.adapter import INVITED
from apps.portal.forms.money import BudgetField, HardnessField

PROMPT_LOG_DAYS = (1, 7, 30, 90)
ROLE_CHOICES = [(role, role.capitalize()) for role in ROLES]


class SignupForm(AllauthSignupForm):  # type: ignore[misc]
    """Where sign-up is closed, an invitation opens it for its own address only."""

    def clean_email(self) -> str:
        email: str = super().clean_email()
        invited = context.request.session.get(INVITED, "")
        if not settings.SIGNUP_OPEN and email.lower() != invited.lower():
            raise forms.ValidationError(f"Sign-up is by invitation. Use the address that was invited: {invited}")
        return email


class AccountForm(forms.Form):
    name = forms.CharField(label="Account name", max_length=120)


class BudgetForm(forms.Form):
    monthly_budget = BudgetField(
        label="Monthly budget (USD)",
        required=False,
        help_text="Over all projects and keys, each calendar month (UTC).",
    )
    total_budget = BudgetField(label="Budget in all (USD)", required=False, help_text="Over all months.")
    budget_is_hard = HardnessField()


class PromptLogForm(forms.Form):
    """`days`: None for not at all."""

    days = forms.TypedChoiceField(
        label="Keep what is asked and answered for", coerce=int, empty_value=None, required=False
    )

    def __init__(self, *args: Any, most: int, **options: Any) -> None:
        super().__init__(*args, **options)
        kept = [days for days in PROMPT_LOG_DAYS if days < most] + [most] * bool(most)
        choices = [("", "Not at all"), *((days, "1 day" if days == 1 else f"{days} days") for days in kept)]
        self.fields["days"].choices = choices  # type: ignore[attr-defined]


class WebhookForm(forms.Form):
    url = forms.CharField(
        label="Address",
        max_length=500,
        widget=forms.URLInput(attrs={"placeholder": "https://example.com/hook", "autocomplete": "off"}),
        help_text="It gets a signed POST at 50, 80 and 100 % of each budget.",
    )


class ProjectForm(forms.Form):
    name = forms.CharField(label="Project name", max_length=120, help_text="One project for each application.")
    monthly_budget = BudgetField(
        label="Monthly budget (USD)",
        required=False,
        help_text="Over all its keys, each calendar month (UTC).",
    )
    total_budget = BudgetField(label="Budget in all (USD)", required=False, help_text="Over all months.")
    budget_is_hard = HardnessField()


class InvitationForm(forms.Form):
    email = forms.EmailField(label="E-mail address", widget=forms.EmailInput(attrs={"autocomplete": "off"}))
    role = forms.ChoiceField(choices=ROLE_CHOICES, initial="developer")

    def __init__(self, *args: Any, may_make_owners: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        if not may_make_owners:
            self.fields["role"].choices = [choice for choice in ROLE_CHOICES if choice[0] != "owner"]  # type: ignore[attr-defined]
