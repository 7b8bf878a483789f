"""Running batches: each line is answered once, whoever dies, however often the task is delivered."""

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
from apps.batches.contracts import BatchFacts, Question, Reply
from apps.batches.models import Batch, LineResult
from apps.batches.selectors import batch_of_project, open_batches
from apps.batches.services import cancel_batch, create_batch, delete_file, run_open_batches
from apps.batches.services.run import LOCK
from apps.common.database import in_thread
from apps.common.errors import LimitExceeded, NotFound
from apps.common.redis import sync_redis
from apps.files import selectors as files
from apps.files.services import upload_file
from apps.keys.contracts import KeyFacts, KeyPolicy
from apps.keys.selectors import facts_of_secret
from apps.keys.services import create_key, rotate_key
from apps.keys.tokens import token_hash
from apps.usage.models import UsageEvent
from apps.usage.services import DEAD_STREAM, STREAM

pytestmark = pytest.mark.django_db(transaction=True)
EMBED = "/v1/embeddings"


def make(account_id: int) -> KeyFacts:
    issued = create_key(account_id=account_id, project_slug="default", name="Night", policy=KeyPolicy())
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


def begin(key: KeyFacts, lines: int, **options: Any) -> BatchFacts:
    text = b"".join(
        json.dumps(
            {"custom_id": f"c{number}", "method": "POST", "url": EMBED, "body": {"model": "moon", "input": str(number)}}
        ).encode()
        + b"\n"
        for number in range(1, lines + 1)
    )
    file = upload_file(
        account_id=key.account_id,
        project_id=key.project_id,
        name="a",
        content=[text],
        size=len(text),
        lifetime=timedelta(days=1),
    )
    return create_batch(key=key, address="127.0.0.1", input_file=file.public_id, endpoint=EMBED, **options)


def seen(key: KeyFacts, batch: BatchFacts) -> BatchFacts:
    return batch_of_project(account_id=key.account_id, project_id=key.project_id, public_id=batch.public_id)


def entries(key: KeyFacts, public_id: str | None) -> list[dict[str, Any]]:
    if public_id is None:
        return []
    file = files.file_of_project(account_id=key.account_id, project_id=key.project_id, public_id=public_id)
    return [json.loads(line) for _, line in files.lines_of_file(file=file, longest=10_000)]


def settled(key: KeyFacts, request_id: str, outcome: str) -> None:
    UsageEvent.objects.create(
        request_id=request_id,
        account_id=key.account_id,
        project_id=key.project_id,
        api_key_id=key.key_id,
        model="moon",
        endpoint="embeddings",
        outcome=outcome,
        started_at=timezone.now(),
    )


class Engine:
    """Answers lines, and knows how often each was asked."""

    def __init__(self, *, seconds: float = 0.0, replies: dict[int, list[Reply]] | None = None) -> None:
        self.asked: Counter[int] = Counter()
        self.questions: list[Question] = []
        self.at_once = 0
        self.most_at_once = 0
        self._seconds = seconds
        self._replies = replies or {}

    async def __call__(self, question: Question) -> Reply:
        number = int(json.loads(question.body)["input"])
        self.asked[number] += 1
        self.questions.append(question)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self.at_once -= 1
        prepared = self._replies.get(number)
        return prepared.pop(0) if prepared else Reply(status=200, body=b'{"data":\n [%d]}' % number)


async def test_every_line_is_answered_in_order(key: KeyFacts, settings: Settings) -> None:
    settings.GATEWAY_BATCH_PARALLEL = 8
    engine = Engine(seconds=0.01)
    batch = await in_thread(lambda: begin(key, 30))
    await run_open_batches(engine, seconds=20)

    done = await in_thread(lambda: seen(key, batch))
    assert (done.status, done.total, done.completed, done.failed) == ("completed", 30, 30, 0)
    lines = await in_thread(lambda: entries(key, done.output_file))
    assert [line["custom_id"] for line in lines] == [f"c{number}" for number in range(1, 31)]
    assert [line["response"]["body"]["data"] for line in lines] == [[number] for number in range(1, 31)]
    assert set(engine.asked.values()) == {1}
    assert engine.most_at_once == 2  # of one account, a quarter of all
    assert not await in_thread(LineResult.objects.exists)


