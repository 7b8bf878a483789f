from collections.abc import Iterator

import pytest

from apps.accounts.tests.cast import cast
from apps.common.redis import sync_redis
from apps.prompts.contracts import QUEUE

__all__ = ["cast"]


@pytest.fixture(autouse=True)
def empty_queue() -> Iterator[None]:
    sync_redis().delete(QUEUE)
    yield
    sync_redis().delete(QUEUE)
