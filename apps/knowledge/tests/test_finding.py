"""A question to several stores, and to one whose model changes under it."""

import secrets

import pytest

from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import Question, Results, StoreFacts, Wanted
from apps.knowledge.selectors import store_of_project
from apps.knowledge.services import change_store, find
from apps.knowledge.tests.house import (
    EMBEDDER,
    SECOND_EMBEDDER,
    asked,
    at_work,
    embedder,
    read_by_the_gateway,
    reembed_by_the_gateway,
)
from apps.knowledge.tests.world import a_store, make_key, put
from inference.fake.control import FakeServer

__all__ = ["embedder"]
pytestmark = pytest.mark.django_db(transaction=True)
OAK = "Under the old oak by the river somebody sleeps all day and all night long."
ELM = "Under the young elm on the hill nobody has been seen since the summer began."


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


def now(key: KeyFacts, store: StoreFacts) -> StoreFacts:
    return store_of_project(account_id=key.account_id, project_id=key.project_id, public_id=store.public_id)


def ask(key: KeyFacts, *stores: StoreFacts, **wanted: object) -> Results:
    question = Question(
        key=key,
        address="127.0.0.1",
        request_id=f"req_test_{secrets.token_hex(8)}",
        stores=stores,
        queries=["who sleeps under the oak"],
        wanted=Wanted(**wanted),  # type: ignore[arg-type]
        counted=False,
    )
    return at_work(find(question))


def test_what_two_stores_both_have_is_found_once(key: KeyFacts, embedder: FakeServer) -> None:
    stores = [a_store(key, name) for name in ("One", "Two")]
    for store, texts in zip(stores, ((OAK,), (OAK, ELM)), strict=True):
        for text in texts:
            put(key, store, text, f"{text[10:15]}.txt")
    read_by_the_gateway()
    facts = [now(key, store) for store in stores]
    before = len(asked(embedder, "/v1/embeddings"))
    found = ask(key, *facts, a_store(key, "Empty"))
    assert sorted(hit.text for hit in found.hits) == [OAK, ELM] and found.duplicates == 1
    assert len(asked(embedder, "/v1/embeddings")) == before + 1, "stores of one model share the question's vector"
    assert len(ask(key, *facts, is_distinct=False).hits) == 3


def test_a_model_that_changes_before_the_search(key: KeyFacts, embedder: FakeServer) -> None:
    store = a_store(key)
    put(key, store, OAK)
    read_by_the_gateway()
    seen_before = now(key, store)
    change_store(
        account_id=key.account_id,
        project_id=key.project_id,
        public_id=store.public_id,
        changes={},
        model=SECOND_EMBEDDER,
        key=key,
        address="127.0.0.1",
    )
    reembed_by_the_gateway()
    found = ask(key, seen_before)
    assert [hit.text for hit in found.hits] == [OAK]
    models = [body["model"] for body in asked(embedder, "/v1/embeddings")]
    assert models == [EMBEDDER, SECOND_EMBEDDER, EMBEDDER, SECOND_EMBEDDER]
