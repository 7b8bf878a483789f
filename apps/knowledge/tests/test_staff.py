"""What staff see of vector stores: failures first, the queue and the storage of each account, nobody's words."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.tests.cast import Cast
from apps.knowledge.models import Reembedding, StoreFile
from apps.knowledge.services import change_store
from apps.knowledge.standing import failures_of_today, standing_of_accounts, waits
from apps.knowledge.tests.world import a_store, make_key, put

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
pytestmark = pytest.mark.django_db


@pytest.fixture
def _files(cast: Cast) -> None:
    """Northwind: two failed today and one yesterday, one waits, one is read, one was deleted. Charlie: one waits."""
    key, now = make_key(cast.northwind.id), timezone.now()
    store = a_store(key, "Sky")
    changes = (
        {"status": "failed", "error_code": "invalid_file", "error_message": "No text.", "completed_at": now},
        {"status": "failed", "error_code": "invalid_file", "error_message": "No text.", "completed_at": now},
        {"status": "failed", "error_message": "Old.", "completed_at": now - timedelta(days=1)},
        {"waits_for": "The budget is used up.", "passages_total": 9, "passages_done": 4, "stage": "embedding"},
        {"status": "completed", "passages_total": 7, "usage_bytes": 2048},
        {"status": "failed", "error_message": "No text.", "completed_at": now, "deleted_at": now},
    )
    for number, values in enumerate(changes):
        file_id = put(key, store, "Text.", f"{number}.txt")
        StoreFile.objects.filter(file__public_id=file_id).update(**values)
    other = make_key(cast.charlies.id)
    put(other, a_store(other), "Text.")


@pytest.fixture
def staff(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com", "a moon over the forest"), backend=BACKEND)
    return client


def test_each_account_with_its_queue_and_its_storage(_files: None) -> None:
    northwind, charlie = standing_of_accounts()
    assert (northwind.slug, northwind.failed_today, northwind.in_progress, northwind.waiting) == ("northwind", 2, 1, 1)
    assert (northwind.completed, northwind.passages_found, northwind.bytes) == (1, 7, 2048)
    assert northwind.oldest
    assert (charlie.slug, charlie.failed_today, charlie.in_progress, charlie.waiting) == ("charlie", 0, 1, 0)
    assert [(one.sentence, one.code, one.count) for one in failures_of_today()] == [("No text.", "invalid_file", 2)]
    assert [(one.sentence, one.count) for one in waits()] == [("The budget is used up.", 1)]


def test_the_page_of_it_is_for_staff(_files: None, staff: Client, client: Client, cast: Cast) -> None:
    page = staff.get("/admin/knowledge/storefile/standing/").content.decode()
    assert "No text." in page and "The budget is used up." in page and "northwind" in page
    assert "knowledge/storefile/standing/" in staff.get("/admin/").content.decode()
    client.force_login(cast.alice, backend=BACKEND)
    assert client.get("/admin/knowledge/storefile/standing/").status_code == 302
    clerk = User.objects.create(email="clerk@example.com", is_staff=True)
    client.force_login(clerk, backend=BACKEND)
    assert client.get("/admin/knowledge/storefile/standing/").status_code == 403


def test_lists_tell_of_failures_first(_files: None, staff: Client) -> None:
    answer = staff.get("/admin/knowledge/storefile/")
    states = [row.status for row in answer.context["cl"].result_list if row.deleted_at is None]
    assert states == ["failed"] * 3 + ["in_progress"] * 2 + ["completed"]
    assert "4 of 9" in answer.content.decode() and "invalid_file: No text." in answer.content.decode()
    page = staff.get("/admin/knowledge/vectorstore/").content.decode()
    assert "3 failed, 1 in progress, 1 completed" in page


def test_changes_of_an_embedding_model(staff: Client, cast: Cast) -> None:
    key = make_key(cast.northwind.id)
    store = a_store(key, "Sky")
    change_store(
        account_id=key.account_id,
        project_id=key.project_id,
        public_id=store.public_id,
        changes={},
        model="luna-2",
        key=key,
        address="",
    )
    Reembedding.objects.update(waits_for="The budget is used up.")
    page = staff.get("/admin/knowledge/reembedding/").content.decode()
    assert "luna-2" in page and "The budget is used up." in page and "northwind" in page
    row = Reembedding.objects.get()
    assert staff.get(f"/admin/knowledge/reembedding/{row.pk}/change/").status_code == 200
    assert staff.get("/admin/knowledge/reembedding/add/").status_code == 403
