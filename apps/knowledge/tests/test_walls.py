"""What one account's documents say is seen by that account alone: by every selector, and by the database itself."""

import pytest
from django.db import connection

from apps.accounts.tests.cast import Cast
from apps.common.errors import NotFound
from apps.keys.contracts import KeyFacts
from apps.knowledge import selectors, services
from apps.knowledge.contracts import StoreFacts, ToAttach, Wanted
from apps.knowledge.models import Passage, PassageVector, Term
from apps.knowledge.search import search_store
from apps.knowledge.tests.world import a_file, a_store, found, make_key, put, read_all, vector_of
from apps.knowledge.walls import within

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make_key(cast.northwind.id)


@pytest.fixture
def charlie(cast: Cast) -> KeyFacts:
    return make_key(cast.charlies.id)


@pytest.fixture
def store(key: KeyFacts) -> StoreFacts:
    store = a_store(key)
    put(key, store, "The moon is made of silver.")
    read_all()
    return store


def counted() -> tuple[int, int, int]:
    return Passage.objects.count(), PassageVector.objects.count(), Term.objects.count()


def test_the_database_shows_nobody_elses(key: KeyFacts, charlie: KeyFacts, store: StoreFacts) -> None:
    with within(key.account_id):
        assert all(counted())
    with within(charlie.account_id):
        assert counted() == (0, 0, 0)
        assert Passage.objects.update(text="stolen") == 0
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM knowledge_passage WHERE account_id = %s", [key.account_id])
            assert cursor.fetchone()[0] == 0


def test_without_a_name_nothing_is_shown_to_those_whom_walls_hold(store: StoreFacts) -> None:
    with within(0):
        assert counted() == (0, 0, 0)
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('artemis.account', '', true)")
        assert counted() == (0, 0, 0)


def test_the_walls_end_with_their_block(key: KeyFacts, charlie: KeyFacts, store: StoreFacts) -> None:
    with within(charlie.account_id), within(key.account_id):
        assert all(counted())
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role'), current_setting('artemis.account', true)")
        role, account = cursor.fetchone()
    assert role == "none" and not account


def test_no_selector_and_no_service_knows_it(charlie: KeyFacts, store: StoreFacts) -> None:
    names = {"account_id": charlie.account_id, "project_id": charlie.project_id}
    file_id = a_file(charlie, "Mine.")
    for call in (
        lambda: selectors.store_of_project(**names, public_id=store.public_id),
        lambda: selectors.documents_of_store(**names, store_id=store.public_id, limit=10),
        lambda: selectors.document_of_store(**names, store_id=store.public_id, file_id=file_id),
        lambda: selectors.text_of_document(**names, store_id=store.public_id, file_id=file_id),
        lambda: selectors.batch_of_store(**names, store_id=store.public_id, batch_id="vsfb_1"),
        lambda: services.change_store(**names, public_id=store.public_id, changes={"name": "Mine"}),
        lambda: services.delete_store(**names, public_id=store.public_id),
        lambda: services.remove(**names, store_id=store.public_id, file_id=file_id),
        lambda: services.change_attributes(**names, store_id=store.public_id, file_id=file_id, attributes={}),
        lambda: services.cancel_batch(**names, store_id=store.public_id, batch_id="vsfb_1"),
        lambda: services.attach(key=charlie, address="", store_id=store.public_id, file=ToAttach(file_id=file_id)),
        lambda: services.attach_batch(key=charlie, address="", store_id=store.public_id, files=[]),
    ):
        with pytest.raises(NotFound):
            call()
    assert selectors.stores_of_project(**names, limit=10) == ([], False)
    assert selectors.stores_by_name(account_id=charlie.account_id, name=store.public_id) == []


def test_somebody_elses_file_cannot_be_attached(key: KeyFacts, charlie: KeyFacts) -> None:
    mine = a_store(charlie)
    with pytest.raises(NotFound):
        put_id = a_file(key, "Secret.")
        services.attach(key=charlie, address="", store_id=mine.public_id, file=ToAttach(file_id=put_id))


def test_a_search_by_the_wrong_account_fails(charlie: KeyFacts, store: StoreFacts) -> None:
    with pytest.raises(Exception, match="matching query does not exist"):
        search_store(
            account_id=charlie.account_id,
            store_id=store.id,
            queries=["moon"],
            vectors=[vector_of("moon")],
            wanted=Wanted(),
        )


def test_stores_side_by_side_do_not_mix(key: KeyFacts, store: StoreFacts) -> None:
    other = a_store(key)
    put(key, other, "The sun is made of gold.")
    read_all()
    assert ["sun" in hit.text for hit in found(key, other, "moon silver sun")] == [True]
