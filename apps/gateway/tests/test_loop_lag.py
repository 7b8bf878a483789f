"""What holds up the event loop is seen, as often as somebody may have waited."""

import asyncio
import time

from prometheus_client import REGISTRY

from apps.gateway.loop_lag import LoopLag


def seen(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"artemis_event_loop_lag_seconds_{name}", labels) or 0.0


async def test_each_moment_that_was_missed_counts() -> None:
    lag = LoopLag()
    lag.start()
    await asyncio.sleep(0.15)
    count, quick, late = seen("count"), seen("bucket", le="0.1"), seen("sum")
    time.sleep(0.55)  # as a parser would
    await asyncio.sleep(0.01)
    lag.stop()
    assert seen("count") - count >= 5
    assert seen("count") - count - (seen("bucket", le="0.1") - quick) >= 3, "some were late by 0.2 s and more"
    assert seen("sum") - late > 0.8
    after = seen("count")
    await asyncio.sleep(0.25)
    assert seen("count") == after
