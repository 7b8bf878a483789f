"""Usage: sums, series by hour or day, and the log of requests."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.selectors import project_of_account
from apps.api.management.base import AccountView, described, listed, shown
from apps.api.management.inputs import RequestsQuery, SeriesQuery, TotalsQuery
from apps.api.management.outputs import (
    BucketListSerializer,
    BucketSerializer,
    RequestListSerializer,
    RequestSerializer,
    TotalsSerializer,
)
from apps.common.errors import Invalid
from apps.common.moments import hour_of
from apps.keys.selectors import key_of_account
from apps.usage import selectors
from apps.usage.contracts import RequestRow

# interval: (how far back unless told, how far back at most)
SPANS = {"hour": (timedelta(days=1), timedelta(days=31)), "day": (timedelta(days=30), timedelta(days=400))}


class UsageView(AccountView):
    def owned(self, values: dict[str, Any]) -> dict[str, Any]:
        """As the selectors take it. Raises NotFound for a project or key of somebody else."""
        project, key = values.get("project"), values.get("key")
        if project:
            project_of_account(account_id=self.account.id, slug=project)
        if key:
            key_of_account(account_id=self.account.id, public_id=key)
        return {
            "account_id": self.account.id,
            "project_slug": project,
            "key_public_id": key,
            "model": values.get("model"),
        }


class TotalsView(UsageView):
    @described(operation_id="get_usage", tags=["usage"], parameters=[TotalsQuery], responses=TotalsSerializer)
    def get(self, request: Request, slug: str) -> Response:
        """What was used, this month unless told otherwise."""
        values = self.checked(TotalsQuery)
        month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        totals = selectors.totals_of_account(
            since=values.get("since", month), until=values.get("until"), **self.owned(values)
        )
        return shown(TotalsSerializer, totals)


class SeriesView(UsageView):
    @described(
        operation_id="get_usage_series", tags=["usage"], parameters=[SeriesQuery], responses=BucketListSerializer
    )
    def get(self, request: Request, slug: str) -> Response:
        """Sums by hour (of the last 31 days at most) or day (400); hours and days without use are left out."""
        values = self.checked(SeriesQuery)
        usual, longest = SPANS[values["interval"]]
        now = datetime.now(UTC)
        since, until = values.get("since", now - usual), values.get("until")
        if since < now - longest:
            raise Invalid("since", f"Ask for the last {longest.days} days at most, or for longer intervals.")
        options = {"group_by": values.get("group_by"), **self.owned(values)}
        if values["interval"] == "hour":
            hour = hour_of(since.astimezone(UTC))
            return listed(BucketSerializer, selectors.hourly_series(since=hour, until=until, **options))
        day, end = since.astimezone(UTC).date(), until and until.astimezone(UTC).date()
        return listed(BucketSerializer, selectors.daily_series(since=day, until=end, **options))


class RequestsView(UsageView):
    @described(
        operation_id="list_requests", tags=["usage"], parameters=[RequestsQuery], responses=RequestListSerializer
    )
    def get(self, request: Request, slug: str) -> Response:
        """The log of requests, the newest first."""
        values = self.checked(RequestsQuery)
        after = read_cursor(values["cursor"]) if "cursor" in values else None
        rows = selectors.requests_page(limit=values["limit"] + 1, after=after, **self.owned(values))
        page = rows[: values["limit"]]
        return listed(RequestSerializer, page, next_cursor=cursor_of(page[-1]) if len(rows) > len(page) else None)


def cursor_of(row: RequestRow) -> str:
    place = json.dumps([row.started_at.isoformat(), row.request_id])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def read_cursor(text: str) -> tuple[datetime, str]:
    """Raises Invalid for what was never given out."""
    try:
        started_at, request_id = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        moment = datetime.fromisoformat(started_at)
    except (ValueError, TypeError, RecursionError) as error:
        raise Invalid("cursor", "Give the next_cursor of the page before, as it was.") from error
    if moment.tzinfo is None or not isinstance(request_id, str) or not request_id.isascii() or "\x00" in request_id:
        raise Invalid("cursor", "Give the next_cursor of the page before, as it was.")
    return moment, request_id
