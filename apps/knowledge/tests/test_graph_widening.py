"""A search goes on along the graph: further passages with a reason, within a budget, of the same store and filter."""

import pytest

from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyFacts
from apps.knowledge import services as knowledge
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.graph.contracts import Widened
from apps.knowledge.graph.widening import widened
from apps.knowledge.models import Passage, StoreFile
from apps.knowledge.tests.graphs import build, named, work
from apps.knowledge.tests.world import a_store, make_key, put, read_all
from apps.knowledge.walls import within

pytestmark = pytest.mark.django_db(transaction=True)
TEXTS = {
    "cook.txt": "Tim Cook, the chief executive of Apple, lives in California.",
    "beats.txt": "Apple acquired Beats Electronics in 2014.",
    "dre.txt": "Beats Electronics was founded by Jimmy Iovine in Santa Monica.",
    "curie.txt": "Marie Curie was born in Warsaw.",
}


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


@pytest.fixture
def files(key: KeyFacts, store: StoreFacts) -> dict[str, str]:
    found = {name: put(key, store, text, name) for name, text in TEXTS.items()}
    read_all()
    build(key, store)
    work()
    return found


@pytest.fixture
def store(key: KeyFacts) -> StoreFacts:
    return a_store(key)


def passages(key: KeyFacts) -> dict[str, int]:
    with within(key.account_id):
        return dict(Passage.objects.values_list("document__file__name", "pk"))


def widen(key: KeyFacts, store: StoreFacts, question: str, *found: str, **options: object) -> list[Widened]:
    numbers = passages(key)
    return widened(
        account_id=key.account_id,
        store_id=store.id,
        question=question,
        passages=[(numbers[name], 0.8) for name in found],
        **{"most_tokens": 1000, **options},  # type: ignore[arg-type]
    )


def test_the_question_and_the_first_passages_lead_on(key: KeyFacts, store: StoreFacts, files: dict[str, str]) -> None:
    numbers = passages(key)
    found = widen(key, store, "Which company did Tim Cook's firm buy?", "cook.txt")
    assert found[0].passage_id == numbers["beats.txt"]
    assert found[0].because == ("Apple", "acquire", "Beats Electronics")
    assert found[0].reason.startswith("because Apple ")
    assert 0 < found[0].score < 0.8
    assert numbers["curie.txt"] not in {one.passage_id for one in found}
    assert numbers["cook.txt"] not in {one.passage_id for one in found}, "what was found is not found again"
    by_question = widen(key, store, "Where was Marie Curie born?")
    assert by_question[0].because == ("Marie Curie", "born in", "Warsaw")
    assert widen(key, store, "What is the weather?") == []


def test_it_keeps_within_budget_and_filter(key: KeyFacts, store: StoreFacts, files: dict[str, str]) -> None:
    question = "What does Beats Electronics have to do with Apple?"
    found = widen(key, store, question)
    assert len(found) == 3
    first = found[0].tokens
    assert [one.passage_id for one in widen(key, store, question, most_tokens=first)] == [found[0].passage_id]
    assert widen(key, store, question, most_tokens=1) == []
    assert len(widen(key, store, question, most=2)) == 2
    only = StoreFile.objects.get(file__public_id=files["dre.txt"]).pk
    assert {one.passage_id for one in widen(key, store, question, documents=[only])} == {passages(key)["dre.txt"]}
    assert widen(key, store, question, documents=[]) == []


def test_deleted_documents_and_others_stores_lead_nowhere(
    key: KeyFacts, store: StoreFacts, files: dict[str, str], cast: Cast
) -> None:
    question = "Where was Marie Curie born?"
    stranger = make_key(cast.charlies.id)
    for account, where in ((stranger.account_id, store.id), (stranger.account_id, a_store(stranger).id)):
        assert not widened(account_id=account, store_id=where, question=question, passages=[], most_tokens=1000)
    assert widen(key, a_store(key), question) == []
    knowledge.remove(**named(key, store), file_id=files["curie.txt"])
    assert widen(key, store, question) == []
