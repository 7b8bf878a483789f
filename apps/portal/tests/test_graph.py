"""The graph's pages: whose they are, what a role may, and what becomes of a store that has expired."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.graph import selectors
from apps.knowledge.models import Graph, VectorStore
from apps.knowledge.tests.graphs import CURIE, Oracle, build, entities, named, relations, work
from apps.knowledge.tests.world import a_store, make_key, put, read_all

pytestmark = pytest.mark.django_db(transaction=True)
STATED = {
    "entities": [{"name": name, "type": "person", "aliases": []} for name in ("Marie Curie", "Pierre Curie")],
    "relations": [{"subject": "Marie Curie", "relation": "worked with", "object": "Pierre Curie"}],
}
HOSTILE = {
    "entities": [{"name": "<b>Marie</b> Curie", "type": "person", "aliases": []}],
    "relations": [],
}


@pytest.fixture
def store(key: KeyFacts) -> StoreFacts:
    """With a graph that a model made, as far as it is known here."""
    store = a_store(key, "Lives")
    put(key, store, CURIE)
    read_all()
    build(key, store)
    Graph.objects.update(method="model", model="oracle")
    work(Oracle(STATED))
    return store


def home(store: StoreFacts, path: str = "", slug: str = "northwind") -> str:
    return f"/a/{slug}/knowledge/{store.public_id}/graph/{path}"


def test_what_is_known_is_shown_and_walked(alice: Client, key: KeyFacts, store: StoreFacts) -> None:
    page = alice.get(home(store)).content.decode()
    assert "Marie Curie" in page and "Up to date" in page and "oracle" in page
    marie = entities(key, store)["Marie Curie"]
    drawn = alice.get(home(store, f"picture/?entity={marie.id}")).json()
    assert {node["label"] for node in drawn["nodes"]} == {"Marie Curie", "Pierre Curie"}
    assert [edge["label"] for edge in drawn["edges"]] == ["worked with"]
    panel = alice.get(home(store, f"entities/{marie.id}/"), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in panel and "worked with" in panel
    (relation,) = relations(key, store).values()
    assert CURIE in alice.get(home(store, f"relations/{relation.id}/")).content.decode()
    way = alice.get(home(store, "path/?from=Pierre+Curie&to=Marie+Curie")).content.decode()
    assert "1 step" in way
    assert "No passage names “Nobody”" in alice.get(home(store, "path/?from=Nobody&to=Marie+Curie")).content.decode()


def test_another_account_finds_nothing(
    cast: Cast, signed_in: Callable[[User], Client], key: KeyFacts, store: StoreFacts
) -> None:
    charlie = signed_in(cast.charlie)
    marie = entities(key, store)["Marie Curie"]
    (relation,) = relations(key, store).values()
    own = a_store(make_key(cast.charlies.id), "Own")
    build(make_key(cast.charlies.id), own)
    for path in (
        "",
        "picture/",
        "progress/",
        "estimate/",
        "path/",
        f"entities/{marie.id}/",
        f"relations/{relation.id}/",
    ):
        assert charlie.get(home(store, path)).status_code == 404, path
        assert charlie.get(home(store, path, cast.charlies.slug)).status_code == 404, path
    for path in (f"entities/{marie.id}/", f"relations/{relation.id}/", f"picture/?entity={marie.id}"):
        assert charlie.get(home(own, path, cast.charlies.slug)).status_code == 404, path
    for path in ("build/", "stop/", "delete/", f"entities/{marie.id}/merge/", "merges/mrg_1/undo/"):
        assert charlie.post(home(store, path, cast.charlies.slug)).status_code == 404, path
    assert selectors.graph_of_store(**named(key, store)).method == "model"


def test_a_viewer_looks_and_changes_nothing(cast: Cast, signed_in: Callable[[User], Client], store: StoreFacts) -> None:
    viewer = signed_in(cast.join("viewer"))
    page = viewer.get(home(store)).content.decode()
    assert "Marie Curie" in page and "Turn off" not in page
    for path in ("build/", "stop/", "delete/", "merges/mrg_1/undo/"):
        assert viewer.post(home(store, path)).status_code == 403, path


def test_a_model_that_is_gone_deletes_no_graph(alice: Client, key: KeyFacts, store: StoreFacts) -> None:
    alice.post(home(store, "stop/"))
    page = alice.post(home(store, "build/"), {"by": "oracle"}, follow=True).content.decode()
    assert "not on offer any more" in page
    assert "Marie Curie" in entities(key, store)


def test_an_expired_stores_graph_is_told_of_and_can_be_deleted(alice: Client, key: KeyFacts, store: StoreFacts) -> None:
    VectorStore.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    for path in ("", "picture/", "path/?from=a&to=b"):
        answer = alice.get(home(store, path))
        assert answer.status_code == 403 and "has expired" in answer.content.decode(), path
    assert alice.get(home(store, "delete/")).status_code == 200
    alice.post(home(store, "delete/"))
    assert not Graph.objects.filter(deleted_at=None).exists()


def test_names_are_text(alice: Client, key: KeyFacts) -> None:
    store = a_store(key, "Hostile")
    put(key, store, "Here stands <b>Marie</b> Curie, and nothing else.")
    read_all()
    build(key, store)
    Graph.objects.update(method="model", model="oracle")
    work(Oracle(HOSTILE))
    page = alice.get(home(store)).content.decode()
    assert "<b>Marie" not in page and "Marie" in page
