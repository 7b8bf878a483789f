"""A key's name and limits."""

from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any

from django import forms

from apps.accounts.contracts import ProjectRow
from apps.common.endpoints import ENDPOINTS
from apps.keys.contracts import KeyPolicy, KeyRow
from apps.portal.forms.money import BudgetField, HardnessField

MAX_LIMIT = 2_000_000_000


class KeyForm(forms.Form):
    """Empty limits mean the platform's defaults; nothing ticked means everything is allowed."""

    name = forms.CharField(max_length=120, help_text="What it is for: “production backend”, “Bob's laptop”.")
    project = forms.ChoiceField(required=False)
    allowed_models = forms.MultipleChoiceField(
        label="Models",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all of them.",
    )
    allowed_endpoints = forms.MultipleChoiceField(
        label="Endpoints",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=list(ENDPOINTS.items()),
        help_text="None ticked: all of them but usage and costs.",
    )
    expires_at = forms.DateTimeField(
        label="Expires (UTC)",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        help_text="Empty: never.",
    )
    monthly_budget = BudgetField(
        label="Monthly budget (USD)",
        required=False,
        help_text="Each calendar month (UTC).",
    )
    total_budget = BudgetField(label="Budget in all (USD)", required=False, help_text="Over all months.")
    budget_is_hard = HardnessField()
    rpm_limit = forms.IntegerField(label="Requests a minute", required=False, min_value=1, max_value=MAX_LIMIT)
    tpm_limit = forms.IntegerField(label="Tokens a minute", required=False, min_value=1, max_value=MAX_LIMIT)
    tpd_limit = forms.IntegerField(label="Tokens a day", required=False, min_value=1, max_value=MAX_LIMIT)
    parallel_limit = forms.IntegerField(label="Requests at once", required=False, min_value=1, max_value=MAX_LIMIT)
    ip_allow_list = forms.CharField(
        label="Allowed addresses",
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "placeholder": "203.0.113.0/24"}),
        help_text="Addresses or networks (CIDR), one a line. Empty: from anywhere.",
    )

    def __init__(self, *args: Any, models: Sequence[str], projects: Sequence[ProjectRow], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["allowed_models"].choices = [(name, name) for name in models]  # type: ignore[attr-defined]
        self.fields["project"].choices = [(project.slug, project.name) for project in projects]  # type: ignore[attr-defined]
        self.fields["rpm_limit"].widget.attrs["placeholder"] = "Default"
        self.fields["tpm_limit"].widget.attrs["placeholder"] = "Default"
        self.fields["tpd_limit"].widget.attrs["placeholder"] = "None"
        self.fields["parallel_limit"].widget.attrs["placeholder"] = "Default"
        if not projects:
            del self.fields["project"]

    def policy(self) -> KeyPolicy:
        values = self.cleaned_data
        return KeyPolicy(
            allowed_models=tuple(values["allowed_models"]),
            allowed_endpoints=tuple(values["allowed_endpoints"]),
            ip_allow_list=tuple(values["ip_allow_list"].replace(",", " ").split()),
            rpm_limit=values["rpm_limit"],
            tpm_limit=values["tpm_limit"],
            tpd_limit=values["tpd_limit"],
            parallel_limit=values["parallel_limit"],
            monthly_budget=values["monthly_budget"],
            total_budget=values["total_budget"],
            budget_is_hard=values["budget_is_hard"],
            expires_at=values["expires_at"],
        )


def initial_of(key: KeyRow) -> dict[str, Any]:
    policy = key.policy
    return {
        "name": key.name,
        "allowed_models": list(policy.allowed_models),
        "allowed_endpoints": list(policy.allowed_endpoints),
        "ip_allow_list": "\n".join(policy.ip_allow_list),
        "rpm_limit": policy.rpm_limit,
        "tpm_limit": policy.tpm_limit,
        "tpd_limit": policy.tpd_limit,
        "parallel_limit": policy.parallel_limit,
        "monthly_budget": policy.monthly_budget,
        "total_budget": policy.total_budget,
        "budget_is_hard": policy.budget_is_hard,
        "expires_at": policy.expires_at.astimezone(UTC) if policy.expires_at else None,
    }


class RotateForm(forms.Form):
    """How long the old secret works beside the new one."""

    GRACE = (("0", "None: stop the old one now"), ("1", "1 hour"), ("24", "24 hours"), ("168", "7 days"))
    grace = forms.ChoiceField(
        label="Grace period",
        choices=GRACE,
        initial="24",
        help_text="Until it ends, the old secret and the new one both work.",
    )

    def period(self) -> timedelta:
        return timedelta(hours=int(self.cleaned_data["grace"]))
