"""Responses in the background: each is made and charged once, whoever dies, however often the task is delivered."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.accounts.tests.cast import Cast
from apps.common.database import in_thread
from apps.common.errors import Invalid, LimitExceeded, NotFound, Unauthenticated, Unavailable
from apps.common.redis import sync_redis
from apps.keys.contracts import KeyFacts, KeyPolicy
from apps.keys.selectors import facts_of_secret
from apps.keys.services import create_key, rotate_key
from apps.keys.tokens import token_hash
from apps.responses.contracts import Errand
from apps.responses.models import KEPT, BackgroundRun, StoredResponse
from apps.responses.selectors import has_waiting_responses, next_runs, past_of
from apps.responses.services import (
    cancel_response,
    delete_expired,
    delete_response,
    make_room,
    run_waiting_responses,
    stages,
)
from apps.responses.services.run import LOCK
from apps.responses.services.stages import LONGEST, MOST_CUT_OFF, MOST_FAILURES
from apps.usage.models import UsageEvent
from apps.usage.services import DEAD_STREAM, STREAM

pytestmark = pytest.mark.django_db(transaction=True)
AWAY = Unavailable("No engine can answer.", code="model_unavailable", retry_after=0.01)


def make(account_id: int) -> KeyFacts:
    issued = create_key(account_id=account_id, project_slug="default", name="Slow", policy=KeyPolicy())
    facts = facts_of_secret(secret_hash=token_hash(issued.secret))
    assert facts
    return facts


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make(cast.northwind.id)


@pytest.fixture(autouse=True)
def _nothing_of_others() -> Iterator[None]:
    names = (LOCK, STREAM, DEAD_STREAM, "celery")
    sync_redis().delete(*names)
    yield
    sync_redis().delete(*names)


def response(name: str, **fields: Any) -> str:
    return json.dumps({"id": f"resp_{name}", "status": "queued", "background": True, "output": [], **fields})


def wait(key: KeyFacts, name: str, *, age: timedelta = timedelta(0), **fields: Any) -> BackgroundRun:
    """One that waits to be run."""
    row = StoredResponse.objects.create(
        public_id=f"resp_{name}",
        account_id=key.account_id,
        project_id=key.project_id,
        request_id=f"req_{name}",
        model="moon",
        body=response(name),
        items="[]",
        size=1000,
        created_at=timezone.now() - age,
    )
    request = json.dumps({"model": "moon", "input": name})
    return BackgroundRun.objects.create(
        response=row, account_id=key.account_id, api_key_id=key.key_id, request=request, **fields
    )


def wait_for(key: KeyFacts, *names: str, **fields: Any) -> None:
    for name in names:
        wait(key, name, **fields)


def seen(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(StoredResponse.objects.get(public_id=f"resp_{name}").body)
    return body


def owner(key: KeyFacts, name: str) -> dict[str, Any]:
    return {"account_id": key.account_id, "project_id": key.project_id, "public_id": f"resp_{name}"}


def settled(key: KeyFacts, request_id: str, outcome: str) -> None:
    UsageEvent.objects.create(
        request_id=request_id,
        account_id=key.account_id,
        project_id=key.project_id,
        api_key_id=key.key_id,
        model="moon",
        endpoint="responses",
        outcome=outcome,
        started_at=timezone.now(),
    )


class Engine:
    """Answers, or raises what was prepared, and knows how often it was asked for each."""

    def __init__(self, *, seconds: float = 0.0, refusals: dict[str, list[Exception]] | None = None) -> None:
        self.asked: Counter[str] = Counter()
        self.errands: list[Errand] = []
        self.dropped: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self._seconds = seconds
        self._refusals = refusals or {}

    async def __call__(self, errand: Errand) -> bytes:
        name = errand.response_id.removeprefix("resp_")
        self.asked[name] += 1
        self.errands.append(errand)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            self.dropped.append(name)
            raise
        finally:
            self.at_once -= 1
        prepared = self._refusals.get(name)
        if prepared:
            raise prepared.pop(0)
        return response(name, status="completed", output=[{"type": "message", "text": name}]).encode()


async def until(reached: Any, *, seconds: float = 20) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not reached():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)


async def run(engine: Engine, *, seconds: float = 30, times: int = 1) -> None:
    """As often as beat would ask for it, where something has to wait."""
    for _ in range(times):
        await run_waiting_responses(engine, seconds=seconds)
        await in_thread(lambda: BackgroundRun.objects.update(ready_at=None))


async def test_what_waits_is_made_a_few_at_once(key: KeyFacts, settings: Settings) -> None:
    settings.RESPONSES_BACKGROUND_PARALLEL = 8
    names = [f"a{number}" for number in range(20)]
    await in_thread(lambda: wait_for(key, *names))
    engine = Engine(seconds=0.02)
    await run(engine)

    assert engine.asked == dict.fromkeys(names, 1)
    assert engine.most_at_once == 2  # of one account, a quarter of all
    assert not await in_thread(BackgroundRun.objects.exists)
    for name in names:
        assert (await in_thread(lambda name=name: seen(name)))["output"] == [{"type": "message", "text": name}]
    row = await in_thread(lambda: StoredResponse.objects.get(public_id="resp_a0"))
    assert row.size == len(row.body.encode()) + 2  # the request that waited is gone


async def test_all_accounts_together_stay_within_the_bound(key: KeyFacts, cast: Cast, settings: Settings) -> None:
    settings.RESPONSES_BACKGROUND_PARALLEL = 2

    def begin() -> None:
        wait_for(key, "a1", "a2", "a3")
        wait_for(make(cast.charlies.id), "b1", "b2", "b3")

    await in_thread(begin)
    engine = Engine(seconds=0.05)
    await run(engine)
    assert engine.most_at_once == 2
    assert {errand.response_id for errand in engine.errands[:2]} == {"resp_a1", "resp_b1"}
    assert set(engine.asked.values()) == {1}
    assert len(engine.asked) == 6


async def test_a_task_that_is_delivered_twice_asks_once(key: KeyFacts) -> None:
    await in_thread(lambda: wait_for(key, *"abcdef"))
    engine = Engine(seconds=0.05)
    await asyncio.gather(*(run_waiting_responses(engine, seconds=20) for _ in range(3)))
    assert engine.asked == dict.fromkeys("abcdef", 1)


@pytest.mark.parametrize(("one", "other"), [(60, 2), (2, 60)])
async def test_two_workers_that_race_settle_under_one_id(key: KeyFacts, one: float, other: float) -> None:
    """The first one has lost its lock, and a second one begins what it has under way: whose answer comes first counts,
    and the other one is dropped then. A try that was dropped before would be settled, for nothing, under that id."""
    await in_thread(lambda: wait(key, "a"))
    first, second = Engine(seconds=one), Engine(seconds=other)
    working = asyncio.create_task(run_waiting_responses(first, seconds=20))
    await until(lambda: first.at_once)
    sync_redis().delete(LOCK)
    await asyncio.wait_for(asyncio.gather(working, run_waiting_responses(second, seconds=20)), 20)

    assert [errand.request_id for errand in (*first.errands, *second.errands)] == ["req_a", "req_a"]
    assert (first.dropped, second.dropped) == ((["a"], []) if other < one else ([], ["a"]))
    assert (await in_thread(lambda: seen("a")))["status"] == "completed"


def test_the_first_answer_counts(key: KeyFacts) -> None:
    run = wait(key, "a")
    for text in ("first", "second"):
        stages.finish(run.pk, response("a", status="completed", metadata={"text": text}).encode())
    stages.refuse(run.pk, AWAY)
    assert stages.begin(run.pk) is None
    assert seen("a")["metadata"] == {"text": "first"}


async def test_a_dead_workers_try_is_made_again_and_charged_once(key: KeyFacts) -> None:
    """Of a try that was charged, one that failed, one that was never settled, and one after a refusal."""

    def before() -> None:
        wait_for(key, "charged", "failed", "unsettled", begun=1)
        wait(key, "refused", begun=2, refused=1)
        wait(key, "again", begun=3, refused=1)
        settled(key, "req_charged", "completed")
        settled(key, "req_failed", "failed")
        settled(key, "req_again", "failed")
        settled(key, "req_again_r1", "completed")

    await in_thread(before)
    engine = Engine()
    await run(engine)
    asked = {errand.request_id: errand.prepaid for errand in engine.errands}
    assert asked == {
        "req_charged_r1": True,
        "req_failed_r1": False,
        "req_unsettled": False,
        "req_refused_r1": False,
        "req_again_r2": True,
    }
    assert not await in_thread(BackgroundRun.objects.exists)


async def test_what_no_worker_brings_to_its_end_fails(key: KeyFacts) -> None:
    await in_thread(lambda: wait(key, "deadly", begun=MOST_CUT_OFF))
    await in_thread(lambda: wait(key, "patient", begun=9 + MOST_CUT_OFF, refused=10))
    await in_thread(lambda: wait(key, "old", age=LONGEST))
    engine = Engine()
    await run(engine)
    assert engine.asked == {"patient": 1}
    for name in ("deadly", "old"):
        failed = await in_thread(lambda name=name: seen(name))
        assert (failed["status"], failed["error"]["code"]) == ("failed", "server_error")
        assert "Send the request again" in failed["error"]["message"]


async def test_what_can_be_asked_again_is_and_what_cannot_is_not(key: KeyFacts) -> None:
    busy = LimitExceeded("Later.", retry_after=0.01)
    engine = Engine(
        refusals={
            "busy": [busy] * 2,
            "away": [AWAY] * MOST_FAILURES,
            "bad": [Invalid("input", "Not so.", code="context_length_exceeded")],
            "unknown": [Unauthenticated("This API key is not valid.")],
            "broken": [ZeroDivisionError("a secret of the house")],
        }
    )
    await in_thread(lambda: wait_for(key, "busy", "away", "bad", "unknown", "broken"))
    await run(engine, times=MOST_FAILURES)

    assert engine.asked == {"busy": 3, "away": MOST_FAILURES, "bad": 1, "unknown": 1, "broken": 1}
    assert len({errand.request_id for errand in engine.errands}) == sum(engine.asked.values())
    assert (await in_thread(lambda: seen("busy")))["status"] == "completed"
    told = {}
    for name in ("away", "bad", "unknown", "broken"):
        failed = await in_thread(lambda name=name: seen(name))
        assert failed["status"] == "failed"
        told[name] = (failed["error"]["code"], failed["error"]["details"]["error_code"])
        assert "secret" not in failed["error"]["message"]
    assert told == {
        "away": ("server_error", "model_unavailable"),
        "bad": ("invalid_prompt", "context_length_exceeded"),
        "unknown": ("server_error", "invalid_api_key"),
        "broken": ("server_error", "internal_error"),
    }


async def test_what_waits_for_a_limit_is_queued_again(key: KeyFacts) -> None:
    await in_thread(lambda: wait(key, "a"))
    engine = Engine(refusals={"a": [LimitExceeded("Later.", retry_after=30)]})
    await run_waiting_responses(engine, seconds=20)
    assert (await in_thread(lambda: seen("a")))["status"] == "queued"
    assert not await in_thread(has_waiting_responses)
    left = await in_thread(lambda: BackgroundRun.objects.get().ready_at)
    assert left
    assert timedelta(seconds=10) < left - timezone.now() <= timedelta(seconds=30)


async def test_budget_that_others_hold_is_waited_for(key: KeyFacts) -> None:
    """And where nobody else of the account is under way, there is none."""
    await in_thread(lambda: wait_for(key, "quick", "slow"))
    poor = LimitExceeded("No credit.", code="insufficient_quota")

    class Both(Engine):
        async def __call__(self, errand: Errand) -> bytes:
            self._seconds = 0.05 if errand.response_id == "resp_quick" else 0.6
            return await super().__call__(errand)

    engine = Both(refusals={"quick": [poor, poor]})
    await run(engine, times=2)
    assert engine.asked == {"quick": 2, "slow": 1}
    failed = await in_thread(lambda: seen("quick"))
    assert failed["status"] == "failed"
    assert failed["error"]["code"] == "rate_limit_exceeded"
    assert failed["error"]["details"]["error_code"] == "insufficient_quota"


@pytest.mark.parametrize("end", [cancel_response, delete_response])
async def test_one_that_runs_is_stopped(key: KeyFacts, end: Any) -> None:
    await in_thread(lambda: wait_for(key, "a", "b"))
    engine = Engine(seconds=3)
    working = asyncio.create_task(run_waiting_responses(engine, seconds=20))
    await until(lambda: engine.at_once == 2)
    assert (await in_thread(lambda: seen("a")))["status"] == "in_progress"
    await in_thread(lambda: end(**owner(key, "a")))
    await until(lambda: engine.dropped == ["a"], seconds=2.5)
    await working

    assert engine.asked == {"a": 1, "b": 1}
    assert (await in_thread(lambda: seen("b")))["status"] == "completed"
    if end is cancel_response:
        assert (await in_thread(lambda: seen("a")))["status"] == "cancelled"
    assert not await in_thread(BackgroundRun.objects.exists)


async def test_one_that_waits_is_never_asked_for_once_cancelled(key: KeyFacts) -> None:
    await in_thread(lambda: wait(key, "a"))
    told = [await in_thread(lambda: json.loads(cancel_response(**owner(key, "a")))) for _ in range(2)]
    assert told[0] == told[1]
    assert told[0]["status"] == "cancelled"
    engine = Engine()
    await run(engine)
    assert not engine.asked


async def test_a_worker_that_is_told_to_stop_leaves_it_to_the_next_one(key: KeyFacts) -> None:
    await in_thread(lambda: wait(key, "a"))
    engine = Engine(seconds=60)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await run_waiting_responses(engine, seconds=60, is_stopping=lambda: loop.time() > began + 0.5)
    assert engine.dropped == ["a"]
    assert (await in_thread(lambda: seen("a")))["status"] == "in_progress"
    assert await in_thread(has_waiting_responses)
    following = Engine()
    await run(following)
    assert (await in_thread(lambda: seen("a")))["status"] == "completed"


async def test_a_rotated_key_asks_under_its_new_secret(key: KeyFacts) -> None:
    await in_thread(lambda: wait(key, "a"))
    rotated = {"account_id": key.account_id, "public_id": key.public_id, "grace": timedelta(0)}
    issued = await in_thread(lambda: rotate_key(**rotated))
    engine = Engine()
    await run(engine)
    assert [errand.secret_hash for errand in engine.errands] == [token_hash(issued.secret)]


def test_an_account_waits_for_its_own_many_alone(key: KeyFacts, cast: Cast) -> None:
    mine = [wait(key, f"a{number}").pk for number in range(4)]
    theirs = wait(make(cast.charlies.id), "b").pk
    later = wait(make(cast.charlies.id), "c", ready_at=timezone.now() + timedelta(minutes=1)).pk
    assert next_runs(running=[], most=9, most_of_account=2) == [mine[0], theirs, mine[1]]
    assert next_runs(running=[mine[3]], most=9, most_of_account=2) == [mine[3], theirs, mine[0]]
    assert next_runs(running=[], most=1, most_of_account=2) == [mine[0]]
    assert later not in next_runs(running=[], most=9, most_of_account=9)


def test_others_have_nothing_to_cancel(key: KeyFacts, cast: Cast) -> None:
    wait(key, "a")
    other = make(cast.charlies.id)
    for reach in (cancel_response, delete_response):
        with pytest.raises(NotFound):
            reach(**owner(other, "a"))
    assert seen("a")["status"] == "queued"


def test_only_what_was_made_in_the_background_is_cancelled(key: KeyFacts) -> None:
    run = wait(key, "a")
    done = response("a", status="completed")
    StoredResponse.objects.update(body=done)
    run.delete()
    assert cancel_response(**owner(key, "a")) == done.encode()
    StoredResponse.objects.update(body=response("a", status="completed", background=False))
    with pytest.raises(Invalid, match="background"):
        cancel_response(**owner(key, "a"))


@pytest.mark.parametrize("status", ["queued", "in_progress", "failed", "cancelled"])
def test_what_has_no_answer_is_not_continued(key: KeyFacts, status: str) -> None:
    wait(key, "a")
    StoredResponse.objects.update(body=response("a", status=status))
    with pytest.raises(Invalid, match=status) as refused:
        past_of(**owner(key, "a"))
    assert (refused.value.code, refused.value.param) == ("previous_response_not_completed", "previous_response_id")


def test_room_is_made_of_what_waits_too(key: KeyFacts, settings: Settings) -> None:
    settings.RESPONSES_MOST_KEPT = 1
    wait_for(key, "a", "b")
    assert make_room() == 1
    assert [run.response.public_id for run in BackgroundRun.objects.all()] == ["resp_b"]


def test_what_waits_is_gone_with_its_response(key: KeyFacts) -> None:
    wait(key, "old", age=KEPT)
    wait(key, "young")
    assert delete_expired() == 1
    assert [run.response.public_id for run in BackgroundRun.objects.all()] == ["resp_young"]
