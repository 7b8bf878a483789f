"""What may be sent to the management API. A field that is not known is refused, not ignored."""

from datetime import timedelta
from typing import Any

from rest_framework import serializers

from apps.common.endpoints import ENDPOINTS

MOST_NAMES = 200
MOST_NANO = 2**53 - 1
MOST_LIMIT = 2**31 - 1
DAY_SECONDS = 24 * 3600
LONGEST_GRACE_SECONDS = int(timedelta(days=30).total_seconds())
PAGE, LARGEST_PAGE = 50, 200


class Strict(serializers.Serializer[Any]):
    def to_internal_value(self, data: Any) -> Any:
        for name in data:
            if name not in self.fields:
                error = serializers.ErrorDetail(f"Unknown parameter: {str(name)[:100]!r}.", code="unknown_parameter")
                raise serializers.ValidationError({str(name)[:100]: [error]})
        return super().to_internal_value(data)


def names(child: serializers.Field[Any, Any, Any, Any], help_text: str) -> Any:
    return serializers.ListField(child=child, required=False, max_length=MOST_NAMES, help_text=help_text)


def limit(help_text: str) -> Any:
    return serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MOST_LIMIT, help_text=f"{help_text}; null: the default"
    )


def budget(period: str = "a calendar month (UTC)") -> Any:
    return serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=0,
        max_value=MOST_NANO,
        help_text=f"Nano-dollars {period}; null: no limit",
    )


def hardness() -> Any:
    return serializers.BooleanField(required=False, help_text="false: its budgets only warn; true, the default: stop")


class ProjectInput(Strict):
    name = serializers.CharField(max_length=120)
    monthly_budget_nano_usd = budget()
    total_budget_nano_usd = budget("in all")
    budget_is_hard = hardness()


class KeyChanges(Strict):
    name = serializers.CharField(max_length=120)
    allowed_models = names(serializers.CharField(max_length=120), "Empty: all")
    allowed_endpoints = names(serializers.ChoiceField(choices=list(ENDPOINTS)), "Empty: all but organization")
    ip_allow_list = names(serializers.CharField(max_length=60), "Addresses or networks (CIDR); empty: from anywhere")
    requests_per_minute = limit("Requests a minute")
    tokens_per_minute = limit("Tokens a minute")
    tokens_per_day = limit("Tokens a day (24 hours that slide)")
    parallel_requests = limit("Requests at once")
    monthly_budget_nano_usd = budget()
    total_budget_nano_usd = budget("in all")
    budget_is_hard = hardness()
    expires_at = serializers.DateTimeField(required=False, allow_null=True, help_text="null: never")


class KeyInput(KeyChanges):
    project = serializers.SlugField(default="default", max_length=60, help_text="Slug of one of the account's projects")


class RotateInput(Strict):
    grace_seconds = serializers.IntegerField(
        default=DAY_SECONDS,
        min_value=0,
        max_value=LONGEST_GRACE_SECONDS,
        help_text="How long the old secret works beside the new one; 0: not any more",
    )


class ProjectQuery(Strict):
    archived = serializers.BooleanField(default=False, help_text="Archived ones, too")


class KeyQuery(Strict):
    project = serializers.SlugField(required=False, max_length=60, help_text="Slug: only this project's")


class OwnedQuery(Strict):
    """What usage may be narrowed down to."""

    project = serializers.SlugField(required=False, max_length=60, help_text="A project's slug")
    key = serializers.SlugField(required=False, max_length=40, help_text="A key's id")
    model = serializers.CharField(required=False, max_length=120)


class TotalsQuery(OwnedQuery):
    since = serializers.DateTimeField(required=False, help_text="From the hour that begins then; the month's beginning")
    until = serializers.DateTimeField(required=False, help_text="Before the hour that begins then; now")


class SeriesQuery(TotalsQuery):
    interval = serializers.ChoiceField(choices=["hour", "day"], default="day")
    group_by = serializers.ChoiceField(choices=["model", "key", "project"], required=False)


class RequestsQuery(OwnedQuery):
    limit = serializers.IntegerField(default=PAGE, min_value=1, max_value=LARGEST_PAGE)
    cursor = serializers.CharField(required=False, max_length=300, help_text="The `next_cursor` of the page before")
