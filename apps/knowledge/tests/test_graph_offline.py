"""A graph is built offline, read, followed by later documents, and forgets what a deleted one alone said."""

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.services import create_project
from apps.accounts.tests.cast import Cast
from apps.common.errors import Invalid, NotFound
from apps.keys.contracts import KeyFacts, KeyPolicy
from apps.keys.selectors import facts_of_secret
from apps.keys.services import create_key
from apps.keys.tokens import token_hash
from apps.knowledge import services as knowledge
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.graph import selectors, services
from apps.knowledge.models import Entity, Evidence, Graph, Mention, Relation, VectorStore
from apps.knowledge.tests.graphs import APPLE, CURIE, build, entities, named, relations, state, work
from apps.knowledge.tests.world import a_store, make_key, put, read_all
from apps.knowledge.walls import within

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


@pytest.fixture
def store(key: KeyFacts) -> StoreFacts:
    return a_store(key)


def rows(key: KeyFacts) -> list[int]:
    with within(key.account_id):
        return [model.objects.count() for model in (Entity, Mention, Relation, Evidence)]


def test_what_is_there_and_what_comes_later(key: KeyFacts, store: StoreFacts) -> None:
    put(key, store, CURIE)
    read_all()
    assert state(key, store).status == "none"
    assert build(key, store).progress.in_progress == 1
    work()
    assert state(key, store).status == "completed"
    assert {"Marie Curie", "Warsaw", "Pierre Curie", "Paris"} <= entities(key, store).keys()
    assert ("Marie Curie", "born in", "Warsaw") in relations(key, store)

    put(key, store, APPLE, name="apple.txt")
    read_all()
    assert state(key, store).progress.in_progress == 1
    work()
    found = relations(key, store)
    assert ("Apple", "acquire", "Beats Electronics") in found or ("Apple Inc.", "acquire", "Beats Electronics") in found
    assert entities(key, store)["Marie Curie"].type == "person"


def test_a_deleted_document_takes_along_what_only_it_said(key: KeyFacts, store: StoreFacts) -> None:
    put(key, store, CURIE)
    second = put(key, store, "Marie Curie was born in Warsaw. Marie Curie met Albert Einstein in Brussels.", "b.txt")
    read_all()
    build(key, store)
    work()
    both = rows(key)
    assert "Brussels" in entities(key, store) and entities(key, store)["Marie Curie"].documents == 2
    relation = relations(key, store)["Marie Curie", "meet", "Albert Einstein"].id
    knowledge.remove(**named(key, store), file_id=second)
    assert "Brussels" not in entities(key, store) and entities(key, store)["Marie Curie"].documents == 1
    with pytest.raises(NotFound):
        selectors.relation_of_store(**named(key, store), relation_id=relation)
    assert all("Einstein" not in name for said in relations(key, store) for name in said)
    knowledge.empty_deleted()
    after = rows(key)
    assert all(now < before for now, before in zip(after, both, strict=True))
    with within(key.account_id):
        assert not Entity.objects.filter(key__in=["brussels", "albert einstein"]).exists()
        assert not Relation.objects.exclude(evidence__isnull=False).exists()
    assert ("Marie Curie", "born in", "Warsaw") in relations(key, store)


def test_a_deleted_graph_and_a_deleted_store_leave_nothing(key: KeyFacts, store: StoreFacts) -> None:
    put(key, store, CURIE)
    read_all()
    build(key, store)
    work()
    services.delete_graph(**named(key, store))
    assert state(key, store).status == "none"
    with pytest.raises(NotFound):
        selectors.entities_of_store(**named(key, store), limit=1)
    knowledge.empty_deleted()
    assert rows(key) == [0, 0, 0, 0] and not Graph.objects.exists()
    build(key, store)
    work()
    assert rows(key)[0] > 3
    knowledge.delete_store(account_id=key.account_id, project_id=key.project_id, public_id=store.public_id)
    knowledge.empty_deleted()
    assert rows(key) == [0, 0, 0, 0] and not Graph.objects.exists()


def test_turned_off_it_stays_and_follows_nothing(key: KeyFacts, store: StoreFacts) -> None:
    put(key, store, CURIE)
    read_all()
    build(key, store)
    work()
    services.turn_off(**named(key, store))
    put(key, store, APPLE, name="apple.txt")
    read_all()
    work()
    assert state(key, store).method == "off" and "Warsaw" in entities(key, store)
    assert "Beats Electronics" not in entities(key, store)
    build(key, store)
    work()
    assert "Beats Electronics" in entities(key, store)


def test_another_project_finds_nothing(key: KeyFacts, store: StoreFacts, cast: Cast) -> None:
    put(key, store, CURIE)
    read_all()
    build(key, store)
    work()
    entity, relation = entities(key, store)["Warsaw"].id, next(iter(relations(key, store).values())).id
    project = create_project(account_id=cast.northwind.id, name="Other")
    issued = create_key(account_id=cast.northwind.id, project_slug=project.slug, name="Other", policy=KeyPolicy())
    other = facts_of_secret(secret_hash=token_hash(issued.secret))
    assert other
    here, some = named(other, store), {"since": 0, "limit": 5}
    for call in (
        lambda: selectors.graph_of_store(**here),
        lambda: selectors.documents_of_graph(**here, limit=5),
        lambda: selectors.entities_of_store(**here, limit=5),
        lambda: selectors.entity_of_store(**here, entity_id=entity),
        lambda: selectors.relations_of_store(**here, limit=5),
        lambda: selectors.relation_of_store(**here, relation_id=relation),
        lambda: selectors.picture_of_store(**here, limit=5),
        lambda: selectors.neighbourhood(**here, entity_id=entity, depth=1, limit=5),
        lambda: selectors.path_between(**here, start=entity, end=entity, longest=2),
        lambda: selectors.passages_of_entity(**here, entity_id=entity, **some),
        lambda: selectors.passages_of_relation(**here, relation_id=relation, **some),
        lambda: selectors.merges_of_store(**here, **some),
        lambda: build(other, store),
        lambda: services.turn_off(**here),
        lambda: services.delete_graph(**here),
        lambda: services.estimate(**here, model=None),
        lambda: services.merge_entities(key=other, store_id=store.public_id, kept=entity, gone=entity),
        lambda: services.undo_merge(**here, merge_id="mrg_1"),
    ):
        with pytest.raises(NotFound):
            call()


def test_an_expired_store_tells_nothing(key: KeyFacts, store: StoreFacts) -> None:
    put(key, store, CURIE)
    read_all()
    build(key, store)
    work()
    VectorStore.objects.update(expires_at=timezone.now())
    with pytest.raises(Invalid, match="expired"):
        selectors.entities_of_store(**named(key, store), limit=5)


def test_walls(key: KeyFacts, store: StoreFacts, cast: Cast) -> None:
    charlie = make_key(cast.charlies.id)
    put(key, store, CURIE)
    read_all()
    build(key, store)
    work()
    with within(charlie.account_id), connection.cursor() as cursor:
        for table in ("entity", "mention", "relation", "evidence", "merge"):
            cursor.execute(f"SELECT count(*) FROM knowledge_{table}")
            assert cursor.fetchone()[0] == 0, table
        assert Entity.objects.update(name="stolen") == 0
