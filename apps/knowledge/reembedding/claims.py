"""Who has a re-embedding in hand, as documents are claimed."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.knowledge.ingestion.claims import taken, without
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
    return without(open_rows(), running)


def take(number: int) -> tuple[Claim, Reembedding] | None:
    """None where another worker was quicker, or where there is nothing more to do."""
    return taken(open_rows().select_related("store"), number, _claim, ended=ENDED_WORKERS)


def _claim(row: Reembedding, token: str) -> Claim:
    return Claim(row.pk, row.account_id, row.store_id, token)
