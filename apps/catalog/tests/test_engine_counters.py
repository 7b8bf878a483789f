"""What engines count is kept by day, span by span: a restart, a gap and a moved deployment each begin a new one."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from apps.catalog.models import EngineSpan
from apps.catalog.sampling import Look, note_look, sample_engines
from apps.catalog.selectors import engine_counts
from apps.catalog.services import load_models
from inference.counters import TokenCounters
from inference.fake.control import FakeServer
from inference.ports import free_port

pytestmark = pytest.mark.django_db
ENGINE = "http://engine:8000/v1"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def look(minutes: float, prompt: int, output: int, *, process: int | None = None, of: tuple[str, ...] = ("a",)) -> None:
    at = NOON + timedelta(minutes=minutes)
    note_look(engine=ENGINE, deployments=of, look=Look(TokenCounters(prompt, output, process), at, at + SECOND))


def spans() -> list[tuple[int, int]]:
    return [
        (one.prompt_tokens, one.output_tokens) for one in engine_counts(since=None, until=NOON.date() + timedelta(9))
    ]


def test_what_is_counted_between_looks_adds_up() -> None:
    look(0, 1000, 100)
    look(1, 1010, 105)
    look(2, 1010, 105)
    look(3, 1500, 200)
    assert spans() == [(500, 100)]
    [one] = engine_counts(since=NOON.date(), until=NOON.date())
    assert (one.from_at, one.until_at) == (NOON + SECOND, NOON + timedelta(minutes=3))
    assert engine_counts(since=NOON.date() + timedelta(1), until=NOON.date() + timedelta(1)) == []


@pytest.mark.parametrize(
    "after",
    [
        {"minutes": 2, "prompt": 40, "output": 7},  # a restart: the counters began at nothing
        {"minutes": 2, "prompt": 1040, "output": 7},
        {"minutes": 2, "prompt": 1040, "output": 107, "process": 2},  # it was quick, and says that it is another
        {"minutes": 9, "prompt": 1040, "output": 107},  # nobody looked for a while
        {"minutes": 2, "prompt": 1040, "output": 107, "of": ("a", "b")},  # it serves another one, too
    ],
)
def test_what_nobody_could_follow_begins_a_new_span(after: dict[str, int]) -> None:
    look(0, 1000, 100)
    look(1, 1010, 101)
    look(**after)  # type: ignore[arg-type]
    again = after | {"prompt": after["prompt"] + 5, "output": after["output"] + 1, "minutes": after["minutes"] + 1}
    look(**again)  # type: ignore[arg-type]
    assert spans() == [(10, 1), (5, 1)]
    assert [one.goes_on for one in engine_counts(since=None, until=NOON.date())] == [False, False]


def test_a_new_day_goes_on_where_the_last_one_ended() -> None:
    look(719, 1000, 100)
    look(719.5, 1010, 101)
    look(720.5, 1030, 104)
    look(721, 1031, 105)
    assert spans() == [(10, 1), (21, 4)]
    first, second = engine_counts(since=None, until=NOON.date() + timedelta(1))
    assert (second.day, second.goes_on) == (NOON.date() + timedelta(1), True)
    assert second.from_at == first.until_at + SECOND


def test_a_look_that_comes_late_counts_nothing() -> None:
    look(0, 1000, 100)
    look(2, 1020, 102)
    look(1, 1010, 101)
    assert spans() == [(20, 2)]


def test_engines_are_asked_and_one_that_is_away_holds_up_none() -> None:
    with FakeServer() as engine:
        entries = [("moon", engine.base_url), ("mars", engine.base_url), ("sun", f"http://127.0.0.1:{free_port()}")]
        load_models(
            text=json.dumps(
                {
                    "model_list": [
                        {
                            "model_name": name,
                            "litellm_params": {
                                "model": f"hosted_vllm/{name}",
                                "api_base": f"{base}/v1",
                                "api_key": "k",
                            },
                            "model_info": {"id": f"{name}-a"},
                        }
                        for name, base in entries
                    ]
                }
            )
        )
        assert sample_engines() == 1
        body = {"model": "moon", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8}
        engine.post("/v1/chat/completions", body)
        assert sample_engines() == 1
        [span] = EngineSpan.objects.all()
        assert (span.engine, span.deployments) == (f"{engine.base_url}/v1", ["mars-a", "moon-a"])
        assert span.prompt_tokens > 0 and span.output_tokens == 8
