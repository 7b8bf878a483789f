"""A search that goes on along the graph: what lies further on stands behind, says why, and takes a quarter at most."""

from dataclasses import replace

import pytest

from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import Hit, StoreFacts, Wanted
from apps.knowledge.services.widening import further_hits, together
from apps.knowledge.tests.graphs import build, work
from apps.knowledge.tests.world import a_store, found, make_key, put, read_all

pytestmark = pytest.mark.django_db(transaction=True)
TEXTS = {
    "cook.txt": "Tim Cook, the chief executive of Apple, lives in California.",
    "beats.txt": "Apple acquired Beats Electronics in 2014.",
    "dre.txt": "Beats Electronics was founded by Jimmy Iovine in Santa Monica.",
    "curie.txt": "Marie Curie was born in Warsaw.",
}
QUESTION = "Where does Tim Cook live?"


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


@pytest.fixture
def store(key: KeyFacts) -> StoreFacts:
    store = a_store(key)
    for name, text in TEXTS.items():
        put(key, store, text, name, attributes={"of": name})
    read_all()
    return store


def further(store: StoreFacts, hits: list[Hit], **options: object) -> list[Hit]:
    wanted = Wanted(**options)  # type: ignore[arg-type]
    return further_hits(store=store, queries=[QUESTION], hits=hits, wanted=wanted, most=10)


def test_what_is_further_on_says_why_and_stands_behind(key: KeyFacts, store: StoreFacts) -> None:
    hits = [hit for hit in found(key, store, QUESTION, most=4) if hit.filename == "cook.txt"]
    assert further(store, hits) == [], "there is no graph"
    build(key, store)
    work()
    on = further(store, hits)
    assert [hit.filename for hit in on] == ["beats.txt"]
    assert on[0].text == TEXTS["beats.txt"] and on[0].because.startswith("because Apple")
    assert on[0].score < hits[0].score and on[0].bm25 is None and on[0].cosine is None
    assert not further(store, hits, filters={"type": "ne", "key": "of", "value": "beats.txt"})


def test_another_account_is_led_nowhere(key: KeyFacts, store: StoreFacts, cast: Cast) -> None:
    build(key, store)
    work()
    other = a_store(make_key(cast.charlies.id))
    hits = found(key, store, QUESTION, most=1)
    assert further(other, hits) == []


def test_the_first_places_stay(key: KeyFacts, store: StoreFacts) -> None:
    hits = found(key, store, "Apple Beats Cook Curie", most=4)
    four = Wanted(most=4)
    assert together(hits, [], wanted=four) == hits
    on = replace(hits[0], text="Something else was said of the moon.", score=0.3, because="because …")
    assert together(hits, [on, replace(on, text="And of the sun, and of all stars.")], wanted=four) == [*hits[:3], on]
    assert together(hits, [replace(on, text=hits[1].text)], wanted=four) == hits, "it says nothing new"
    assert together(hits, [on], wanted=replace(four, score_threshold=0.4)) == hits, "it is not good enough"
