"""Removes files: first the row is marked, then, once that is committed, the content goes from the storage.

A content that several files of an account have goes with the last of them. No row is marked before its content can be
named by it, and none forgets the content's name before it is gone: so whatever a process leaves behind when it dies is
found in the rows.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.utils import timezone

from apps.common.errors import NotFound, Unavailable
from apps.common.queue import enqueue
from apps.files.models import FileChunk, StoredFile
from apps.files.selectors import named
from apps.files.services.room import one_at_a_time
from apps.files.storage import contents

REMOVE = "files.remove_contents"
LONGEST_STORING = timedelta(hours=1)  # whoever began to store so long ago has died of it
MOST_AT_ONCE = 1000
logger = logging.getLogger(__name__)


@transaction.atomic
def delete_file(*, account_id: int, project_id: int, public_id: str) -> None:
    """Raises NotFound."""
    rows = StoredFile.objects.select_for_update().filter(account_id=account_id, project_id=project_id)
    row = named(rows.filter(deleted_at=None, is_pending=False), public_id)
    if row is None:
        raise NotFound(f"There is no file {public_id[:100]!r}.", code="file_not_found")
    mark_deleted(row)


def delete_expired_files(*, in_use: Iterable[int] = ()) -> int:
    """Removes files whose time is over, but those that are still read; how many there were."""
    expired = StoredFile.objects.filter(expires_at__lte=timezone.now(), deleted_at=None).exclude(pk__in=list(in_use))
    count = 0
    for row in expired.iterator(chunk_size=100):
        with transaction.atomic():
            mark_deleted(row)
        count += 1
    return count


def mark_deleted(row: StoredFile) -> None:
    """Within a transaction."""
    FileChunk.objects.filter(file=row).delete()
    StoredFile.objects.filter(pk=row.pk).update(deleted_at=timezone.now())
    if row.sha256:
        transaction.on_commit(partial(enqueue, REMOVE))


def remove_contents() -> int:
    """Removes from the storage what deleted files alone have, and what nobody finished storing; how much there was."""
    forgotten = StoredFile.objects.filter(
        is_pending=True, deleted_at=None, created_at__lt=timezone.now() - LONGEST_STORING
    )
    for row in forgotten:
        with transaction.atomic():
            mark_deleted(row)
    left = StoredFile.objects.exclude(sha256="").exclude(deleted_at=None).order_by("account_id", "sha256")
    count = 0
    for account_id, sha256 in left.values_list("account_id", "sha256").distinct()[:MOST_AT_ONCE]:
        try:
            count += _remove(account_id, sha256)
        except Unavailable:
            logger.warning("the storage of files is away; what is deleted is removed later")
            break
    return count


@transaction.atomic
def _remove(account_id: int, sha256: str) -> bool:
    """Whether it was removed: not where another file has it. Nobody begins to store it meanwhile."""
    one_at_a_time(account_id)
    those = StoredFile.objects.filter(account_id=account_id, sha256=sha256)
    deleted = list(those.exclude(deleted_at=None).values_list("pk", flat=True))  # before the look at those that are not
    is_wanted = those.filter(deleted_at=None).exists()
    if not is_wanted:
        contents.remove(account_id=account_id, sha256=sha256)
    rows = StoredFile.objects.filter(pk__in=deleted)
    rows.filter(is_pending=True).delete()  # nobody ever saw them
    rows.update(sha256="")
    return not is_wanted
