"""Engines' counters against events: less than was billed is an alarm, more is told with its size."""

from datetime import UTC, datetime, timedelta
from typing import Any

from apps.billing.contracts import Reconciled
from apps.billing.services.reconciliation import reconcile
from apps.catalog.models import EngineSpan
from apps.keys.models import ApiKey
from apps.usage.services import record_events
from apps.usage.tests.test_record_events import event

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
DAY = f"{NOON:%Y-%m-%d}"
ENGINE = "http://engine:8000/v1"


def counted(prompt: int, output: int, *, hours: float = 1, begin: datetime = NOON, **fields: Any) -> None:
    known = {
        "engine": ENGINE,
        "deployments": ["moon-a", "mars-a"],
        "day": begin.date(),
        "from_at": begin,
        "until_at": begin + timedelta(hours=hours),
        "seen_at": begin + timedelta(hours=hours),
        "prompt_tokens": prompt,
        "output_tokens": output,
        "prompt_counter": 0,
        "output_counter": 0,
    }
    EngineSpan.objects.create(**(known | fields))


def answered(key: ApiKey, request_id: str, *, minutes: float = 5, **fields: Any) -> None:
    """100 tokens in, 40 of them cached, and 20 out, in a second."""
    known = {
        "input_tokens": 100,
        "cached_input_tokens": 40,
        "output_tokens": 20,
        "duration_ms": 1000,
        "started_at": (NOON + timedelta(minutes=minutes)).isoformat(),
    }
    record_events(events=[event(key, request_id, **(known | fields))])


def found() -> Reconciled:
    return reconcile(patience=0)


def alarms(reconciled: Reconciled) -> list[tuple[str, str, int, str]]:
    engines = [one for one in reconciled.findings if one.what.startswith("engine")]
    return [(one.what, one.where, one.difference, one.unit) for one in engines]


def told(reconciled: Reconciled) -> dict[str, tuple[int, str]]:
    return {one.unit: (one.difference, one.why) for one in reconciled.explained if one.what == "engine_counted_more"}


def test_an_engine_that_counted_what_was_billed(key: ApiKey) -> None:
    answered(key, "a")
    answered(key, "b", deployment="mars-a")
    counted(200, 40)
    assert (alarms(found()), told(found())) == ([], {})
    EngineSpan.objects.update(prompt_tokens=120)  # llama.cpp does not count what its cache had
    assert (alarms(found()), told(found())) == ([], {})


def test_an_engine_that_counted_less_is_an_alarm(key: ApiKey) -> None:
    for number in range(3):
        answered(key, f"r{number}")
    counted(100, 50)
    assert alarms(found()) == [
        ("engine_counted_less", f"{ENGINE} {DAY}", -80, "prompt_tokens"),
        ("engine_counted_less", f"{ENGINE} {DAY}", -10, "output_tokens"),
    ]


def test_one_span_does_not_make_up_for_another(key: ApiKey) -> None:
    answered(key, "a")
    counted(0, 0)
    counted(500, 500, begin=NOON + timedelta(hours=2))
    assert [size for _, _, size, _ in alarms(found())] == [-60, -20]


def test_answers_that_the_engine_need_not_have_counted_are_no_alarm(key: ApiKey) -> None:
    """Cut off, estimated, shared with another engine, of another engine, or not wholly within what was looked at."""
    answered(key, "cut", outcome="cancelled")
    answered(key, "estimated", estimated=True)
    answered(key, "shared", deployment="moon-a+claude")
    answered(key, "elsewhere", deployment="sun-a")
    answered(key, "before", minutes=-0.01)
    answered(key, "edge", minutes=59.99)
    answered(key, "after", minutes=70)
    counted(0, 0)
    assert (alarms(found()), told(found())) == ([], {})
    EngineSpan.objects.update(output_tokens=130)
    size, why = told(found())["output_tokens"]
    assert size == 130
    assert "100 tokens may be of answers that were cut off" in why and "30 are of tries that failed" in why


def test_counters_that_cannot_be_followed_are_not_compared(key: ApiKey) -> None:
    answered(key, "a", minutes=30)
    for number in range(5):
        counted(0, 0, begin=NOON + timedelta(hours=number))
    reconciled = found()
    assert alarms(reconciled) == []
    check = next(one for one in reconciled.checks if one.name == "engines_and_events")
    assert check.compared == 0 and ENGINE in check.note


def test_without_counters_it_is_skipped(key: ApiKey) -> None:
    answered(key, "a")
    check = next(one for one in found().checks if one.name == "engines_and_events")
    assert (check.state, check.findings) == ("skipped", 0)
