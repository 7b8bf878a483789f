"""Reads consumption. Everything owned is asked for by account."""

import json
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, cast

from django.db.models import Case, Count, F, Max, Min, Q, QuerySet, Sum, Value, When

from apps.common.errors import NotFound
from apps.common.redis import sync_redis
from apps.usage.contracts import DeploymentUse, RequestRow, UnrecordedEvents, UsageBucket, UsageShare, UsageTotals
from apps.usage.counted import counted_events as counted_events
from apps.usage.counted import doubtful_counters as doubtful_counters
from apps.usage.counted import holds_counted as holds_counted
from apps.usage.counted import spending_counted as spending_counted
from apps.usage.counted import spending_counters as spending_counters
from apps.usage.models import Outcome, UsageCharge, UsageDay, UsageEndUserDay, UsageEvent, UsageHour, UsageRequest
from apps.usage.slices import TIER as TIER
from apps.usage.slices import slices as slices

GroupBy = Literal["model", "key", "project"]
STREAM, DEAD_STREAM = "art:usage", "art:usage:dead"
PAGE = 1000
OTHERS = "All others"
_OF_EVENT = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "searches", "cost")
_SUMS = {name: Sum(name) for name in ("requests", "failed_requests", *_OF_EVENT)}
_SUMS_OF_EVENTS: dict[str, Any] = {
    "requests": Count("pk"),
    "failed_requests": Count("pk", filter=Q(outcome=Outcome.FAILED)),
    **{name: Sum(name) for name in _OF_EVENT},
}
_GROUPS: dict[str, tuple[str, str]] = {
    "model": ("model", "model"),
    "key": ("api_key__name", "api_key__public_id"),
    "project": ("project__name", "project__slug"),
}


def _totals(row: dict[str, Any]) -> UsageTotals:
    return UsageTotals(**{name: row[name] or 0 for name in _SUMS})


def _owned(
    rows: QuerySet[Any],
    account_id: int,
    key_public_id: str | None,
    project_slug: str | None,
    model: str | None,
) -> QuerySet[Any]:
    filters: dict[str, Any] = {"account_id": account_id}
    if key_public_id:
        filters["api_key__public_id"] = key_public_id
    if project_slug:
        filters["project__slug"] = project_slug
    if model:
        filters["model"] = model
    return rows.filter(**filters)


def _between(rollup: Any, period: str, since: date, until: date | None) -> QuerySet[Any]:
    rows: QuerySet[Any] = rollup.objects.filter(**{f"{period}__gte": since})
    return rows if until is None else rows.filter(**{f"{period}__lt": until})


def _whole(since: datetime, until: datetime | None) -> QuerySet[Any]:
    """The rows of whole days where the span is made of such, which are far fewer; else those of its hours."""
    ends = [moment.astimezone(UTC) for moment in (since, until) if moment is not None]
    if all(end.time() == time.min for end in ends):
        return _between(UsageDay, "day", since.astimezone(UTC).date(), until and until.astimezone(UTC).date())
    return _between(UsageHour, "hour", since, until)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def totals_of_account(
    *,
    account_id: int,
    since: datetime,
    until: datetime | None = None,
    key_public_id: str | None = None,
    project_slug: str | None = None,
    model: str | None = None,
) -> UsageTotals:
    """Sums of the account's hours that begin at `since` or later, and before `until`."""
    rows = _owned(_whole(since, until), account_id, key_public_id, project_slug, model)
    return _totals(rows.aggregate(**_SUMS))


def daily_series(
    *,
    account_id: int,
    since: date,
    until: date | None = None,
    group_by: GroupBy | None = None,
    key_public_id: str | None = None,
    project_slug: str | None = None,
    model: str | None = None,
) -> list[UsageBucket]:
    """Days with use, oldest first; days without are left out."""
    rows = _owned(_between(UsageDay, "day", since, until), account_id, key_public_id, project_slug, model)
    return _series(rows, "day", group_by)


def hourly_series(
    *,
    account_id: int,
    since: datetime,
    until: datetime | None = None,
    group_by: GroupBy | None = None,
    key_public_id: str | None = None,
    project_slug: str | None = None,
    model: str | None = None,
) -> list[UsageBucket]:
    """Hours with use, oldest first; hours without are left out."""
    rows = _owned(_between(UsageHour, "hour", since, until), account_id, key_public_id, project_slug, model)
    return _series(rows, "hour", group_by)


def _series(rows: QuerySet[Any], period: str, group_by: GroupBy | None) -> list[UsageBucket]:
    label, identifier = _GROUPS[group_by] if group_by else ("", "")
    columns = [name for name in dict.fromkeys((period, label, identifier)) if name]
    return [
        UsageBucket(
            start=row[period], label=row.get(label, ""), identifier=row.get(identifier, ""), totals=_totals(row)
        )
        for row in rows.order_by(*columns).values(*columns).annotate(**_SUMS)
    ]


