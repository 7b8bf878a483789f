"""What of a vector store and its files is changed on the portal."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.models import StoreFile, VectorStore
from apps.knowledge.tests.world import a_store, make_key, put
from apps.portal.tests.shelf import MOON, shelve


@pytest.fixture
def store(key: KeyFacts) -> StoreFacts:
    return a_store(key, "Sky")


def home(store: StoreFacts) -> str:
    return f"/a/northwind/knowledge/{store.public_id}/"


def rows(*given: tuple[str, str, str]) -> dict[str, str]:
    """A form's (name, kind, value)s."""
    fields = {"form-TOTAL_FORMS": str(len(given)), "form-INITIAL_FORMS": "0"}
    for place, (name, kind, value) in enumerate(given):
        fields |= {f"form-{place}-name": name, f"form-{place}-kind": kind, f"form-{place}-value": value}
    return fields


def test_a_store_is_renamed_and_expires(alice: Client, store: StoreFacts) -> None:
    page = alice.get(f"{home(store)}change/").content.decode()
    assert 'value="Sky"' in page and "Key that pays" not in page
    VectorStore.objects.update(expires_days=1, expires_at=timezone.now())
    form = {"name": "Heaven", "description": "Stars", "expires_days": "30"}
    page = alice.post(f"{home(store)}change/", form, follow=True).content.decode()
    assert "The store is changed." in page and "Heaven" in page and "Stars" in page and "has expired" not in page
    alice.post(f"{home(store)}change/", {**form, "expires_days": ""})
    row = VectorStore.objects.get()
    assert (row.name, row.description, row.expires_days, row.expires_at) == ("Heaven", "Stars", None, None)
    for wrong in ({"name": ""}, {"name": "a" * 257}, {"expires_days": "0"}, {"expires_days": "366"}, {"name": "a\0"}):
        assert b"errorlist" in alice.post(f"{home(store)}change/", {**form, **wrong}).content, wrong
    assert VectorStore.objects.get().name == "Heaven"


def test_attributes_are_of_three_kinds(alice: Client, key: KeyFacts, store: StoreFacts) -> None:
    file_id = put(key, store, "Text.", "sky.txt", attributes={"year": 1999, "checked": True, "of": "Alice"})
    shelve(store, file_id, MOON)
    path = f"{home(store)}files/{file_id}/attributes/"
    page = alice.get(path).content.decode()
    assert 'value="1999"' in page and 'value="true"' in page and 'value="Alice"' in page
    assert page.count('name="form-') == 4 + 3 * (3 + 3)
    given = rows(("year", "number", "2026.5"), ("checked", "truth", "False"), ("", "text", ""), ("of", "text", "7"))
    page = alice.post(path, given, follow=True).content.decode()
    assert "The attributes of “sky.txt” are changed." in page and "2026.5" in page
    assert StoreFile.objects.get().attributes == {"year": 2026.5, "checked": False, "of": "7"}
    alice.post(path, rows())
    assert StoreFile.objects.get().attributes == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([("a", "number", "seven")], "Write a number"),
        ([("a", "number", "nan")], "Write a number"),
        ([("a", "truth", "yes")], "Write true or false"),
        ([("", "text", "b")], "has no name"),
        ([("a", "text", "b"), ("a", "text", "c")], "stands there twice"),
        ([(str(number), "text", "b") for number in range(17)], "at most 16"),
        ([("a" * 65, "text", "b")], "at most 64 characters"),
        ([("a", "text", "b" * 513)], "at most 512 characters"),
        ([("a", "colour", "b")], "not one of the available choices"),
    ],
)
def test_attributes_that_are_refused(
    alice: Client, key: KeyFacts, store: StoreFacts, given: list[tuple[str, str, str]], said: str
) -> None:
    file_id = put(key, store, "Text.", attributes={"year": 1999})
    page = alice.post(f"{home(store)}files/{file_id}/attributes/", rows(*given))
    assert page.status_code == 200 and said in page.content.decode()
    assert StoreFile.objects.get().attributes == {"year": 1999}


def test_a_form_that_is_none_changes_nothing(alice: Client, key: KeyFacts, store: StoreFacts) -> None:
    file_id = put(key, store, "Text.", attributes={"year": 1999})
    for given in ({}, {"form-TOTAL_FORMS": "x", "form-INITIAL_FORMS": "0"}):
        assert alice.post(f"{home(store)}files/{file_id}/attributes/", given).status_code == 200
    assert StoreFile.objects.get().attributes == {"year": 1999}


def test_only_who_may_and_only_ones_own(
    cast: Cast, key: KeyFacts, store: StoreFacts, signed_in: Callable[[User], Client]
) -> None:
    file_id = put(key, store, "Text.")
    mine = a_store(make_key(cast.charlies.id))
    viewer, charlie = signed_in(cast.join("viewer")), signed_in(cast.charlie)
    paths = ("change/", f"files/{file_id}/attributes/")
    for path in paths:
        assert viewer.get(home(store) + path).status_code == viewer.post(home(store) + path).status_code == 403
        for foreign in (home(store), home(store).replace("northwind", "charlie")):
            assert charlie.get(foreign + path).status_code == charlie.post(foreign + path).status_code == 404
    own = f"/a/charlie/knowledge/{mine.public_id}/files/{file_id}/attributes/"
    assert charlie.post(own, rows(("a", "text", "b"))).status_code == 404
    assert VectorStore.objects.get(pk=store.id).name == "Sky" and StoreFile.objects.get().attributes == {}
