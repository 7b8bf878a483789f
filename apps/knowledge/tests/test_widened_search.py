"""A search that goes on along the graph: what lies further on stands behind, says why, and takes a quarter at most."""

import pytest

from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import Hit, StoreFacts, Wanted
from apps.knowledge.services.widening import SHARE, further_hits, together
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
    best, worst = together(hits[:3], hits[3:], most=4), together(hits, hits[:0], most=4)
    assert best == hits and worst == hits
    assert together(hits, hits[3:], most=SHARE)[: SHARE - 1] == hits[:3]
