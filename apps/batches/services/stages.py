"""The stages of a batch: begun, each line answered, ended; each is one transaction."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.batches.models import Batch, LineResult, Status
from apps.batches.services.lines import (
    CANCELLED,
    EXPIRED,
    BadLineError,
    errors_of_file,
    tasks_of_file,
    unanswered_entry,
)
from apps.common.errors import NotFound
from apps.files.contracts import DamagedError, FileFacts
from apps.files.selectors import facts as file_facts
from apps.files.services import show_output, store_output
from apps.usage.selectors import requests_by_prefix
from apps.usage.services import drain_events

PAGE = 20  # results read at a time; embeddings are large
END = {Status.COMPLETED: "completed_at", Status.EXPIRED: "expired_at", Status.CANCELLED: "cancelled_at"}


def batch_row(batch_id: int) -> Batch:
    return Batch.objects.select_related("input_file").get(pk=batch_id)


def file_of(batch: Batch) -> FileFacts:
    """Also where it has expired meanwhile: what was begun is brought to its end."""
    return file_facts(batch.input_file)


def validate(batch: Batch) -> None:
    """Reads the whole file once; it is good, or the batch has failed with the reasons."""
    try:
        errors, total = errors_of_file(file_of(batch), batch.endpoint)
    except (NotFound, DamagedError) as error:
        errors, total = [{"code": error.code, "line": None, "message": error.message, "param": "input_file_id"}], 0
    now = timezone.now()
    values: dict[str, Any] = (
        {"status": Status.FAILED, "failed_at": now, "errors": errors}
        if errors
        else {"status": Status.IN_PROGRESS, "in_progress_at": now, "total": total}
    )
    Batch.objects.filter(pk=batch.pk, status=Status.VALIDATING).update(**values)  # not where it was cancelled


def answered_lines(batch: Batch) -> set[int]:
    return set(LineResult.objects.filter(batch=batch).values_list("line", flat=True))


@dataclass(frozen=True, slots=True)
class History:
    """What became of lines before this worker's time: tries, those cut off by the end of a task, lines charged for."""

    tries: dict[int, int]
    cut_off: Counter[int]
    charged: set[int]


def history(batch: Batch) -> History:
    drain_events()  # what a worker settled just before it died
    prefix = f"req_{batch.public_id}_"
    found = History({}, Counter(), set())
    for request_id, outcome in requests_by_prefix(account_id=batch.account_id, prefix=prefix):
        name, _, again = request_id.removeprefix(prefix).partition("_r")
        line = int(name)
        found.tries[line] = max(found.tries.get(line, 0), int(again or 0) + 1)
        if outcome == "completed":
            found.charged.add(line)
        elif outcome == "cancelled":
            found.cut_off[line] += 1
    return found


def record(batch: Batch, line: int, *, failed: bool, entry: bytes) -> None:
    """An answer that is there already stays."""
    LineResult.objects.bulk_create(
        [LineResult(batch=batch, line=line, failed=failed, entry=entry)], ignore_conflicts=True
    )


def finish(batch: Batch) -> None:
    """Ends a batch that was cancelled, has expired or has all its answers; else it changes nothing.

    Its files are stored first and shown with its end: what somebody ends meanwhile, or otherwise, is looked at anew.
    """
    now = timezone.now()
    mine = Batch.objects.filter(pk=batch.pk)
    if LineResult.objects.filter(batch=batch).count() >= batch.total:
        mine.filter(status=Status.IN_PROGRESS).update(status=Status.FINALIZING, finalizing_at=now)
    row = batch_row(batch.pk)
    ending = _ending_of(row, now)
    if ending is None:
        return
    answered = _counts(row)
    files, missing = _stored(row, ending, answered)
    with transaction.atomic():
        row = Batch.objects.select_for_update(of=("self",)).get(pk=batch.pk)
        if _ending_of(row, now) == ending and _counts(row) == answered:
            row.completed, row.failed = answered[False], answered[True] + missing
            _end(row, ending.status, now, files)


@dataclass(frozen=True, slots=True)
class Ending:
    status: Status
    reason: tuple[str, str] | None = None  # why lines have no answer


def _ending_of(row: Batch, now: datetime) -> Ending | None:
    if row.status == Status.CANCELLING:
        return Ending(Status.CANCELLED, CANCELLED)
    if row.status == Status.FINALIZING:
        return Ending(Status.COMPLETED)
    if row.status == Status.IN_PROGRESS and row.expires_at <= now:
        return Ending(Status.EXPIRED, EXPIRED)
    return None


def _counts(row: Batch) -> Counter[bool]:
    """Of answers: how many failed, and how many did not."""
    return Counter(LineResult.objects.filter(batch=row).values_list("failed", flat=True))


def _stored(row: Batch, ending: Ending, answered: Counter[bool]) -> tuple[dict[bool, FileFacts], int]:
    """The files, not shown yet, and how many lines stand in them that were never answered."""
    files, missing = {}, 0
    if answered[False]:
        files[False] = _kept(row, _entries(row, failed=False), failed=False)

    def errors() -> Iterator[bytes]:
        nonlocal missing
        yield from _entries(row, failed=True)
        if ending.reason:
            for entry in _unanswered(row, ending.reason):
                missing += 1
                yield entry

    if answered[True] or (ending.reason and row.total):
        files[True] = _kept(row, errors(), failed=True)
        if not files[True].size:
            del files[True]  # nobody sees it; it is swept
    return files, missing


def _end(row: Batch, status: Status, now: datetime, files: dict[bool, FileFacts]) -> None:
    """Shows the files and forgets the single answers."""
    for file in files.values():
        show_output(file=file)
    row.output_file_id = files[False].id if False in files else None
    row.error_file_id = files[True].id if True in files else None
    row.status = status
    setattr(row, END[status], now)
    row.save()
    LineResult.objects.filter(batch=row).delete()


def _unanswered(row: Batch, reason: tuple[str, str]) -> Iterator[bytes]:
    """An entry for each line that was never answered."""
    answered = answered_lines(row)
    try:
        for task in tasks_of_file(file_of(row), row.endpoint):
            if task.number not in answered:
                yield unanswered_entry(row, task, reason)
    except (BadLineError, NotFound, DamagedError):
        return  # its file is gone: what was answered is all there is


def _kept(row: Batch, content: Iterable[bytes], *, failed: bool) -> FileFacts:
    return store_output(
        account_id=row.account_id,
        project_id=row.project_id,
        name=f"{row.public_id}_{'error' if failed else 'output'}.jsonl",
        content=content,
        lifetime=row.output_lifetime,
    )


def _entries(row: Batch, *, failed: bool) -> Iterator[bytes]:
    last = 0
    while True:
        results = LineResult.objects.filter(batch=row, failed=failed, line__gt=last).order_by("line")
        page = list(results.values_list("line", "entry")[:PAGE])
        for line, entry in page:
            last = line
            yield bytes(entry)
        if len(page) < PAGE:
            return
