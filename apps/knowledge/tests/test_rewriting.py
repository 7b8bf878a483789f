"""Questions are rewritten by the model that the platform names; where that cannot be, they are asked as they are."""

import secrets
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import Question, Results, StoreFacts, Wanted
from apps.knowledge.selectors import store_of_project
from apps.knowledge.services import find
from apps.knowledge.tests.house import CHATTER, RANKER, asked, at_work, embedder, engine, read_by_the_gateway
from apps.knowledge.tests.world import a_store, make_key, put
from apps.usage.models import UsageEvent
from apps.usage.services import drain_events
from inference.fake.control import FakeServer

__all__ = ["embedder", "engine"]
pytestmark = pytest.mark.django_db(transaction=True)
QUESTION = "Hello! Could you please tell me who it is that sleeps under the oak?"


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


@pytest.fixture
def store(key: KeyFacts, embedder: FakeServer, engine: FakeServer) -> StoreFacts:
    store = a_store(key)
    put(key, store, "Under the old oak somebody sleeps.")
    read_by_the_gateway()
    return store_of_project(account_id=key.account_id, project_id=key.project_id, public_id=store.public_id)


def ask(key: KeyFacts, store: StoreFacts, *queries: str) -> Results:
    question = Question(
        key=key,
        address="127.0.0.1",
        request_id=f"req_test_{secrets.token_hex(8)}",
        stores=[store],
        queries=queries or [QUESTION],
        wanted=Wanted(rewrites=True),
        counted=False,
    )
    return at_work(find(question))


def test_the_query_is_what_the_model_answers(
    key: KeyFacts, store: StoreFacts, embedder: FakeServer, engine: FakeServer, settings: Settings
) -> None:
    settings.KNOWLEDGE_REWRITE_MODEL = CHATTER
    engine.script(texts=("<think>Who", " sleeps?</think>\n\n", "“sleeper under ", "the oak”\n", "That is it."))
    found = ask(key, store)
    assert found.queries == ["sleeper under the oak"]
    assert asked(embedder, "/v1/embeddings")[-1]["input"] == found.queries
    (body,) = asked(engine, "/v1/chat/completions")
    assert body["messages"][-1]["content"] == QUESTION and body["chat_template_kwargs"] == {"enable_thinking": False}
    drain_events()
    (paid,) = UsageEvent.objects.filter(endpoint="chat.completions")
    assert paid.request_id.endswith("_rw0") and paid.cost > 0


def test_each_of_several(key: KeyFacts, store: StoreFacts, engine: FakeServer, settings: Settings) -> None:
    settings.KNOWLEDGE_REWRITE_MODEL = CHATTER
    engine.script(match="oak", texts=("oak",))
    engine.script(match="elm", status=500)
    assert ask(key, store, "Who is at the oak?", "Who is at the elm?").queries == ["oak", "Who is at the elm?"]


@pytest.mark.parametrize("model", ["", "nobody", RANKER])
def test_without_a_model_for_it(key: KeyFacts, store: StoreFacts, settings: Settings, model: str) -> None:
    settings.KNOWLEDGE_REWRITE_MODEL = model
    found = ask(key, store)
    assert found.queries == [QUESTION] and found.hits


@pytest.mark.parametrize("fault", [{"status": 500}, {"texts": ("", " \n")}, {"texts": ("<think>", "Hm, let me see")}])
def test_a_model_that_fails(
    key: KeyFacts, store: StoreFacts, engine: FakeServer, settings: Settings, fault: dict[str, Any]
) -> None:
    settings.KNOWLEDGE_REWRITE_MODEL = CHATTER
    engine.script(**fault)
    found = ask(key, store)
    assert found.queries == [QUESTION] and found.hits
