"""Vector stores on the portal: their lists, files and passages, and what is done with them."""

import re
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.accounts.models import User
from apps.accounts.services import create_project
from apps.accounts.tests.cast import Cast
from apps.files.models import StoredFile
from apps.keys.contracts import KeyFacts
from apps.keys.services import revoke_key
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.extraction import Passage
from apps.knowledge.models import StoreFile, VectorStore
from apps.knowledge.services import create_store
from apps.knowledge.tests.world import a_store, make_key, put
from apps.portal.tests.shelf import HOSTILE, MOON, shelve


@pytest.fixture
def store(key: KeyFacts) -> StoreFacts:
    return a_store(key, "Sky")


def home(store: StoreFacts) -> str:
    return f"/a/northwind/knowledge/{store.public_id}/"


def shown(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def test_a_list_of_all_projects_or_of_one(alice: Client, cast: Cast, key: KeyFacts, store: StoreFacts) -> None:
    assert "No vector stores" not in shown(alice, "/a/northwind/knowledge/")
    create_project(account_id=cast.northwind.id, name="Game")
    assert "Sky" in shown(alice, "/a/northwind/knowledge/?project=default")
    assert "No vector stores in this project" in shown(alice, "/a/northwind/knowledge/?project=game")


def test_a_store_needs_an_active_key(alice: Client, cast: Cast, key: KeyFacts) -> None:
    assert "No embedding model is on offer" in shown(alice, "/a/northwind/knowledge/new/")
    revoke_key(account_id=cast.northwind.id, public_id=key.public_id)
    assert "no key of this account is active" in shown(alice, "/a/northwind/knowledge/new/")
    page = alice.post("/a/northwind/knowledge/new/", {"name": "Sky", "key": key.public_id, "embedding_model": "luna"})
    assert b"not one of the available choices" in page.content
    assert not VectorStore.objects.exists()


def test_a_store_of_somebody_elses_key_is_not_made(alice: Client, cast: Cast, key: KeyFacts) -> None:
    foreign = make_key(cast.charlies.id)
    page = alice.post("/a/northwind/knowledge/new/", {"name": "S", "key": foreign.public_id, "embedding_model": "luna"})
    assert b"not one of the available choices" in page.content


def test_deleting_asks_first(alice: Client, store: StoreFacts) -> None:
    assert "Delete “Sky”?" in shown(alice, f"{home(store)}delete/")
    assert VectorStore.objects.filter(deleted_at=None).exists()
    assert alice.post(f"{home(store)}delete/").status_code == 302
    assert alice.get(home(store)).status_code == 404


def test_files_are_uploaded_several_at_once(alice: Client, cast: Cast, store: StoreFacts) -> None:
    files = [SimpleUploadedFile(name, text) for name, text in (("a.txt", b"One."), ("b.txt", b"Two."), ("c.txt", b""))]
    page = alice.post(f"{home(store)}upload/", {"chosen": files}, follow=True).content.decode()
    assert "2 files are being read." in page and "“c.txt”: The file is empty." in page
    kept = StoredFile.objects.filter(account_id=cast.northwind.id).values_list("name", "purpose")
    assert set(kept) == {("a.txt", "assistants"), ("b.txt", "assistants")}
    assert StoreFile.objects.count() == 2 and "Being read" in page
    assert b"This field is required" in alice.post(f"{home(store)}upload/", follow=True).content


def test_a_file_that_the_store_does_not_take_is_not_kept(alice: Client, store: StoreFacts, settings: Settings) -> None:
    settings.KNOWLEDGE_MAX_DOCUMENTS = 1
    files = [SimpleUploadedFile(f"{number}.txt", b"Text.") for number in range(2)]
    page = alice.post(f"{home(store)}upload/", {"chosen": files}, follow=True).content.decode()
    assert "1 file is being read." in page and "holds at most 1 files" in page
    assert StoredFile.objects.count() == StoreFile.objects.count() == 1


def test_each_state_says_what_it_is(alice: Client, key: KeyFacts, store: StoreFacts) -> None:
    names = ("completed", "embedding", "failed", "reading")
    for name in names:
        shelve(store, put(key, store, "Text.", f"{name}.txt", attributes={"year": 1999}), MOON, HOSTILE, until=name)
    StoreFile.objects.filter(stage="embedding", status="in_progress").update(passages_done=1, waits_for="A <limit>.")
    page = shown(alice, home(store))
    assert "There is no text in this file: is it a scan?" in page
    assert "1 of 2 passages" in page and 'value="1"' in page and "Waits: A &lt;limit&gt;." in page
    assert page.count("Try again") == 1 and page.count(">year</span> 1999") == 4
    assert "failed.txt" not in shown(alice, f"{home(store)}?status=completed")
    assert "completed.txt" not in shown(alice, f"{home(store)}?status=failed")


def test_progress_renews_itself_until_all_is_done(alice: Client, key: KeyFacts, store: StoreFacts) -> None:
    file_id = put(key, store, "Text.")
    page = shown(alice, home(store))
    (path,) = re.findall(r'data-poll hx-get="([^"]+)"', page)
    path = path.replace("&amp;", "&")
    assert alice.get(path).status_code == 204
    shelve(store, file_id, MOON)
    part = shown(alice, path)
    assert "data-poll" not in part and 'data-announce="1 of 1 files ready"' in part and "hx-swap-oob" in part
    assert "<html" not in part


def test_a_long_list_has_pages(
    alice: Client, key: KeyFacts, store: StoreFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.portal.views.knowledge.store_files.A_PAGE", 2)
    for number in range(3):
        put(key, store, "Text.", f"{number}.txt")
    page = shown(alice, home(store))
    assert "0.txt" not in page
    (older,) = re.findall(r'href="(\?after=[^"]+)"', page)
    page = shown(alice, home(store) + older)
    assert "0.txt" in page and "1.txt" not in page and "Newest" in page
    assert alice.get(f"{home(store)}?after=file-nobodys").status_code == 404


def test_a_failed_file_is_tried_again_as_it_was(alice: Client, key: KeyFacts, store: StoreFacts) -> None:
    file_id = put(key, store, "Text.", attributes={"year": 1999})
    shelve(store, file_id, until="failed")
    path = f"{home(store)}files/{file_id}/retry/"
    assert "is read again" in alice.post(path, follow=True).content.decode()
    row = StoreFile.objects.get(deleted_at=None)
    assert (row.status, row.attributes, row.max_tokens) == ("in_progress", {"year": 1999}, 100)
    shelve(store, file_id, until="failed")
    StoredFile.objects.update(deleted_at=row.created_at)
    assert "There is no file" in alice.post(path, follow=True).content.decode()


def test_removing_a_file_asks_first(alice: Client, key: KeyFacts, store: StoreFacts) -> None:
    file_id = put(key, store, "Text.", "old.txt")
    assert "Remove “old.txt”?" in shown(alice, f"{home(store)}files/{file_id}/remove/")
    assert "old.txt" in shown(alice, home(store))
    alice.post(f"{home(store)}files/{file_id}/remove/")
    assert "No files yet" in shown(alice, home(store)).replace("“old.txt”", "")


def test_a_passage_has_a_place_of_its_own(alice: Client, key: KeyFacts, store: StoreFacts) -> None:
    file_id = put(key, store, "Text.", "sky.pdf")
    many = [Passage(f"Passage number {number}.", (), None, 4) for number in range(60)]
    shelve(store, file_id, MOON, HOSTILE, *many)
    path = f"{home(store)}files/{file_id}/"
    page = shown(alice, path)
    assert 'id="p-0"' in page and "<span>Sky</span><span>Moon</span>" in page and "page 3" in page
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert 'id="p-30"' not in page
    page = shown(alice, f"{path}?at=30")
    assert 'id="p-30"' in page and 'id="p-0"' not in page
    assert 'id="p-61"' in shown(alice, f"{path}?at=999999999")
    for odd in ("-1", "x", "9" * 30, "³", ""):
        assert 'id="p-0"' in shown(alice, f"{path}?at={odd}")


@pytest.mark.django_db(transaction=True)
def test_what_must_not_spend_does_not_search(
    alice: Client, cast: Cast, key: KeyFacts, store: StoreFacts, signed_in: Callable[[User], Client]
) -> None:
    """No gateway runs here: whatever asked it for a vector would fail."""
    shelve(store, put(key, store, "Text."), MOON)
    path = f"{home(store)}search/?q=moon"
    with pytest.raises(RuntimeError, match="the gateway was not started"):
        alice.get(path)
    linked = alice.get(path, headers={"Sec-Fetch-Site": "cross-site"}).content.decode()
    assert 'value="moon"' in linked and "passages" not in linked.partition("<form")[2]
    page = shown(signed_in(cast.join("viewer")), path)
    assert "Your role (viewer) does not search" in page and "<fieldset" in page and "disabled" in page
    assert "This field is required" in shown(alice, f"{home(store)}search/?q=")
    VectorStore.objects.update(expires_at=timezone.now())
    assert "This store has expired" in shown(alice, path) and "This store has expired" in shown(alice, home(store))


def test_an_empty_store_is_searched_for_nothing(alice: Client, store: StoreFacts) -> None:
    assert "There is nothing in this store that can be searched yet." in shown(alice, f"{home(store)}search/?q=moon")


def test_names_bring_no_code(alice: Client, key: KeyFacts) -> None:
    code = "<script>alert(1)</script>"
    store = create_store(
        key=key, address="", embedding_model="luna", name=code, description=code, metadata={code: code}
    )
    file_id = put(key, store, "Text.", f"{code}.txt", attributes={code: code})
    shelve(store, file_id, HOSTILE)
    for path in (
        "/a/northwind/knowledge/", home(store), f"{home(store)}delete/", f"{home(store)}search/?q={code}",
        f"{home(store)}files/{file_id}/", f"{home(store)}files/{file_id}/remove/",
    ):  # fmt: skip
        assert code not in alice.get(path, headers={"Sec-Fetch-Site": "cross-site"}).content.decode(), path


def test_what_is_not_ones_own_is_not_there(
    cast: Cast, key: KeyFacts, store: StoreFacts, signed_in: Callable[[User], Client]
) -> None:
    file_id = put(key, store, "Text.")
    shelve(store, file_id, MOON)
    mine = a_store(make_key(cast.charlies.id))
    charlie = signed_in(cast.charlie)
    assert "Sky" not in shown(charlie, "/a/charlie/knowledge/")
    foreign, own = store.public_id, mine.public_id
    for path in (
        f"{foreign}/", f"{foreign}/progress/", f"{foreign}/search/?q=moon", f"{foreign}/delete/",
        f"{foreign}/files/{file_id}/", f"{own}/files/{file_id}/", f"{foreign}/files/{file_id}/remove/",
        f"{own}/files/{file_id}/remove/", f"{own}/?after={file_id}",
    ):  # fmt: skip
        assert charlie.get(f"/a/charlie/knowledge/{path}").status_code == 404, path
    for path in (
        f"{foreign}/delete/", f"{foreign}/upload/", f"{foreign}/files/{file_id}/retry/",
        f"{own}/files/{file_id}/retry/", f"{foreign}/files/{file_id}/remove/", f"{own}/files/{file_id}/remove/",
    ):  # fmt: skip
        answer = charlie.post(f"/a/charlie/knowledge/{path}", {"chosen": SimpleUploadedFile("a.txt", b"Text.")})
        assert answer.status_code == 404, path
    assert StoreFile.objects.filter(deleted_at=None).count() == 1
