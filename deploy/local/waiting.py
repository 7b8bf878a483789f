"""Waits for servers that were just started."""

import time
from collections.abc import Callable

SECONDS, PAUSE = 30.0, 0.05


def until_it_answers(answers: Callable[[], object], away: type[Exception]) -> None:
    """Until `answers` no longer raises `away`; after half a minute, what it raises."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            answers()
        except away:
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)
        else:
            return
