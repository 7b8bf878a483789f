"""Answers with responses that are ours to keep, to continue and to delete."""

from dataclasses import replace
from typing import NoReturn

import msgspec
from django.conf import settings
from django.db import connection
from django.db.models import Count, Q, Sum

from apps.common.database import in_thread
from apps.common.errors import Invalid
from apps.gateway import services as gateway
from apps.gateway.contracts import Answer, Call
from apps.responses.contracts import Asked, Past
from apps.responses.draft import Draft
from apps.responses.items import as_items, conversation
from apps.responses.keeping import Keeper, KeptStream
from apps.responses.models import StoredResponse
from apps.responses.selectors import absent, past_of, response_of

DELETED_AT_ONCE = 500
_BEYOND = """
    DELETE FROM responses_storedresponse WHERE id IN (
        SELECT id FROM (
            SELECT id, row_number() OVER newest AS number, sum(size) OVER newest AS bytes
            FROM responses_storedresponse WHERE account_id = %s WINDOW newest AS (ORDER BY id DESC)
        ) AS kept WHERE number > %s OR bytes > %s ORDER BY id LIMIT %s
    )
"""
_encode = msgspec.json.Encoder().encode


async def respond(call: Call, asked: Asked) -> Answer:
    """Answers one call, its conversation included. Raises ArtemisError before anything was sent.

    An engine is told the whole conversation and keeps nothing of it: replicas do not know each other's.
    """
    past = await _past(call, asked)
    items = as_items(asked.given)
    keeper = Keeper(call, Draft(call.model.public_name, asked), items)
    given = asked.given if isinstance(asked.given, str) and not past.items else conversation(past.items, items)
    payload = {**call.payload, "input": given, "store": False}
    answer = await gateway.complete(replace(call, payload=payload, prompt_bytes=call.prompt_bytes + past.size))
    if answer.stream is not None:
        return replace(answer, stream=KeptStream(answer.stream, keeper))
    return replace(answer, body=_encode(await keeper.finished(answer.body)))


async def _past(call: Call, asked: Asked) -> Past:
    if not asked.previous_response_id:
        return Past(items=[], size=0)
    key, public_id = call.key, asked.previous_response_id
    return await in_thread(lambda: past_of(account_id=key.account_id, project_id=key.project_id, public_id=public_id))


def delete_response(*, account_id: int, project_id: int, public_id: str) -> None:
    """Raises NotFound."""
    deleted, _ = StoredResponse.objects.of(account_id, project_id, public_id).delete()
    if not deleted:
        raise absent(public_id)


def cancel_response(*, account_id: int, project_id: int, public_id: str) -> NoReturn:
    """Raises NotFound, or Invalid: what is kept has ended, for nothing runs in the background."""
    response_of(account_id=account_id, project_id=project_id, public_id=public_id)
    raise Invalid(None, "Only responses with background: true can be cancelled.", code="invalid_request")


def delete_expired() -> int:
    """Deletes what is too old to be kept; how many there were. In parts, so that no lock is held for long."""
    deleted = 0
    while oldest := list(StoredResponse.objects.expired().values_list("pk", flat=True)[:DELETED_AT_ONCE]):
        count, _ = StoredResponse.objects.filter(pk__in=oldest).delete()
        deleted += count
    return deleted


def make_room() -> int:
    """Deletes the oldest responses of accounts that keep more, or larger ones, than they may; how many there were.

    Nobody is refused an answer because an earlier one is kept: callers take it for granted that a response is stored,
    and few ever read an old one again.
    """
    most, most_bytes = settings.RESPONSES_MOST_KEPT, settings.RESPONSES_MOST_KEPT_BYTES
    kept = StoredResponse.objects.order_by().values("account").annotate(number=Count("pk"), bytes=Sum("size"))
    full = kept.filter(Q(number__gt=most) | Q(bytes__gt=most_bytes)).values_list("account", flat=True)
    return sum(_make_room_of(account_id, most, most_bytes) for account_id in full)


def _make_room_of(account_id: int, most: int, most_bytes: int) -> int:
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_BEYOND, [account_id, most, most_bytes, DELETED_AT_ONCE])
            part: int = cursor.rowcount
        deleted += part
        if part < DELETED_AT_ONCE:
            return deleted
