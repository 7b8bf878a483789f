"""What a page's address says of what is to be shown."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware

from apps.accounts import selectors as accounts
from apps.common.errors import NotFound
from apps.keys import selectors as keys
from apps.portal.access import MemberRequest
from apps.portal.breakdowns import BREAKDOWNS, Breakdown
from apps.portal.charts import METRICS, Metric
from apps.portal.periods import PERIODS, Period

LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilters:
    period: Period
    metric: Metric
    group: Breakdown
    project: str | None
    key: str | None
    model: str | None
    before: datetime | None

    @property
    def owned(self) -> dict[str, Any]:
        """As the selectors of usage take it."""
        return {"project_slug": self.project, "key_public_id": self.key, "model": self.model}

    @property
    def group_label(self) -> str:
        return "Hour" if self.period.by_hour and not self.group.columns else self.group.label

    @property
    def address(self) -> str:
        """The filters without the place in the log, for links."""
        return self._address()

    def narrowed_to(self, identifier: str) -> str:
        """The same, held to one of the groups; empty where no filter does that."""
        return self._address(**{self.group.slug: identifier}) if self.group.narrows else ""

    def _address(self, **more: str) -> str:
        chosen = {"project": self.project, "key": self.key, "model": self.model, **more}
        fixed = {"period": self.period.slug, "metric": self.metric.slug, "group": self.group.slug}
        return urlencode({**fixed, **{name: value for name, value in chosen.items() if value}})


def usage_filters(request: MemberRequest) -> UsageFilters:
    """Unknown choices fall back to the usual ones. Raises NotFound for a project or key of somebody else."""
    asked = request.GET
    key = _text(request, "key")
    if key:
        keys.key_of_account(account_id=request.account.id, public_id=key)
    return UsageFilters(
        period=PERIODS.get(asked.get("period", ""), PERIODS["30d"]),
        metric=METRICS.get(asked.get("metric", ""), METRICS["cost"]),
        group=BREAKDOWNS.get(asked.get("group", ""), BREAKDOWNS["model"]),
        project=project_of_request(request),
        key=key,
        model=_text(request, "model"),
        before=_moment(asked.get("before", "")),
    )


def project_of_request(request: MemberRequest) -> str | None:
    """The project that the page is filtered by. Raises NotFound for one that is not the account's."""
    slug = _text(request, "project")
    return accounts.project_of_account(account_id=request.account.id, slug=slug).slug if slug else None


def _text(request: MemberRequest, name: str) -> str | None:
    value = request.GET.get(name) or None
    if value and ("\x00" in value or len(value) > LONGEST):
        raise NotFound("There is nothing of this name.")
    return value


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment and is_aware(moment) else None
