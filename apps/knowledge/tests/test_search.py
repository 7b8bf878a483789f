"""Scores, filters and weights of a search."""

import math
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.accounts.tests.cast import Cast
from apps.common.errors import Invalid
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import StoreFacts, Weights
from apps.knowledge.models import VectorStore
from apps.knowledge.search import lexical
from apps.knowledge.search.fusion import fused
from apps.knowledge.search.indexing import drop_index, has_index, index_large_stores
from apps.knowledge.search.scope import scope_of
from apps.knowledge.search.vectors import nearest
from apps.knowledge.services import create_store
from apps.knowledge.tests.world import a_store, found, make_key, put, read_all, vector_of
from apps.knowledge.walls import within

pytestmark = pytest.mark.django_db(transaction=True)
NOTES: list[tuple[str, dict[str, Any]]] = [
    ("The wolf hunts by night in the old forest.", {"year": 1999, "kind": "myth", "checked": True}),
    ("The wolf and the fox share a den; the fox talks.", {"year": 2005, "kind": "tale", "checked": False}),
    ("A stag crosses the river at dawn, far from wolves.", {"year": 2010, "kind": "myth"}),
    ("Nothing of animals stands here, only stones.", {"year": "2010"}),
    ("Stones, rivers, stones, and the river of stones.", {}),
]


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


@pytest.fixture
def store(key: KeyFacts) -> StoreFacts:
    store = a_store(key)
    for number, (text, attributes) in enumerate(NOTES):
        put(key, store, text, f"{number}.txt", attributes=attributes)
    read_all()
    return store


def names(key: KeyFacts, store: StoreFacts, query: str, **options: Any) -> list[str]:
    return [hit.filename[0] for hit in found(key, store, query, **options)]


def reckoned(query: str, texts: list[list[str]]) -> list[float]:
    """BM25 as the textbook has it, of words already stemmed."""
    average = sum(map(len, texts)) / len(texts)
    scores = []
    for text in texts:
        score = 0.0
        for word in query.split():
            having = sum(word in other for other in texts)
            idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
            frequency = text.count(word)
            score += idf * frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * len(text) / average))
        scores.append(score)
    return scores


def test_bm25_is_the_textbooks(key: KeyFacts, store: StoreFacts) -> None:
    stemmed = [
        ["wolf", "hunt", "night", "old", "forest"],
        ["wolf", "fox", "share", "den", "fox", "talk"],
        ["stag", "cross", "river", "dawn", "far", "wolv"],
        ["noth", "anim", "stand", "stone"],
        ["stone", "river", "stone", "river", "stone"],
    ]
    expected = reckoned("wolf river stone", stemmed)
    hits = found(key, store, "wolf river stone", most=50)
    scores = {int(hit.filename[0]): hit.bm25 or 0.0 for hit in hits}
    assert scores == pytest.approx(dict(enumerate(expected)))


def test_frequent_words_are_read_in_part_and_scored_whole(key: KeyFacts, store: StoreFacts) -> None:
    query = "fox wolf river stone"
    whole = {hit.passage_id: hit.bm25 for hit in found(key, store, query, most=50)}
    with within(key.account_id):
        scope = scope_of(VectorStore.objects.get(), None)
        terms = lexical.terms_of(scope, query)
        best = lexical.best_by_words(scope, terms, 10, most_read=1, best=1)
        scores = lexical.bm25(scope, terms, list(best))
    assert next(iter(best)) == max(scores, key=lambda one: scores[one])
    assert best == pytest.approx(scores)
    assert best == pytest.approx({passage: whole[passage] for passage in scores})


def test_a_filter_that_lets_few_through_leaves_none_of_them_out(key: KeyFacts, store: StoreFacts) -> None:
    """Whether passages are told apart before they are ranked, or after so many as are enough as a rule."""
    query = "fox wolf river stone"
    late = {"type": "gte", "key": "year", "value": 2010}
    with within(key.account_id):
        row = VectorStore.objects.get()
        scope, every = scope_of(row, late), scope_of(row, None)
        terms = lexical.terms_of(scope, query)
        narrow = lexical.best_by_words(scope, terms, 10)
        # One of a thousand, as far as is known: too few are ranked at first, and then all.
        wide = lexical.best_by_words(replace(scope, within=lexical.FEW + 1, passages=1), terms, 1)
        exact = lexical.bm25(every, terms, list(narrow))
    assert narrow == pytest.approx(exact) and len(narrow) == 1
    assert list(wide) == list(narrow)


def test_weights_choose_between_words_and_meaning(key: KeyFacts, store: StoreFacts) -> None:
    words = found(key, store, "fox", weights=Weights(embedding=0, text=1))
    assert [hit.filename for hit in words] == ["1.txt"] and words[0].score == 1
    meaning = found(key, store, "fox", weights=Weights(embedding=1, text=0))
    assert len(meaning) == len(NOTES) and meaning[0].score == 1 and meaning[-1].score == 0
    assert [hit.cosine for hit in meaning] == sorted((hit.cosine or 0 for hit in meaning), reverse=True)


