"""The stages of a batch, each of them one transaction: begun, each line answered, ended."""

from collections import Counter
from collections.abc import Iterator
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
from apps.files.services import keep_output
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
    """Ends a batch that was cancelled, has expired or has all its answers; else it changes nothing."""
    now = timezone.now()
    mine = Batch.objects.filter(pk=batch.pk)
    if LineResult.objects.filter(batch=batch).count() >= batch.total:
        mine.filter(status=Status.IN_PROGRESS).update(status=Status.FINALIZING, finalizing_at=now)
    with transaction.atomic():
        row = Batch.objects.select_for_update(of=("self",)).select_related("input_file").get(pk=batch.pk)
        if row.status == Status.CANCELLING:
            _end(row, Status.CANCELLED, now, unanswered=CANCELLED)
        elif row.status == Status.FINALIZING:
            _end(row, Status.COMPLETED, now)
        elif row.status == Status.IN_PROGRESS and row.expires_at <= now:
            _end(row, Status.EXPIRED, now, unanswered=EXPIRED)


def _end(row: Batch, status: Status, now: datetime, unanswered: tuple[str, str] | None = None) -> None:
    """Writes the files and forgets the single answers."""
    if unanswered and row.total:
        _fill(row, unanswered)
    results = LineResult.objects.filter(batch=row)
    row.completed, row.failed = results.filter(failed=False).count(), results.filter(failed=True).count()
    row.output_file_id = _kept(row, failed=False) if row.completed else None
    row.error_file_id = _kept(row, failed=True) if row.failed else None
    row.status = status
    setattr(row, END[status], now)
    row.save()
    results.delete()


def _fill(row: Batch, reason: tuple[str, str]) -> None:
    """An entry for each line that was never answered."""
    answered = answered_lines(row)
    missing: list[LineResult] = []
    try:
        for task in tasks_of_file(file_of(row), row.endpoint):
            if task.number not in answered:
                entry = unanswered_entry(row, task, reason)
                missing.append(LineResult(batch=row, line=task.number, failed=True, entry=entry))
    except (BadLineError, NotFound, DamagedError):
        pass  # its file is gone: what was answered is all there is
    LineResult.objects.bulk_create(missing, batch_size=1000)


def _kept(row: Batch, *, failed: bool) -> int:
    name = f"{row.public_id}_{'error' if failed else 'output'}.jsonl"
    return keep_output(
        account_id=row.account_id,
        project_id=row.project_id,
        name=name,
        content=_entries(row, failed=failed),
        lifetime=row.output_lifetime,
    ).id


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
