"""The room that an account's files have together."""

from django.conf import settings
from django.db import connection
from django.db.models import Sum

from apps.common.errors import Invalid
from apps.files.models import StoredFile

ONE_ACCOUNT = 0x66696C  # an advisory lock of PostgreSQL: of an account, what begins or ends does so one at a time


def one_at_a_time(account_id: int) -> None:
    """Until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [ONE_ACCOUNT, account_id])


def check_room(account_id: int, size: int) -> None:
    """Raises Invalid where less than `size` is left. What is being stored counts already; ask one at a time."""
    kept = StoredFile.objects.filter(account_id=account_id, deleted_at=None).aggregate(total=Sum("size"))["total"] or 0
    room = settings.GATEWAY_MAX_ACCOUNT_FILE_BYTES
    if kept + size > room:
        raise Invalid(
            "file",
            f"This account keeps {kept} bytes of files and may keep {room}; delete files that are not needed any more.",
            code="storage_limit_exceeded",
        )
