"""A pytest plugin: how many of xdist's workers there are (`-n auto`), and what they begin with."""

import os

import pytest

MOST = 4
BYTES_EACH = 3 * 2**30  # two planes, a celery worker with its children, engines' stand-ins, a browser


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(MOST, len(os.sched_getaffinity(0)), memory // BYTES_EACH))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Journeys first: a worker is given a file at a time, and a long one at the end is waited for by all."""
    items.sort(key=lambda item: not item.nodeid.startswith("artemis_site/"))