async def test_a_task_that_is_delivered_twice_asks_once(key: KeyFacts) -> None:
    engine = Engine(seconds=0.05)
    batch = await in_thread(lambda: begin(key, 20))
    await asyncio.gather(*(run_open_batches(engine, seconds=20) for _ in range(3)))
    assert set(engine.asked.values()) == {1}
    assert (await in_thread(lambda: seen(key, batch))).status == "completed"


async def test_what_one_task_has_no_time_for_the_next_one_goes_on_with(key: KeyFacts) -> None:
    engine = Engine(seconds=0.3)
    batch = await in_thread(lambda: begin(key, 40))
    await run_open_batches(engine, seconds=1.0)
    halfway = await in_thread(lambda: seen(key, batch))
    assert halfway.status == "in_progress"
    assert 0 < halfway.completed < 40
    await run_open_batches(engine, seconds=30)
    assert (await in_thread(lambda: seen(key, batch))).completed == 40
    assert set(engine.asked.values()) == {1}


async def test_a_worker_that_is_told_to_stop_stops(key: KeyFacts) -> None:
    engine = Engine(seconds=0.2)
    batch = await in_thread(lambda: begin(key, 400))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await run_open_batches(engine, seconds=60, is_stopping=lambda: loop.time() > began + 1)
    assert loop.time() - began < 5
    halfway = await in_thread(lambda: seen(key, batch))
    assert (halfway.status, halfway.completed) == ("in_progress", sum(engine.asked.values()))


async def test_a_dead_workers_lines_are_asked_again_and_charged_once(key: KeyFacts) -> None:
    """Line 1 was charged and its answer was lost; line 2 failed; line 3 was never settled; line 4 is recorded."""
    batch = await in_thread(lambda: begin(key, 4))
    row = await in_thread(lambda: Batch.objects.get(public_id=batch.public_id))

    def before() -> None:
        settled(key, f"req_{batch.public_id}_1", "completed")
        settled(key, f"req_{batch.public_id}_2", "failed")
        Batch.objects.filter(pk=row.pk).update(status="in_progress", total=4)
        entry = b'{"id":"x","custom_id":"c4","response":null,"error":null}\n'
        LineResult.objects.create(batch=row, line=4, failed=False, entry=entry)

    await in_thread(before)
    engine = Engine()
    await run_open_batches(engine, seconds=20)

    asked = {question.request_id: question.prepaid for question in engine.questions}
    name = f"req_{batch.public_id}"
    assert asked == {f"{name}_1_r1": True, f"{name}_2_r1": False, f"{name}_3": False}
    assert (await in_thread(lambda: seen(key, batch))).completed == 4


async def test_an_answer_that_never_fits_into_a_task_is_given_up(key: KeyFacts) -> None:
    batch = await in_thread(lambda: begin(key, 2))

    def before() -> None:
        for again in ("", "_r1", "_r2", "_r3"):
            settled(key, f"req_{batch.public_id}_1{again}", "cancelled")

    await in_thread(before)
    engine = Engine()
    await run_open_batches(engine, seconds=20)
    done = await in_thread(lambda: seen(key, batch))
    assert (done.status, done.completed, done.failed) == ("completed", 1, 1)
    (line,) = await in_thread(lambda: entries(key, done.error_file))
    assert (line["custom_id"], line["error"]["code"]) == ("c1", "request_timeout")
    assert engine.asked == {2: 1}


async def test_a_killed_worker_holds_up_nobody_for_long(key: KeyFacts) -> None:
    sync_redis().set(LOCK, "somebody who is dead", px=1500)
    engine = Engine()
    batch = await in_thread(lambda: begin(key, 2))
    await run_open_batches(engine, seconds=20)
    assert not engine.asked
    await asyncio.sleep(1.6)
    await run_open_batches(engine, seconds=20)
    assert (await in_thread(lambda: seen(key, batch))).status == "completed"


