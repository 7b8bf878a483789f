"""Workers that kill themselves at a statement, and what runs out after their death."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.utils import timezone

from apps.common.redis import sync_redis
from apps.knowledge.ingestion.run import LOCK
from apps.knowledge.models import Reembedding, StoreFile
from apps.knowledge.reembedding.run import LOCK as REEMBEDDING_LOCK


@contextmanager
def mortals(*arguments: str, free: Callable[[], None]) -> Iterator[Callable[[str, int, str], bool]]:
    """What lets a worker live until it kills itself, and says whether it came so far. `free`: as `free` below."""
    name = connection.settings_dict
    url = f"postgres://{name['USER']}:{name['PASSWORD']}@{name['HOST']}:{name['PORT']}/{name['NAME']}"
    with subprocess.Popen(
        [sys.executable, "-m", "apps.knowledge.tests.mortal", *arguments],
        env={**os.environ, "DATABASE_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as nursery:
        assert nursery.stdin and nursery.stdout
        ask, answers = nursery.stdin, nursery.stdout

        def live(pattern: str, number: int, when: str) -> bool:
            free()
            ask.write(f"{pattern}\t{number}\t{when}\n")
            ask.flush()
            return int(answers.readline()) == -signal.SIGKILL

        yield live
        ask.close()


@pytest.fixture
def killed() -> Iterator[Callable[[str, int, str], bool]]:
    with mortals(free=free) as live:
        yield live


def free() -> None:
    """As if the dead worker's locks and leases had run out."""
    sync_redis().delete(LOCK, REEMBEDDING_LOCK)
    StoreFile.objects.update(claimed_until=timezone.now())
    Reembedding.objects.update(claimed_until=timezone.now())
