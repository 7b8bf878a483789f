"""What callers do with batches; the work itself begins when it is committed."""

from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.crypto import get_random_string

from apps.batches.contracts import ENDPOINTS, BatchFacts
from apps.batches.models import OPEN, Batch, Status
from apps.batches.selectors import facts, files_in_use, own_batch
from apps.common.errors import Invalid, LimitExceeded
from apps.common.queue import enqueue
from apps.files import services as files
from apps.files.selectors import file_of_project
from apps.keys.contracts import KeyFacts

WINDOW = timedelta(hours=24)
ONE_ACCOUNT = 0x626174  # an advisory lock of PostgreSQL: one new batch of an account at a time is counted
RUN = "batches.run"


@transaction.atomic
def create_batch(
    *,
    key: KeyFacts,
    address: str,
    input_file: str,
    endpoint: str,
    metadata: dict[str, str] | None = None,
    output_lifetime: timedelta | None = None,
) -> BatchFacts:
    """Raises NotFound for the file, Invalid for what cannot be, LimitExceeded where too many are open."""
    if endpoint not in ENDPOINTS:
        raise Invalid("endpoint", f"A batch is for one of {', '.join(ENDPOINTS)}.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [ONE_ACCOUNT, key.account_id])
    most = settings.GATEWAY_MAX_OPEN_BATCHES
    if Batch.objects.filter(account_id=key.account_id, status__in=OPEN).count() >= most:
        message = f"This account has {most} batches open, as many as it may; wait until one has ended."
        raise LimitExceeded(message, code="too_many_batches")
    file = file_of_project(account_id=key.account_id, project_id=key.project_id, public_id=input_file)
    if file.purpose != "batch":
        raise Invalid("input_file_id", "The file was not uploaded for a batch: its purpose must be 'batch'.")
    row = Batch.objects.create(
        public_id=f"batch_{get_random_string(24)}",
        account_id=key.account_id,
        project_id=key.project_id,
        api_key_id=key.key_id,
        address=address[:60],
        endpoint=endpoint,
        input_file_id=file.id,
        output_lifetime=output_lifetime,
        metadata=metadata,
        expires_at=timezone.now() + WINDOW,
    )
    transaction.on_commit(partial(enqueue, RUN))
    return facts(row)


@transaction.atomic
def cancel_batch(*, account_id: int, project_id: int, public_id: str) -> BatchFacts:
    """Keeps what was answered. Cancelling again changes nothing. Raises Invalid where the batch has ended."""
    rows = Batch.objects.select_for_update(of=("self",)).filter(account_id=account_id, project_id=project_id)
    row = own_batch(rows, public_id)
    if row.status in (Status.VALIDATING, Status.IN_PROGRESS):
        row.status, row.cancelling_at = Status.CANCELLING, timezone.now()
        row.save(update_fields=["status", "cancelling_at"])
        transaction.on_commit(partial(enqueue, RUN))
    elif row.status not in (Status.CANCELLING, Status.CANCELLED):
        message = f"This batch cannot be cancelled any more: it is {row.status}."
        raise Invalid(None, message, code="batch_not_cancellable", status=409)
    return facts(row)


@transaction.atomic
def delete_file(*, account_id: int, project_id: int, public_id: str) -> None:
    """Deletes a file, unless an open batch still reads it. Raises NotFound or Invalid."""
    file = file_of_project(account_id=account_id, project_id=project_id, public_id=public_id)
    if file.id in files_in_use():
        raise Invalid(None, "A batch still reads this file; cancel it first.", code="file_in_use", status=409)
    files.delete_file(account_id=account_id, project_id=project_id, public_id=public_id)


def sweep_files() -> int:
    """Removes files whose time is over; how many there were."""
    return files.delete_expired_files(in_use=files_in_use())
