"""Another embedding model for a store, on its page: how far it is, why it failed, and taking it back."""

import re
from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.accounts.tests.cast import Cast
from apps.keys.contracts import KeyFacts
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.models import Reembedding
from apps.knowledge.services import change_store
from apps.knowledge.tests.world import MODEL, a_store, put
from apps.portal.tests.shelf import MOON, shelve


@pytest.fixture
def store(key: KeyFacts) -> StoreFacts:
    store = a_store(key, "Sky")
    shelve(store, put(key, store, "Text."), MOON)
    return change_store(
        account_id=key.account_id,
        project_id=key.project_id,
        public_id=store.public_id,
        changes={},
        model="luna-2",
        key=key,
        address="",
    )


def home(store: StoreFacts, slug: str = "northwind") -> str:
    return f"/a/{slug}/knowledge/{store.public_id}/"


def test_its_progress_renews_itself(alice: Client, store: StoreFacts) -> None:
    page = alice.get(home(store)).content.decode()
    assert "0 of 1 passages" in page and "Cancel, and keep luna" in page
    (path,) = re.findall(r'data-poll hx-get="([^"]+)"', page)
    path = path.replace("&amp;", "&")
    assert alice.get(path).status_code == 204
    Reembedding.objects.update(passages_done=1, waits_for="A <limit>.")
    part = alice.get(path).content.decode()
    assert "1 of 1 passages" in part and "Waits: A &lt;limit&gt;." in part and "data-poll" in part
    assert part.count('hx-swap-oob="true"') == 2


def test_a_failure_is_told_and_it_can_be_taken_back(alice: Client, store: StoreFacts) -> None:
    Reembedding.objects.update(status="failed", error_message="The <model> is not for this key.")
    page = alice.get(home(store)).content.decode()
    assert "The &lt;model&gt; is not for this key." in page and "data-poll" not in page and "Try again" in page
    page = alice.post(f"{home(store)}model/", {"embedding_model": MODEL}, follow=True).content.decode()
    assert f"The store keeps {MODEL}." in page and "Another embedding model" not in page
    assert Reembedding.objects.get().status == "cancelled"


def test_who_may_not(cast: Cast, store: StoreFacts, signed_in: Callable[[User], Client], alice: Client) -> None:
    charlie, viewer = signed_in(cast.charlie), signed_in(cast.join("viewer"))
    wanted = {"embedding_model": MODEL}
    assert charlie.post(f"{home(store, 'charlie')}model/", wanted).status_code == 404
    assert viewer.post(f"{home(store)}model/", wanted).status_code == 403
    page = viewer.get(home(store)).content.decode()
    assert "Another embedding model" in page and "Cancel, and keep" not in page
    refused = alice.post(f"{home(store)}model/", {"embedding_model": "nobody"}, follow=True).content.decode()
    assert "not one of the available choices" in refused
    assert alice.get(f"{home(store)}model/").status_code == 405
    assert Reembedding.objects.get().status == "in_progress"
