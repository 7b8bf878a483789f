from collections.abc import Iterator

import pytest

from apps.accounts.tests.cast import cast
from apps.common.redis import sync_redis
from apps.prompts.contracts import STREAM

__all__ = ["cast"]


@pytest.fixture(autouse=True)
def _empty_stream() -> Iterator[None]:
    sync_redis().delete(STREAM)
    yield
    sync_redis().delete(STREAM)
