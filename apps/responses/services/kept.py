"""Deletes responses: when their caller wants it, when they are too old, and when there are too many."""

from django.conf import settings
from django.db import connection
from django.db.models import Count, Q, Sum

from apps.responses.models import StoredResponse
from apps.responses.selectors import absent

DELETED_AT_ONCE = 500
_BEYOND = """
    WITH beyond AS (
        SELECT id FROM (
            SELECT id, row_number() OVER newest AS number, sum(size) OVER newest AS bytes
            FROM responses_storedresponse WHERE account_id = %s WINDOW newest AS (ORDER BY id DESC)
        ) AS kept WHERE number > %s OR bytes > %s ORDER BY id LIMIT %s
    ), unfinished AS (
        DELETE FROM responses_backgroundrun WHERE response_id IN (SELECT id FROM beyond)
    )
    DELETE FROM responses_storedresponse WHERE id IN (SELECT id FROM beyond)
"""


def delete_response(*, account_id: int, project_id: int, public_id: str) -> None:
    """One that runs is stopped. Raises NotFound."""
    deleted, _ = StoredResponse.objects.of(account_id, project_id, public_id).delete()
    if not deleted:
        raise absent(public_id)


def delete_expired() -> int:
    """Deletes what is too old to be kept; how many there were. In parts, so that no lock is held for long."""
    deleted = 0
    while oldest := list(StoredResponse.objects.expired().values_list("pk", flat=True)[:DELETED_AT_ONCE]):
        _, counts = StoredResponse.objects.filter(pk__in=oldest).delete()
        deleted += counts.get(StoredResponse._meta.label, 0)
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
