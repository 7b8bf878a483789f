"""Redis and PostgreSQL disagree about a revision: PostgreSQL's word counts, but never over a change made meanwhile."""

import pytest

from apps.common.redis import sync_redis
from apps.common.revisions import OVERRULE_REVISIONS, RAISE_REVISIONS, publish

NAMES = ("art:rev:key:test-a", "art:rev:account:test-b")


@pytest.fixture(autouse=True)
def _clean() -> None:
    sync_redis().delete(*NAMES)


def revisions() -> list[int | None]:
    return [None if value is None else int(value) for value in sync_redis().mget(NAMES)]


def test_a_revision_only_rises() -> None:
    publish({NAMES[0]: 7})
    publish({NAMES[0]: 5})
    assert revisions() == [7, None]
    sync_redis().eval(RAISE_REVISIONS, 2, *NAMES, "8", "1")
    assert revisions() == [8, 1]


def test_overruling_needs_what_was_seen() -> None:
    publish({NAMES[0]: 90, NAMES[1]: 3})
    seen = [str(value) for value in revisions()]
    publish({NAMES[1]: 4})  # a revocation, while the gateway reads PostgreSQL
    sync_redis().eval(OVERRULE_REVISIONS, 2, *NAMES, *seen, "12", "3")
    assert revisions() == [12, 4]


def test_overruling_nothing_seen_sets_it() -> None:
    sync_redis().eval(OVERRULE_REVISIONS, 2, *NAMES, "", "", "12", "3")
    assert revisions() == [12, 3]
