"""Nobody waits long for another's bad input: the workers' event loops stay quick while the heaviest of it comes."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
from prometheus_client.parser import text_string_to_metric_families

from artemis_site.tests.platform import Platform
from artemis_site.tests.report import ROWS
from artemis_site.tests.test_bad_input import CASES, Case, keys, send

__all__ = ["keys"]
HEAVY = 16 * 1024
CALLERS = 2
SECONDS = 10.0
PAUSE = 0.1
LATEST = 0.05


def counts(platform: Platform) -> dict[float, float]:
    """How often the event loops were at most so late (seconds), of all workers."""
    text = httpx.get(f"{platform.base_url}/metrics").raise_for_status().text
    return {
        float(sample.labels["le"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "artemis_event_loop_lag_seconds_bucket"
    }


def late(before: dict[float, float], after: dict[float, float], share: float) -> float:
    """The bound below which this share of the moments between two counts lies."""
    rises = {bound: after[bound] - before.get(bound, 0) for bound in sorted(after)}
    assert rises[float("inf")] >= 50, "both workers look ten times a second"
    return next(bound for bound, rise in rises.items() if rise >= share * rises[float("inf")])


def lateness(platform: Platform, keys: dict[str, str], cases: list[Case]) -> float:
    """Of the event loops, p99 in seconds, while callers send these cases over and over."""

    def call(first: int) -> None:
        """Not without a pause: whoever fills a machine's processors makes everybody wait, whatever is sent."""
        for case in cases[first:] + cases[:first]:
            answer = send(platform, case, keys)
            assert answer.status == case.status, case.name
            time.sleep(PAUSE)

    before, began = counts(platform), time.monotonic()
    with ThreadPoolExecutor(CALLERS) as pool:
        while time.monotonic() < began + SECONDS:
            list(pool.map(call, [len(cases) * caller // CALLERS for caller in range(CALLERS)]))
    return late(before, counts(platform), 0.99)


def test_the_heaviest_bad_input_holds_up_nobody(platform: Platform, keys: dict[str, str]) -> None:
    heavy = [case for case in CASES if len(case.body) >= HEAVY]
    light = [case for case in CASES if len(case.body) < 1024 and case.status == 400][: len(heavy)]
    assert len(heavy) > 20
    for case in heavy:  # what is read and made for the first time
        send(platform, case, keys)
    began = time.monotonic()
    for _ in range(2):  # a machine that is busy elsewhere gets a second try
        else_late, heavy_late = lateness(platform, keys, light), lateness(platform, keys, heavy)
        if heavy_late <= LATEST:
            break
    seen = f"4xx; event loops late by p99 {heavy_late * 1000:g} ms, else {else_late * 1000:g} ms"
    ROWS.append(("the heaviest bad input", False, seen, time.monotonic() - began, (0, 0, 0), 0, 0))
    assert heavy_late <= LATEST or heavy_late <= 5 * else_late, seen
