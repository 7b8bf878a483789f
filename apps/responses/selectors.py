"""Reads kept responses. Each is asked for by account and project: what is not theirs is not there."""

from typing import Any, Literal

import msgspec
from django.db import connection
from django.utils import timezone

from apps.common.errors import Invalid, NotFound
from apps.responses.contracts import Item, ItemPage, Past
from apps.responses.models import KEPT, StoredResponse

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


class _Output(msgspec.Struct):
    output: list[Item]


_decode_output = msgspec.json.Decoder(_Output).decode


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
        items += [*_decode_items(row.items), *_decode_output(row.body).output]
    return Past(items=items, size=size)


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
