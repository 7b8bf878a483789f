"""The stages of a response in the background, each of them one transaction: begun, put back, ended."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.common.errors import ArtemisError, Invalid, LimitExceeded
from apps.keys.selectors import current_secret_hash
from apps.responses.contracts import Errand
from apps.responses.draft import with_fields
from apps.responses.models import BackgroundRun, StoredResponse
from apps.usage.selectors import requests_by_prefix
from apps.usage.services import drain_events
from inference.client import TimeLimits

LONGEST = timedelta(hours=24)  # that a response may wait; what is not made by then never is
MOST_CUT_OFF = 4  # tries that ended with their worker, or because they took longer than a worker works
MOST_FAILURES = 8  # tries that no engine could answer; limits may make it wait for as long as it may
PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds: after the first refusal by a limit, and at most
ENGINES_AWAY, NO_BUDGET, TOO_SLOW = "model_unavailable", "insufficient_quota", "timeout"
CUT_OFF = ArtemisError("Each worker that made this response was stopped before it had ended. Send the request again.")
TOO_LATE = ArtemisError("Nobody could make this response within a day. Send the request again.")


def begin(run_id: int) -> Errand | None:
    """What is to be asked; nothing where nobody wants it any more, or it has failed for good."""
    run = BackgroundRun.objects.filter(pk=run_id).select_related("response").first()
    if run is None:
        return None
    number, prepaid = _history(run)
    with transaction.atomic():
        run = _locked(run_id)
        if run is None:
            return None
        if run.begun - run.refused >= MOST_CUT_OFF:
            _fail(run, CUT_OFF)
            return None
        if run.response.created_at < timezone.now() - LONGEST:
            _fail(run, TOO_LATE)
            return None
        run.begun += 1
        run.save(update_fields=["begun"])
        _tell(run, status="in_progress")
    response = run.response
    return Errand(
        response_id=response.public_id,
        created_at=int(response.created_at.timestamp()),
        request_id=f"{response.request_id}_r{number}" if number else response.request_id,
        request=run.request.encode(),
        secret_hash=current_secret_hash(key_id=run.api_key_id),
        address=run.address,
        end_user=run.end_user,
        limits=TimeLimits(**run.limits),
        prepaid=prepaid,
    )


def _history(run: BackgroundRun) -> tuple[int, bool]:
    """The number of the next try, and whether an earlier one was charged. A try whose worker died may have been
    settled: if it was not, the next one is settled under the same id, so that one of both counts."""
    if run.begun == run.refused:
        return run.refused, False
    drain_events()  # what a worker settled just before it died
    first = run.response.request_id
    tries = requests_by_prefix(account_id=run.account_id, prefix=first)
    numbers = [int(request_id.removeprefix(first).removeprefix("_r") or 0) for request_id, _ in tries]
    return max([run.refused, *(number + 1 for number in numbers)]), any(outcome == "completed" for _, outcome in tries)


def finish(run_id: int, body: bytes) -> None:
    """Keeps the response, unless nobody wants it any more."""
    with transaction.atomic():
        run = _locked(run_id)
        if run is not None:
            _end(run, body)


def refuse(run_id: int, error: ArtemisError) -> None:
    """Puts it back where it makes sense to ask again; else it has failed."""
    with transaction.atomic():
        run = _locked(run_id)
        if run is None:
            return
        run.refused += 1
        run.failed += error.code == ENGINES_AWAY
        pause = _pause(run, error)
        if pause is None:
            _fail(run, error)
            return
        run.ready_at = timezone.now() + timedelta(seconds=pause)
        run.save(update_fields=["refused", "failed", "ready_at"])
        _tell(run, status="queued")


def _pause(run: BackgroundRun, error: ArtemisError) -> float | None:
    """Seconds to wait before it is asked again; None where that makes no sense."""
    if error.code == NO_BUDGET:  # what others of this account hold of it may come back
        others = BackgroundRun.objects.filter(account_id=run.account_id).exclude(pk=run.pk)
        return 1.0 if any(other.begun > other.refused for other in others.only("begun", "refused")) else None
    if error.retry_after is None or error.code == TOO_SLOW or run.failed >= MOST_FAILURES:
        return None
    slower = 2.0**run.failed if error.code == ENGINES_AWAY else min(10 * PAUSE, PAUSE * run.refused)
    return min(LONGEST_PAUSE, max(error.retry_after, slower))


def _locked(run_id: int) -> BackgroundRun | None:
    rows = BackgroundRun.objects.select_for_update(of=("self",)).select_related("response")
    return rows.filter(pk=run_id).first()


def _tell(run: BackgroundRun, **fields: Any) -> None:
    body = with_fields(run.response.body.encode(), **fields)
    StoredResponse.objects.filter(pk=run.response_id).update(body=body.decode())


def _fail(run: BackgroundRun, error: ArtemisError) -> None:
    body = run.response.body.encode()
    _end(run, with_fields(body, status="failed", error=_error(error)))


def _end(run: BackgroundRun, body: bytes) -> None:
    """The request is not kept any longer than it is needed."""
    size = len(body) + len(run.response.items.encode())
    StoredResponse.objects.filter(pk=run.response_id).update(body=body.decode(), size=size)
    run.delete()


def _error(error: ArtemisError) -> dict[str, Any]:
    """OpenAI has few codes here, which its clients know by name; ours stands beside them."""
    code = "server_error"
    if isinstance(error, LimitExceeded):
        code = "rate_limit_exceeded"
    elif isinstance(error, Invalid):
        code = "invalid_prompt"
    return {"code": code, "message": error.message, "details": {"error_code": error.code, "param": error.param}}
