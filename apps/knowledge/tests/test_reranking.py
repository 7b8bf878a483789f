"""Passages are reranked by a model where one is named, or is the platform's; without it the search goes on."""

import secrets
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from apps.accounts.tests.cast import Cast
from apps.common.errors import Forbidden, Invalid, NotFound
from apps.keys.contracts import KeyFacts, KeyPolicy
from apps.keys.selectors import facts_of_secret
from apps.keys.services import create_key
from apps.keys.tokens import token_hash
from apps.knowledge.contracts import Question, Results, StoreFacts, Wanted, Weights
from apps.knowledge.selectors import store_of_project
from apps.knowledge.services import find
from apps.knowledge.tests.house import CHATTER, EMBEDDER, RANKER, asked, at_work, embedder, engine, read_by_the_gateway
from apps.knowledge.tests.world import a_store, make_key, put
from apps.usage.models import UsageEvent
from apps.usage.services import drain_events
from inference.fake.control import FakeServer

__all__ = ["embedder", "engine"]
pytestmark = pytest.mark.django_db(transaction=True)
WORDS = Weights(embedding=0, text=1)
QUERY = "who sleeps under the old oak"
TEXTS = (
    "The oak oak oak: an old tree, old as the hills.",
    "Under the old oak somebody sleeps; who it is, nobody says.",
    "Whoever sleeps late misses the dawn.",
    "Bread is baked in the morning.",
)


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


def allowed(cast: Cast, **policy: Any) -> KeyFacts:
    issued = create_key(account_id=cast.northwind.id, project_slug="default", name="Narrow", policy=KeyPolicy(**policy))
    facts = facts_of_secret(secret_hash=token_hash(issued.secret))
    assert facts
    return facts


@pytest.fixture
def store(key: KeyFacts, embedder: FakeServer, engine: FakeServer) -> StoreFacts:
    store = a_store(key)
    for number, text in enumerate(TEXTS):
        put(key, store, text, f"{number}.txt")
    read_by_the_gateway()
    return store_of_project(account_id=key.account_id, project_id=key.project_id, public_id=store.public_id)


def ask(key: KeyFacts, store: StoreFacts, **wanted: Any) -> Results:
    question = Question(
        key=key,
        address="127.0.0.1",
        request_id=f"req_test_{secrets.token_hex(8)}",
        stores=[store],
        queries=[QUERY],
        wanted=Wanted(**wanted),
        counted=False,
    )
    return at_work(find(question))


def bill() -> dict[str, str]:
    drain_events()
    return dict(UsageEvent.objects.values_list("request_id", "endpoint"))


def places(found: Results) -> list[str]:
    return [hit.filename[0] for hit in found.hits]


def test_a_model_that_is_named_gives_the_order(key: KeyFacts, store: StoreFacts, engine: FakeServer) -> None:
    plain = ask(key, store, weights=WORDS, ranker="none")
    assert plain.ranker == "" and all(hit.rerank is None and hit.score == hit.fused for hit in plain.hits)
    found = ask(key, store, weights=WORDS, ranker=RANKER)
    assert found.ranker == RANKER and not found.ranker_failure
    assert places(found)[0] == "1" and set(places(found)) == set(places(plain))
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)
    for hit in found.hits:
        words = set(hit.text.lower().split())
        assert hit.score == hit.rerank == pytest.approx(len(words & set(QUERY.split())) / 6)
        assert hit.bm25 is not None and hit.fused == next(
            one.score for one in plain.hits if one.passage_id == hit.passage_id
        )
    (body,) = asked(engine, "/v1/rerank")
    assert body["query"] == QUERY and len(body["documents"]) == len(plain.hits)
    (paid,) = (request for request, endpoint in bill().items() if endpoint == "rerank")
    assert paid.startswith("req_test_") and paid.endswith("_rr")


def test_the_threshold_and_the_limit_hold_for_what_the_model_says(key: KeyFacts, store: StoreFacts) -> None:
    assert places(ask(key, store, ranker=RANKER, score_threshold=0.6)) == ["1"]
    assert places(ask(key, store, ranker=RANKER, most=1)) == ["1"]


@pytest.mark.parametrize("ranker", ["auto", "default-2024-11-15"])
def test_the_platforms_model_where_the_choice_is_left_to_us(
    cast: Cast, key: KeyFacts, store: StoreFacts, settings: Settings, ranker: str
) -> None:
    assert ask(key, store, ranker=ranker).ranker == ""
    settings.KNOWLEDGE_RERANK_MODEL = RANKER
    assert ask(key, store, ranker=ranker).ranker == RANKER
    assert ask(key, store, ranker="none").ranker == ""
    for policy in ({"allowed_endpoints": ("embeddings", "vector_stores")}, {"allowed_models": (EMBEDDER,)}):
        passed_over = ask(allowed(cast, **policy), store, ranker=ranker)
        assert (passed_over.ranker, passed_over.ranker_failure) == ("", "") and passed_over.hits
    settings.KNOWLEDGE_RERANK_MODEL = CHATTER
    assert ask(key, store, ranker=ranker).ranker == ""


def test_a_model_that_is_named_must_be_allowed(cast: Cast, key: KeyFacts, store: StoreFacts) -> None:
    before = bill()
    with pytest.raises(Forbidden) as refused:
        ask(allowed(cast, allowed_endpoints=("embeddings", "vector_stores")), store, ranker=RANKER)
    assert refused.value.param == "ranking_options.ranker"
    with pytest.raises(NotFound) as missing:
        ask(key, store, ranker="nobody")
    assert missing.value.param == "ranking_options.ranker"
    with pytest.raises(Invalid):
        ask(key, store, ranker=EMBEDDER)
    assert bill() == before, "nothing is paid for what is refused"


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"error": "queue_full"},
        {"silent": True},
        {"status": 200, "body": {"id": "x", "results": [{"index": 0, "relevance_score": 0.5}]}},
        {"status": 200, "body": {"id": "x", "results": [{"index": 0}]}},
    ],
)
def test_a_model_that_fails_leaves_the_order_of_words_and_meaning(
    key: KeyFacts, store: StoreFacts, engine: FakeServer, settings: Settings, fault: dict[str, Any]
) -> None:
    settings.KNOWLEDGE_RERANK_SECONDS = 1
    plain = ask(key, store, ranker="none")
    engine.script(**fault)
    settings.KNOWLEDGE_RERANK_MODEL = RANKER
    found = ask(key, store)
    assert found.hits == plain.hits
    assert found.ranker == "" and found.ranker_failure