def test_scores_are_scaled_and_the_threshold_holds(key: KeyFacts, store: StoreFacts) -> None:
    hits = found(key, store, "fox wolf", most=50)
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len(found(key, store, "fox wolf", most=50, score_threshold=0.5)) < len(hits)
    assert fused({1: 2.0, 2: 1.0}, {1: 0.9, 2: 0.1}, Weights(embedding=3, text=1)) == {1: 1.0, 2: 0.125}
    assert fused({}, {}, Weights()) == {}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"type": "eq", "key": "kind", "value": "myth"}, "02"),
        ({"type": "ne", "key": "kind", "value": "myth"}, "134"),
        ({"type": "gt", "key": "year", "value": 1999}, "12"),
        ({"type": "gte", "key": "year", "value": 1999}, "012"),
        ({"type": "lt", "key": "year", "value": 2005.5}, "01"),
        ({"type": "lte", "key": "year", "value": "2010"}, "3"),
        ({"type": "in", "key": "year", "value": [1999, 2005, "2010"]}, "013"),
        ({"type": "nin", "key": "kind", "value": ["myth"]}, "134"),
        ({"type": "eq", "key": "checked", "value": True}, "0"),
        ({"type": "eq", "key": "year", "value": 2010.0}, "2"),
        ({"type": "eq", "key": "a'b\"c%s__x", "value": "1"}, ""),
        (
            {
                "type": "or",
                "filters": [
                    {"type": "eq", "key": "checked", "value": False},
                    {
                        "type": "and",
                        "filters": [
                            {"type": "eq", "key": "kind", "value": "myth"},
                            {"type": "gt", "key": "year", "value": 2000},
                        ],
                    },
                ],
            },
            "12",
        ),
    ],
)
def test_filters(key: KeyFacts, store: StoreFacts, filters: dict[str, Any], expected: str) -> None:
    assert "".join(sorted(names(key, store, "wolf stone river", filters=filters, most=50))) == expected


@pytest.mark.parametrize(
    "filters",
    [
        {"type": "near", "key": "a", "value": 1},
        {"type": "eq", "key": "a"},
        {"type": "eq", "key": 1, "value": 1},
        {"type": "eq", "key": "a", "value": None},
        {"type": "eq", "key": "a", "value": [1]},
        {"type": "in", "key": "a", "value": "a"},
        {"type": "gt", "key": "a", "value": True},
        {"type": "and", "filters": []},
        {"type": "and", "filters": [1]},
        {"type": ["eq"], "key": "a", "value": 1},
        {"type": "and", "filters": [{"type": "eq", "key": "a", "value": 1}] * 65},
    ],
)
def test_filters_that_cannot_be(key: KeyFacts, store: StoreFacts, filters: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        found(key, store, "wolf", filters=filters)
    assert refused.value.param == "filters"


def test_an_empty_store_and_words_that_nobody_wrote(key: KeyFacts, store: StoreFacts) -> None:
    assert found(key, a_store(key), "wolf") == []
    assert found(key, store, "zyzzyva", weights=Weights(embedding=0, text=1)) == []
    assert found(key, store, "the of and", weights=Weights(embedding=0, text=1)) == []
    assert len(found(key, store, "' & | ! <-> :* \\ %s", most=3)) == 3


def test_an_index_finds_what_comparing_each_finds(key: KeyFacts, store: StoreFacts, settings: Settings) -> None:
    settings.KNOWLEDGE_INDEX_FROM = 1
    assert index_large_stores() == 1 and index_large_stores() == 0
    vector = vector_of("the fox in its den")
    with within(key.account_id):
        row = VectorStore.objects.get()
        whole, myths = (scope_of(row, filters) for filters in (None, {"type": "eq", "key": "kind", "value": "myth"}))
        for scope in (whole, myths):
            assert scope.is_small
            large = replace(scope, within=10**6)
            assert not large.is_small
            exact = nearest(scope, vector, 50)
            assert nearest(large, vector, 50) == exact
        assert len(exact) == 2
    drop_index(row)


def test_indexes_from_before_models_were_in_their_names_get_one(key: KeyFacts, settings: Settings) -> None:
    """What the migration 0004_reembedding does, there and back."""
    rename = import_module("apps.knowledge.migrations.0004_reembedding").RENAME
    settings.KNOWLEDGE_INDEX_FROM = 0
    store = a_store(key)
    put(key, store, "The wolf hunts.")
    read_all()
    assert index_large_stores() == 1 and has_index(store.id, store.embedding_model)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(rename.format(old="named", new="plain"))
        assert not has_index(store.id, store.embedding_model)
        cursor.execute(rename.format(old="plain", new="named"))
    assert has_index(store.id, store.embedding_model)
    drop_index(VectorStore.objects.get())
    assert not has_index(store.id, store.embedding_model)


def test_a_search_puts_off_a_stores_end(key: KeyFacts) -> None:
    store = create_store(key=key, address="", embedding_model="luna", expires_days=3)
    found(key, store, "fox")
    rows = VectorStore.objects.filter(pk=store.id)
    assert rows.get().last_active_at == store.last_active_at, "not at each search: that would cost a commit"
    rows.update(last_active_at=timezone.now() - timedelta(hours=1), expires_at=timezone.now() + timedelta(days=2))
    found(key, store, "fox")
    row = rows.get()
    assert timezone.now() - row.last_active_at < timedelta(minutes=1)
    assert row.expires_at == row.last_active_at + timedelta(days=3)
