"""Who has a re-embedding in hand, as documents are claimed."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import uuid4

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from apps.knowledge.ingestion.claims import LEASE, MOST_CLAIMS, fail
from apps.knowledge.models import Reembedding, Status

ENDED_WORKERS = "Embedding this store anew has ended the worker that did it, several times."


@dataclass(frozen=True, slots=True)
class Claim:
    number: int
    account_id: int
    store_id: int
    token: str

    def rows(self) -> QuerySet[Reembedding]:
        """The one row, while the claim holds."""
        return open_rows().filter(pk=self.number, claim=self.token)


def open_rows() -> QuerySet[Reembedding]:
    return Reembedding.objects.filter(status=Status.IN_PROGRESS, store__deleted_at=None)


def waiting(*, running: Collection[int], most: int) -> list[int]:
    """The oldest first, one of each account at a time."""
    now, busy, found = timezone.now(), set[int](), list[int]()
    due = open_rows().filter(Q(next_try_at=None) | Q(next_try_at__lte=now)).order_by("pk")
    for number, account_id, until in due.values_list("pk", "account_id", "claimed_until"):
        if account_id not in busy and number not in running and (until is None or until <= now):
            found.append(number)
        busy.add(account_id)
    return found[:most]


def unwanted(running: Collection[int]) -> set[int]:
    """Of those in hand, the ones that somebody has put an end to."""
    return set(running) - set(open_rows().filter(pk__in=running).values_list("pk", flat=True))


def take(number: int) -> tuple[Claim, Reembedding] | None:
    """None where another worker was quicker, or where there is nothing more to do."""
    now, token = timezone.now(), uuid4().hex
    free = open_rows().filter(Q(claimed_until=None) | Q(claimed_until__lte=now), pk=number)
    if not free.update(claim=token, claimed_until=now + LEASE, claims=F("claims") + 1, waits_for=""):
        return None
    row = Reembedding.objects.select_related("store").get(pk=number)
    claim = Claim(number, row.account_id, row.store_id, token)
    if row.claims > MOST_CLAIMS:
        fail(claim, "server_error", ENDED_WORKERS)
        return None
    return claim, row
