"""Reads kept responses. Each is asked for by account and project: what is not theirs is not there."""

from collections.abc import Collection
from typing import Any, Literal

import msgspec
from django.db import connection
from django.utils import timezone

from apps.common.errors import Invalid, NotFound
from apps.responses.contracts import Item, ItemPage, Past
from apps.responses.models import KEPT, BackgroundRun, StoredResponse

ANSWERED = ("completed", "incomplete")
MOST_TURNS = 256
MOST_BYTES = 10 * 1024 * 1024
_decode_items = msgspec.json.Decoder(list[Item]).decode
_CHAIN = """
    WITH RECURSIVE chain AS (
        SELECT id, previous_id, size, 1 AS turn FROM responses_storedresponse
        WHERE public_id = %(id)s AND account_id = %(account)s AND project_id = %(project)s AND created_at > %(since)s
        UNION ALL
        SELECT earlier.id, earlier.previous_id, earlier.size, turn + 1
        FROM responses_storedresponse AS earlier JOIN chain ON earlier.public_id = chain.previous_id
        WHERE account_id = %(account)s AND project_id = %(project)s AND created_at > %(since)s AND turn <= %(most)s
    )
    SELECT id, previous_id, size FROM chain ORDER BY turn
"""
_NEXT = """
    SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY account_id ORDER BY id <> ALL (%(running)s), id) AS place
        FROM responses_backgroundrun WHERE ready_at IS NULL OR ready_at <= %(now)s
    ) AS ready WHERE place <= %(most_of_account)s ORDER BY place, id LIMIT %(most)s
"""


class _Kept(msgspec.Struct):
    """What is read of a response object."""

    output: list[Item]
    status: str = "completed"
    background: bool = False


_decode_kept = msgspec.json.Decoder(_Kept).decode


def response_of(*, account_id: int, project_id: int, public_id: str) -> bytes:
    """The response object as JSON. Raises NotFound."""
    return _row(account_id, project_id, public_id, "body").body.encode()


def input_items_of(
    *,
    account_id: int,
    project_id: int,
    public_id: str,
    limit: int,
    order: Literal["asc", "desc"] = "desc",
    after: str = "",
) -> ItemPage:
    """What was asked of a response, from behind the item `after`. Raises NotFound, and Invalid for no such item."""
    items = _decode_items(_row(account_id, project_id, public_id, "items").items)
    if order == "desc":
        items.reverse()
    if after:
        place = next((place for place, item in enumerate(items, start=1) if item["id"] == after), None)
        if place is None:
            raise Invalid("after", f"This response has no input item {after[:100]!r}.")
        items = items[place:]
    return ItemPage(items=items[:limit], has_more=len(items) > limit)


def past_of(*, account_id: int, project_id: int, public_id: str) -> Past:
    """All items of the conversation that a response ends, the first one first. Raises Invalid."""
    wanted: dict[str, Any] = {"id": public_id, "account": account_id, "project": project_id}
    with connection.cursor() as cursor:
        cursor.execute(_CHAIN, wanted | {"since": timezone.now() - KEPT, "most": MOST_TURNS})
        turns = cursor.fetchall()
    if not turns:
        raise _no_such(public_id)
    size = sum(turn[2] for turn in turns)
    if len(turns) > MOST_TURNS or size > MOST_BYTES:
        raise Invalid(
            "previous_response_id",
            f"The conversation is longer than can be continued ({MOST_TURNS} responses, or {MOST_BYTES >> 20} MB); "
            "begin a new one with a summary of this one as its input.",
            code="conversation_too_long",
        )
    if missing := turns[-1][1]:
        raise _no_such(missing)
    rows = StoredResponse.objects.in_bulk([turn[0] for turn in turns])
    items: list[Item] = []
    for turn in reversed(turns):
        if turn[0] not in rows:  # deleted this very moment
            raise _no_such(public_id)
        row = rows[turn[0]]
        kept = _decode_kept(row.body)
        if kept.status not in ANSWERED:
            raise _not_answered(row.public_id, kept.status)
        items += [*_decode_items(row.items), *kept.output]
    return Past(items=items, size=size)


def is_in_background(body: bytes) -> bool:
    """Whether it is a response object of one that was made in the background."""
    return _decode_kept(body).background


def next_runs(*, running: Collection[int], most: int, most_of_account: int) -> list[int]:
    """Responses to be made in the background beside those that are, which stand among them: the oldest of each account
    first, so that nobody waits behind another's many."""
    wanted: dict[str, Any] = {"running": list(running), "most": most, "most_of_account": most_of_account}
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, wanted | {"now": timezone.now()})
        return [row[0] for row in cursor.fetchall()]


def unfinished_runs(*, among: Collection[int]) -> set[int]:
    """Those of these that are still wanted."""
    return set(BackgroundRun.objects.filter(pk__in=among).values_list("pk", flat=True))


def has_waiting_responses() -> bool:
    return BackgroundRun.objects.exclude(ready_at__gt=timezone.now()).exists()


def _not_answered(public_id: str, status: str) -> Invalid:
    wait = "wait until it has ended, or " if status in ("queued", "in_progress") else ""
    return Invalid(
        "previous_response_id",
        f"Previous response with id {public_id[:100]!r} is {status}, without an answer that could be continued: "
        f"{wait}continue the one before it.",
        code="previous_response_not_completed",
    )


def _no_such(public_id: str) -> Invalid:
    return Invalid(
        "previous_response_id",
        f"Previous response with id {public_id[:100]!r} not found: it was not stored, was deleted, or is too old.",
        code="previous_response_not_found",
    )


def _row(account_id: int, project_id: int, public_id: str, column: str) -> StoredResponse:
    """Only the column that is wanted: the other one may be megabytes."""
    row = StoredResponse.objects.of(account_id, project_id, public_id).only(column).first()
    if row is None:
        raise absent(public_id)
    return row


def absent(public_id: str) -> NotFound:
    return NotFound(f"Response with id {public_id[:100]!r} not found.", code="response_not_found")