def shares(
    *,
    account_id: int,
    since: datetime,
    group_by: GroupBy,
    key_public_id: str | None = None,
    project_slug: str | None = None,
    model: str | None = None,
) -> list[UsageShare]:
    """Who used what, the dearest first."""
    label, identifier = _GROUPS[group_by]
    rows = _owned(_whole(since, None), account_id, key_public_id, project_slug, model)
    return [
        UsageShare(label=row[label], identifier=row[identifier], totals=_totals(row))
        for row in rows.values(*{label, identifier}).annotate(**_SUMS).order_by("-cost", identifier)
    ]


def shares_of_end_users(
    *, account_id: int, since: date, until: date | None = None, model: str | None = None, limit: int = 100
) -> list[UsageShare]:
    """By whom the account's applications asked for, the dearest first: days from `since` on, and before `until`.

    What nobody was named for is not among them. Of a day that had more than `MOST_END_USERS` of them, those who came
    last are together in one share, whose identifier is empty.
    """
    rows = _owned(_between(UsageEndUserDay, "day", since, until), account_id, None, None, model)
    found = rows.values("end_user").annotate(**_SUMS).order_by("-cost", "end_user")[:limit]
    return [
        UsageShare(label=row["end_user"] or OTHERS, identifier=row["end_user"], totals=_totals(row)) for row in found
    ]


def daily_series_of_end_users(
    *, account_id: int, since: date, model: str | None = None, most: int = 100
) -> list[UsageBucket]:
    """Days with use that an end user was named for, oldest first: of those who cost most, and of the others in one."""
    dearest = shares_of_end_users(account_id=account_id, since=since, model=model, limit=most)
    named = [share.identifier for share in dearest if share.identifier]
    rows = _owned(_between(UsageEndUserDay, "day", since, None), account_id, None, None, model)
    rows = rows.annotate(who=Case(When(end_user__in=named, then=F("end_user")), default=Value("")))
    return [
        UsageBucket(start=row["day"], label=row["who"] or OTHERS, identifier=row["who"], totals=_totals(row))
        for row in rows.order_by("day", "who").values("day", "who").annotate(**_SUMS)
    ]


def recent_requests(
    *,
    account_id: int,
    limit: int = 50,
    since: datetime | None = None,
    before: datetime | None = None,
    key_public_id: str | None = None,
    project_slug: str | None = None,
    model: str | None = None,
) -> list[RequestRow]:
    """The newest requests first; `before` pages back through time."""
    owned = (account_id, key_public_id, project_slug, model)
    rows = _owned(UsageEvent.objects.all(), *owned)
    if model and (key_public_id or project_slug):
        # Of a model that a busy key hardly asks for no index tells where they are; the sums by day do, roughly.
        used = _owned(UsageDay.objects.all(), *owned).aggregate(first=Min("day"), last=Max("day"))
        if used["first"] is None:
            return []
        end = _midnight(used["last"]) + timedelta(days=1)
        rows = rows.filter(started_at__gte=_midnight(used["first"]), started_at__lt=end)
    if since:
        rows = rows.filter(started_at__gte=since)
    if before:
        rows = rows.filter(started_at__lt=before)
    return [_request_row(event) for event in rows.select_related("api_key", "project")[:limit]]


def request_of_account(*, account_id: int, request_id: str) -> RequestRow:
    """Raises NotFound for what the account never asked; a request is recorded seconds after it has ended."""
    rows = UsageEvent.objects.filter(account_id=account_id, request_id=request_id)
    event = rows.select_related("api_key", "project").first()
    if event is None:
        raise NotFound("There is no such request in this account.")
    return _request_row(event)


def requests_page(
    *,
    account_id: int,
    limit: int,
    after: tuple[datetime, str] | None = None,
    key_public_id: str | None = None,
    project_slug: str | None = None,
    model: str | None = None,
) -> list[RequestRow]:
    """The newest requests first, from behind the one (its start and id) that a page before this one ended with."""
    rows = _owned(UsageEvent.objects.all(), account_id, key_public_id, project_slug, model)
    if after:
        started_at, request_id = after
        rows = rows.filter(started_at__lte=started_at).exclude(started_at=started_at, request_id__gte=request_id)
    ordered = rows.select_related("api_key", "project").order_by("-started_at", "-request_id")
    return [_request_row(event) for event in ordered[:limit]]


def _request_row(event: UsageEvent) -> RequestRow:
    return RequestRow(
        request_id=event.request_id,
        started_at=event.started_at,
        key_name=event.api_key.name,
        key_public_id=event.api_key.public_id,
        project_name=event.project.name,
        model=event.model,
        deployment=event.deployment,
        endpoint=event.endpoint,
        outcome=event.outcome,
        error_code=event.error_code,
        streamed=event.streamed,
        input_tokens=event.input_tokens,
        cached_input_tokens=event.cached_input_tokens,
        output_tokens=event.output_tokens,
        reasoning_tokens=event.reasoning_tokens,
        searches=event.searches,
        estimated=event.estimated,
        service_tier=event.service_tier,
        cost=event.cost,
        duration_ms=event.duration_ms,
        first_token_ms=event.first_token_ms,
    )


