"""A language model builds a graph: what it says is checked against the passage, paid for once, and never spoils the
document."""

import json
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from apps.accounts.tests.cast import Cast
from apps.catalog.models import AIModel, PriceVersion
from apps.common.errors import Forbidden, Invalid, LimitExceeded, NotFound, Unavailable
from apps.keys.contracts import KeyFacts, KeyPolicy
from apps.keys.selectors import facts_of_secret
from apps.keys.services import create_key
from apps.keys.tokens import token_hash
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.graph import selectors, services
from apps.knowledge.graph.asking import UselessAnswerError, findings_of
from apps.knowledge.models import GraphDocument
from apps.knowledge.tests.graphs import CURIE, Oracle, build, entities, named, relations, state, work
from apps.knowledge.tests.world import a_store, make_key, put, read_all
from apps.usage.models import UsageEvent

pytestmark = pytest.mark.django_db(transaction=True)
PASSAGE = "The World Health Organization, or WHO, sits in Geneva."
ANSWER = {
    "entities": [
        {"name": "World Health Organization", "type": "organization", "aliases": ["WHO", "Weltgesundheit"]},
        {"name": "Geneva", "type": "city", "aliases": []},
        {"name": "Paris", "type": "place", "aliases": []},
    ],
    "relations": [
        {"subject": "WHO", "relation": "sits in", "object": "Geneva"},
        {"subject": "WHO", "relation": "sits in", "object": "Paris"},
        {"subject": "Geneva", "relation": "is", "object": "Geneva"},
    ],
}
LONG = "\n\n".join(f"Paragraph {n} is about Marie Curie and her friends. " + "It goes on. " * 25 for n in range(9))


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


@pytest.fixture
def store(key: KeyFacts) -> StoreFacts:
    return a_store(key)


@pytest.fixture(autouse=True)
def models(db: None) -> None:
    for name, kind in (("sage", "chat"), ("luna", "embedding")):
        model = AIModel.objects.create(
            public_name=name, kind=kind, context_length=8192, max_output_tokens=1000, owned_by="us"
        )
        PriceVersion.objects.create(
            ai_model=model,
            valid_from=datetime(2026, 1, 1, tzinfo=UTC),
            input_price=1_000_000_000,
            cached_input_price=100_000_000,
            output_price=4_000_000_000,
        )


def test_only_what_stands_in_the_passage_is_taken() -> None:
    found = findings_of(f"Sure!\n```json\n{json.dumps(ANSWER)}\n```", PASSAGE)
    assert [(name.text, name.type) for name in found.names] == [
        ("World Health Organization", "organization"),
        ("WHO", "organization"),
        ("Geneva", "other"),
    ]
    assert [(one.subject.text, one.type, one.object.text) for one in found.statements] == [("WHO", "sits in", "Geneva")]
    assert [(alias.text, name.text) for alias, name in found.aliases] == [("WHO", "World Health Organization")]


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I cannot do that.",
        json.dumps(ANSWER)[:120],
        "[]",
        "{}",
        '{"entities": {}}',
        '{"entities": [1]}',
        '{"entities": [], "relations": "none"}',
        '{"entities": [{"name": null}]}',
        '{"a":' * 5000,
        "\ud800{}",
    ],
)
def test_what_is_no_answer_is_told_apart(answer: str) -> None:
    with pytest.raises(UselessAnswerError):
        findings_of(answer, PASSAGE)


def test_a_bad_answer_costs_its_passage_alone(key: KeyFacts, store: StoreFacts) -> None:
    put(key, store, LONG)
    read_all()
    build(key, store, "model", "sage")
    good = {"entities": [{"name": "Marie Curie", "type": "person", "aliases": []}], "relations": []}
    too_long = Invalid("messages", "Too long.", code="context_length_exceeded")
    oracle = Oracle(good, "{", too_long, good)
    work(oracle)
    facts = state(key, store)
    assert (facts.status, facts.progress.passages_skipped) == ("completed", 2)
    assert facts.progress.passages_done == facts.progress.passages_total == len(oracle.requests)
    assert entities(key, store)["Marie Curie"].mentions == 2
    (document,) = selectors.documents_of_graph(**named(key, store), limit=5)
    assert document.note.startswith("Of 2 of ")
    assert {request.key_id for request in oracle.requests} == {key.key_id}
    assert len({request.request_id for request in oracle.requests}) == len(oracle.requests)


