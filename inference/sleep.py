"""How a deployment shares a GPU by turns with others: the `sleep` of its model_info."""

from typing import Any

import msgspec


class Sleep(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`slot`: what its deployments share, such as a GPU. `awake`: how many of them may be awake at once.

    `level`: vLLM's level of sleep. `pinned`: it never sleeps. `wake_seconds`: how long a call waits for it to be awake
    before the next deployment is asked. `stay_seconds`: how long it stays awake at least, once woken.
    """

    slot: str
    awake: int = 1
    level: int = 1
    pinned: bool = False
    wake_seconds: float = 30.0
    stay_seconds: float = 1.0


def sleep_of(info: Any) -> Sleep | None:
    """Nothing where there is none. Raises ValueError for what is no such thing."""
    if info is None:
        return None
    sleep = msgspec.convert(info, Sleep)  # msgspec.ValidationError is a ValueError
    if not sleep.slot or sleep.awake < 1 or sleep.level not in (1, 2) or sleep.wake_seconds <= 0:
        raise ValueError("Give a slot's name, awake of 1 or more, level 1 or 2, and wake_seconds of more than 0.")
    return sleep