def event_totals(
    *, key_id: int | None = None, account_id: int | None = None, since: datetime | None = None
) -> UsageTotals:
    """Sums of the events themselves, to the moment, for staff and commands: of all accounts where none is named."""
    wanted = {"api_key_id": key_id, "account_id": account_id, "started_at__gte": since}
    events = UsageEvent.objects.filter(**{name: value for name, value in wanted.items() if value is not None})
    return _totals(events.aggregate(**_SUMS_OF_EVENTS))


def requests_by_prefix(*, account_id: int, prefix: str) -> list[tuple[str, str]]:
    """(id, outcome) of an account's requests whose ids begin so."""
    events = UsageEvent.objects.filter(request_id__startswith=prefix, account_id=account_id)
    return list(events.values_list("request_id", "outcome"))


def totals_with_errands(*, account_id: int, request_id: str) -> UsageTotals | None:
    """Of an account's request and of those that were made for it before, whose ids are its own and `_` more; None
    until it is recorded itself."""
    own = Q(request_id=request_id) | Q(request_id__startswith=f"{request_id}_")
    events = UsageEvent.objects.filter(own, account_id=account_id)
    if not events.filter(request_id=request_id).exists():
        return None
    return _totals(events.aggregate(**_SUMS_OF_EVENTS))


def recorded_requests(*, request_ids: Collection[str]) -> set[str]:
    """Those of these requests that are recorded."""
    found = UsageRequest.objects.filter(pk__in=request_ids).values_list("pk", flat=True)
    return set(found) if request_ids else set()


def spend_since(
    *,
    since: date | None,
    scope: Literal["api_key", "project", "account"],
    identifier: int,
    until: date | None = None,
) -> int:
    """Nano-dollars spent by one key, project or account since a day, or ever, and before `until`.

    What a lost counter is rebuilt from.
    """
    rows = UsageDay.objects.filter(**{f"{scope}_id": identifier})
    if since is not None:
        rows = rows.filter(day__gte=since)
    if until is not None:
        rows = rows.filter(day__lt=until)
    return rows.aggregate(total=Sum("cost"))["total"] or 0


def spend_of_many(
    *, since: date | None, scope: Literal["api_key", "project", "account"], identifiers: Collection[int]
) -> dict[int, int]:
    """As `spend_since`, of many keys, projects or accounts in one query; what spent nothing is left out."""
    if not identifiers:
        return {}
    rows = UsageDay.objects.filter(**{f"{scope}_id__in": identifiers})
    if since is not None:
        rows = rows.filter(day__gte=since)
    return dict(rows.order_by().values_list(f"{scope}_id").annotate(total=Sum("cost")))


def use_of_deployments(*, since: datetime, until: datetime) -> list[DeploymentUse]:
    """Of all accounts, by where it was answered, the dearest first; for the staff. Reads the events of that time."""
    names = ("input_tokens", "cached_input_tokens", "output_tokens", "cost")
    rows: QuerySet[Any] = (
        UsageEvent.objects.filter(started_at__gte=since, started_at__lt=until)
        .exclude(deployment="")
        .order_by()
        .values("deployment")
        .annotate(requests=Count("pk"), **{f"sum_{name}": Sum(name) for name in names})
    )
    found = [
        DeploymentUse(
            deployment=row["deployment"],
            requests=row["requests"],
            **{name: row[f"sum_{name}"] or 0 for name in names},
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (-one.cost, one.deployment))


def unrecorded_events() -> tuple[UnrecordedEvents, UnrecordedEvents]:
    """Events that wait for a worker, and events that no worker could record. Raises RedisError."""
    return _in_stream(STREAM), _in_stream(DEAD_STREAM)


def _in_stream(name: str) -> UnrecordedEvents:
    number = cost = 0
    after = "-"
    while found := cast("list[tuple[bytes, dict[bytes, bytes]]]", sync_redis().xrange(name, after, count=PAGE)):
        number += len(found)
        cost += sum(_cost_of(fields.get(b"event", b"")) for _, fields in found)
        after = f"({found[-1][0].decode()}"
    return UnrecordedEvents(number=number, cost=cost)


def _cost_of(event: bytes) -> int:
    """Nothing where it is no event at all."""
    try:
        return int(json.loads(event)["cost"])
    except (ValueError, TypeError, KeyError):
        return 0


def accounts_with_unposted(*, before: datetime) -> list[int]:
    """The accounts of whose use in the hours before this one the ledger lacks something."""
    rows = UsageCharge.objects.filter(~Q(cost=F("posted")), hour__lt=before)
    return list(rows.order_by("account_id").values_list("account_id", flat=True).distinct())


def all_unposted() -> tuple[int, datetime | None]:
    """Of all accounts: nano-dollars of recorded use that the ledger lacks, and the oldest hour of such use."""
    rows = UsageCharge.objects.filter(~Q(cost=F("posted")))
    found = rows.aggregate(cost=Sum(F("cost") - F("posted")), since=Min("hour"))
    return found["cost"] or 0, found["since"]


def unposted_cost(*, account_id: int) -> int:
    """Nano-dollars of recorded use that the ledger lacks, the current hour's included."""
    rows = UsageCharge.objects.filter(~Q(cost=F("posted")), account_id=account_id)
    return rows.aggregate(total=Sum(F("cost") - F("posted")))["total"] or 0