async def test_what_can_be_asked_again_is_and_what_cannot_is_not(key: KeyFacts) -> None:
    busy = Reply(status=429, body=b"{}", code="rate_limit_exceeded", retry_after=0.1)
    bad = Reply(status=400, body=b'{"error":{}}', code="invalid_value")
    away = Reply(status=503, body=b'{"error":{}}', code="model_unavailable", retry_after=0.01)
    engine = Engine(replies={1: [busy, busy], 2: [bad], 3: [away] * 8})
    batch = await in_thread(lambda: begin(key, 4))
    await run_open_batches(engine, seconds=40)

    done = await in_thread(lambda: seen(key, batch))
    assert (done.completed, done.failed) == (2, 2)
    assert [engine.asked[number] for number in (1, 2, 3, 4)] == [3, 1, 8, 1]
    errors = await in_thread(lambda: entries(key, done.error_file))
    assert [(line["custom_id"], line["response"]["status_code"]) for line in errors] == [("c2", 400), ("c3", 503)]
    ids = [question.request_id for question in engine.questions]
    assert len(ids) == len(set(ids))


async def test_a_window_that_closes_keeps_what_was_answered(key: KeyFacts) -> None:
    engine = Engine(seconds=0.4)
    batch = await in_thread(lambda: begin(key, 40))
    end = timezone.now() + timedelta(seconds=2)
    await in_thread(lambda: Batch.objects.update(expires_at=end))
    await run_open_batches(engine, seconds=20)

    done = await in_thread(lambda: seen(key, batch))
    assert done.status == "expired"
    assert done.completed > 0
    assert done.completed + done.failed == 40
    errors = await in_thread(lambda: entries(key, done.error_file))
    assert {line["error"]["code"] for line in errors} == {"batch_expired"}


async def test_a_batch_that_is_cancelled_before_it_began(key: KeyFacts) -> None:
    batch = await in_thread(lambda: begin(key, 3))
    owner = {"account_id": key.account_id, "project_id": key.project_id, "public_id": batch.public_id}
    assert (await in_thread(lambda: cancel_batch(**owner))).status == "cancelling"
    assert (await in_thread(lambda: cancel_batch(**owner))).status == "cancelling"
    engine = Engine()
    await run_open_batches(engine, seconds=20)
    assert (await in_thread(lambda: seen(key, batch))).status == "cancelled"
    assert not engine.asked


async def test_a_rotated_key_goes_on_under_its_new_secret(key: KeyFacts) -> None:
    known = {key.secret_hash}

    async def ask(question: Question) -> Reply:
        if question.secret_hash not in known:
            return Reply(status=401, body=b"{}", code="invalid_api_key")
        if json.loads(question.body)["input"] == "1":
            issued = await in_thread(
                lambda: rotate_key(account_id=key.account_id, public_id=key.public_id, grace=timedelta(0))
            )
            known.clear()
            known.add(token_hash(issued.secret))
        return Reply(status=200, body=b"{}")

    batch = await in_thread(lambda: begin(key, 30))
    await run_open_batches(ask, seconds=20)
    assert (await in_thread(lambda: seen(key, batch))).completed == 30


def test_others_batches_are_not_there(key: KeyFacts, cast: Cast) -> None:
    batch = begin(key, 1)
    other = make(cast.charlies.id)
    for reach in (batch_of_project, cancel_batch):
        with pytest.raises(NotFound):
            reach(account_id=other.account_id, project_id=other.project_id, public_id=batch.public_id)
    with pytest.raises(NotFound):
        create_batch(key=other, address="", input_file=batch.input_file, endpoint=EMBED)
    with pytest.raises(NotFound):
        delete_file(account_id=other.account_id, project_id=other.project_id, public_id=batch.input_file)


def test_so_many_are_open_at_once(key: KeyFacts, cast: Cast, settings: Settings) -> None:
    settings.GATEWAY_MAX_OPEN_BATCHES = 2
    mine = [begin(key, 1) for _ in range(2)]
    with pytest.raises(LimitExceeded) as refused:
        begin(key, 1)
    assert refused.value.code == "too_many_batches"
    theirs = begin(make(cast.charlies.id), 1)
    names = dict(Batch.objects.values_list("pk", "public_id"))
    assert [names[pk] for pk in open_batches(limit=9)] == [
        mine[0].public_id,
        theirs.public_id,  # before the second of one who has two
        mine[1].public_id,
    ]