def test_what_passes_is_waited_for_and_what_does_not_is_told(key: KeyFacts, store: StoreFacts) -> None:
    put(key, store, CURIE)
    read_all()
    build(key, store, "model", "sage")
    work(Oracle(LimitExceeded("Too many tokens a minute.", retry_after=30)))
    (waiting,) = selectors.documents_of_graph(**named(key, store), limit=5)
    assert (waiting.status, waiting.waits_for) == ("in_progress", "Too many tokens a minute.")
    GraphDocument.objects.update(next_try_at=None)
    for _ in range(6):
        work(Oracle(Unavailable("The engine is away.")))
        GraphDocument.objects.update(next_try_at=None)
    (failed,) = selectors.documents_of_graph(**named(key, store), limit=5)
    assert (failed.status, failed.error_message) == ("failed", "Given up after 6 tries: The engine is away.")
    assert state(key, store).status == "failed"
    build(key, store, "model", "sage")
    work(Oracle(Forbidden("The budget is used up.", code="budget_exceeded")))
    (failed,) = selectors.documents_of_graph(**named(key, store), limit=5)
    assert failed.error_message == "The model could not be asked. The budget is used up."
    build(key, store, "model", "sage")
    work(Oracle({"entities": [{"name": "Warsaw", "type": "place"}], "relations": []}))
    assert state(key, store).status == "completed" and "Warsaw" in entities(key, store)


def test_another_method_builds_it_anew(key: KeyFacts, store: StoreFacts) -> None:
    put(key, store, CURIE)
    read_all()
    build(key, store)
    work()
    assert relations(key, store)
    build(key, store, "model", "sage")
    assert entities(key, store) == {} and state(key, store).status == "in_progress"
    work(Oracle({"entities": [{"name": "Paris", "type": "place"}], "relations": []}))
    assert entities(key, store).keys() == {"Paris"}


def test_what_a_dead_worker_paid_for_is_not_paid_again(key: KeyFacts, store: StoreFacts) -> None:
    put(key, store, LONG)
    read_all()
    build(key, store, "model", "sage")
    job = GraphDocument.objects.get()
    for place, outcome in ((0, "completed"), (1, "failed")):
        UsageEvent.objects.create(
            request_id=f"req_vsg_{job.pk}_{place}_0",
            account_id=key.account_id,
            project_id=key.project_id,
            api_key_id=key.key_id,
            model="sage",
            endpoint="chat.completions",
            outcome=outcome,
            started_at=timezone.now(),
        )
    oracle = Oracle()
    work(oracle)
    ids = {request.request_id: request.prepaid for request in oracle.requests}
    assert ids[f"req_vsg_{job.pk}_0_1"] and not ids[f"req_vsg_{job.pk}_1_1"] and not ids[f"req_vsg_{job.pk}_2_0"]
    assert len(ids) == len(oracle.requests) == 14


def test_the_cost_is_told_before(key: KeyFacts, store: StoreFacts, cast: Cast) -> None:
    put(key, store, LONG)
    read_all()
    told = services.estimate(**named(key, store), model=services.chat_model(key, "sage"))
    assert told.passages == 14 and told.documents == 1
    assert told.cost == told.input_tokens * 1000 + told.output_tokens * 4000
    assert told.cost < told.cost_at_most == told.input_tokens * 1000 + 14 * 1000 * 4000
    offline = services.estimate(**named(key, store), model=None)
    assert (offline.passages, offline.input_tokens, offline.cost) == (14, 0, 0)
    build(key, store, "model", "sage")
    work()
    done = services.estimate(**named(key, store), model=services.chat_model(key, "sage"))
    assert (done.passages, done.cost) == (0, 0)
    with pytest.raises(Invalid):
        services.chat_model(key, "luna")
    with pytest.raises(NotFound):
        services.chat_model(key, "oracle")
    issued = create_key(
        account_id=cast.northwind.id, project_slug="default", name="a", policy=KeyPolicy(allowed_models=("luna",))
    )
    narrow = facts_of_secret(secret_hash=token_hash(issued.secret))
    assert narrow
    with pytest.raises(Forbidden):
        build(narrow, store, "model", "sage")
