"""Who has a document in hand: taken by compare-and-set, for seconds at a time, given back with a reason."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from django.conf import settings
from django.db.models import F, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from apps.knowledge.models import Claimable, Status, StoreFile

LEASE = timedelta(seconds=20)
MOST_CLAIMS = 4  # of workers that said nothing more: the document ends whoever reads it
MOST_TRIES = 6
LONGEST = timedelta(hours=24)  # without anything done, to being given up
ENDED_WORKERS = "Reading this document has ended the worker that did it, several times."


class LostError(Exception):
    """Somebody else has the document in hand, or nobody wants it any more."""


class Held(Protocol):
    """What a worker has in hand: a row with a claim, a status, tries and reasons, as StoreFile has them."""

    def rows(self) -> QuerySet[Any]:
        """The one row, while the claim holds."""


Row = TypeVar("Row", bound=Claimable)
Claimed = TypeVar("Claimed", bound=Held)


@dataclass(frozen=True, slots=True)
class Claim:
    document_id: int
    account_id: int
    token: str

    def rows(self) -> QuerySet[StoreFile]:
        """The one row, while the claim holds."""
        return _open_rows().filter(pk=self.document_id, claim=self.token)


def waiting(*, running: Collection[int], most: int) -> list[int]:
    """Documents to begin."""
    return oldest_of(_open_rows(), running=running, most=most)


def unwanted(running: Collection[int]) -> set[int]:
    """Of those in hand, the ones that were cancelled or deleted meanwhile."""
    return without(_open_rows(), running)


def take(document_id: int) -> tuple[Claim, StoreFile] | None:
    """None where another worker was quicker, or where there is nothing more to do."""
    rows = _open_rows().select_related("file", "store")
    return taken(rows, document_id, lambda row, token: Claim(row.pk, row.account_id, token), ended=ENDED_WORKERS)


def _open_rows() -> QuerySet[StoreFile]:
    return StoreFile.objects.filter(status=Status.IN_PROGRESS, deleted_at=None)


# Of all that is claimed so.


def oldest_of(rows: QuerySet[Row], *, running: Collection[int], most: int) -> list[int]:
    """Of these rows, those to begin: the oldest of each account first, so many of an account at once."""
    now = timezone.now()
    due = rows.filter(Q(next_try_at=None) | Q(next_try_at__lte=now))
    placed = due.annotate(place=Window(RowNumber(), partition_by=F("account_id"), order_by=F("pk").asc()))
    free = placed.filter(place__lte=settings.KNOWLEDGE_PARALLEL).order_by("place", "pk")
    found = free.values_list("pk", "claimed_until")[:most]
    return [pk for pk, until in found if pk not in running and (until is None or until <= now)]


def without(rows: QuerySet[Row], running: Collection[int]) -> set[int]:
    """Of those in hand, the ones that are none of these rows any more."""
    return set(running) - set(rows.filter(pk__in=running).values_list("pk", flat=True))


def taken(
    rows: QuerySet[Row], number: int, claim_of: Callable[[Row, str], Claimed], *, ended: str
) -> tuple[Claimed, Row] | None:
    """One of these rows, with its claim. None where another worker was quicker, or where there is nothing more to do.
    `ended`: what is told where it has ended MOST_CLAIMS workers."""
    now, token = timezone.now(), uuid4().hex
    free = rows.filter(Q(claimed_until=None) | Q(claimed_until__lte=now), pk=number)
    if not free.update(claim=token, claimed_until=now + LEASE, claims=F("claims") + 1, waits_for=""):
        return None
    row = rows.filter(pk=number).first()
    if row is None:  # nobody wants it any more
        return None
    claim = claim_of(row, token)
    if row.claims > MOST_CLAIMS:
        fail(claim, "server_error", ended)
        return None
    return claim, row


def renew(claim: Held) -> None:
    """Raises LostError."""
    if not claim.rows().update(claimed_until=timezone.now() + LEASE):
        raise LostError


def let_go(claim: Held, *, seconds: float, reason: str, is_ours: bool) -> None:
    """It is gone on with after so many seconds; given up after MOST_TRIES failures of ours (`is_ours`) or
    a day in which nothing came of it."""
    now = timezone.now()
    row = claim.rows().first()
    if row is None:
        return
    tries = row.tries + is_ours
    if tries >= MOST_TRIES or now - (row.moved_at or row.created_at) >= LONGEST:
        fail(claim, "server_error", f"Given up after {tries} tries: {reason}" if is_ours else f"Given up: {reason}")
        return
    claim.rows().update(
        claim="",
        claimed_until=None,
        claims=0,
        tries=tries,
        waits_for=reason[:500],
        next_try_at=now + timedelta(seconds=seconds),
    )


def put_back(claim: Held) -> None:
    """A worker that is told to stop: another one may go on at once."""
    claim.rows().update(claim="", claimed_until=None, claims=0)


def fail(claim: Held, code: str, message: str) -> None:
    """`code`: server_error, unsupported_file or invalid_file, as OpenAI has them."""
    claim.rows().update(
        status=Status.FAILED,
        claim="",
        claimed_until=None,
        error_code=code,
        error_message=message[:500],
        completed_at=timezone.now(),
    )
