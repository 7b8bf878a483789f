"""Every page of an account: who may open it, and that nobody else learns that it exists."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, reverse

from apps.accounts import services
from apps.accounts.models import User
from apps.accounts.tests.cast import Cast
from apps.alerts.services import set_webhook
from apps.files.models import StoredFile
from apps.keys.models import ApiKey
from apps.knowledge.models import VectorStore
from apps.knowledge.tests.world import a_store, make_key, put
from apps.portal.urls import account_pages
from apps.usage.services import record_events
from apps.usage.tests.test_record_events import event

SignIn = Callable[[User], Client]
VERBS = ("get", "post", "put", "patch", "delete", "options")
EVERYBODY = ("owner", "admin", "developer", "billing", "viewer")
# What a GET (pages) or a POST (the rest) of each role is answered with, where it is not 403.
PAGES = {
    "overview": EVERYBODY, "today": EVERYBODY, "keys": EVERYBODY, "key": EVERYBODY,
    "usage": EVERYBODY, "usage_csv": EVERYBODY, "request": EVERYBODY, "breakdown_csv": EVERYBODY, "models": EVERYBODY,
    "projects": EVERYBODY, "members": EVERYBODY, "settings": EVERYBODY,
    "new_key": ("owner", "admin", "developer"), "rotate_key": ("owner", "admin", "developer"),
    "revoke_key": ("owner", "admin", "developer"), "project": ("owner", "admin"),
    "stores": EVERYBODY, "store": EVERYBODY, "store_progress": EVERYBODY, "search_store": EVERYBODY,
    "graph": EVERYBODY, "graph_estimate": EVERYBODY, "graph_progress": EVERYBODY, "document": EVERYBODY,
    "new_store": ("owner", "admin", "developer"),
    "delete_store": ("owner", "admin", "developer"), "remove_file": ("owner", "admin", "developer"),
}  # fmt: skip
ACTIONS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "first_key": (("owner", "admin", "developer"), {}),
    "new_key": (("owner", "admin", "developer"), {"name": "n", "project": "default"}),
    "key": (("owner", "admin", "developer"), {"name": "n"}),
    "switch_key": (("owner", "admin", "developer"), {"disabled": "yes"}),
    "rotate_key": (("owner", "admin", "developer"), {"grace": "1"}),
    "revoke_key": (("owner", "admin", "developer"), {}),
    "projects": (("owner", "admin"), {"name": "New"}),
    "project": (("owner", "admin"), {"name": "Renamed"}),
    "archive_project": (("owner", "admin"), {}),
    "restore_project": (("owner", "admin"), {}),
    "invite": (("owner", "admin"), {"email": "e@example.org", "role": "viewer"}),
    "change_role": (("owner", "admin"), {"role": "viewer"}),
    "remove_member": (("owner", "admin"), {}),
    "rename": (("owner", "admin"), {"name": "Renamed"}),
    "budget": (("owner", "admin", "billing"), {"monthly_budget": "5"}),
    "prompt_log": (("owner", "admin"), {"days": "7"}),
    "delete_prompts": (("owner", "admin"), {}),
    "webhook": (("owner", "admin", "billing"), {"url": "https://example.com/hook"}),
    "renew_webhook_secret": (("owner", "admin", "billing"), {}),
    "test_webhook": (("owner", "admin", "billing"), {}),
    "remove_webhook": (("owner", "admin", "billing"), {}),
    "new_store": (("owner", "admin", "developer"), {}),
    "delete_store": (("owner", "admin", "developer"), {}),
    "upload_files": (("owner", "admin", "developer"), {}),
    "retry_file": (("owner", "admin", "developer"), {}),
    "remove_file": (("owner", "admin", "developer"), {}),
}


STORE, FILE, REQUEST = "vs_northwinds", "file-northwinds", "req_northwinds"


def address(name: str, cast: Cast, key: str, invitation: int = 1) -> str:
    known: dict[str, Any] = {
        "public_id": key, "project": "default", "user_id": cast.bob.pk, "invitation_id": invitation, "plan": "pro",
        "store": STORE, "file": FILE, "entity": "ent_1", "relation": "rel_1", "merge": "mrg_1",
        "request_id": REQUEST,
    }  # fmt: skip
    pattern = next(page for page in account_pages if page.name == name)
    wanted = {part: known[part] for part in pattern.pattern.converters}
    return reverse(f"portal:{name}", kwargs={"slug": cast.northwind.slug, **wanted})


@pytest.fixture
def key(cast: Cast) -> str:
    set_webhook(account_id=cast.northwind.id, url="https://example.com/hook")
    facts = make_key(cast.northwind.id)
    record_events(events=[event(ApiKey.objects.get(pk=facts.key_id), REQUEST)])
    store = a_store(facts)
    StoredFile.objects.filter(public_id=put(facts, store, "Text.")).update(public_id=FILE)
    VectorStore.objects.filter(public_id=store.public_id).update(public_id=STORE)
    return facts.public_id


@pytest.mark.parametrize("page", account_pages, ids=lambda page: page.name)
def test_another_account_finds_nothing(cast: Cast, key: str, signed_in: SignIn, page: URLPattern) -> None:
    charlie, path = signed_in(cast.charlie), address(str(page.name), cast, key)
    statuses = {getattr(charlie, verb)(path).status_code for verb in VERBS}
    assert statuses <= {404, 405} and 404 in statuses


@pytest.mark.parametrize("page", account_pages, ids=lambda page: page.name)
def test_a_stranger_is_asked_to_sign_in(cast: Cast, key: str, client: Client, page: URLPattern) -> None:
    path = address(str(page.name), cast, key)
    for verb in ("get", "post"):
        answer = getattr(client, verb)(path)
        assert answer.status_code == 405 or answer.headers["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("role", EVERYBODY)
def test_each_role_opens_its_pages(cast: Cast, key: str, signed_in: SignIn, role: str) -> None:
    client = signed_in(cast.alice if role == "owner" else cast.join(role))
    for name, roles in PAGES.items():
        answer = client.get(address(name, cast, key))
        assert answer.status_code == (200 if role in roles else 403), name
        assert "no-store" in answer.headers.get("Cache-Control", ""), name


@pytest.mark.parametrize("role", EVERYBODY)
@pytest.mark.parametrize("name", ACTIONS)
def test_each_role_does_what_it_may(cast: Cast, key: str, signed_in: SignIn, role: str, name: str) -> None:
    roles, data = ACTIONS[name]
    client = signed_in(cast.alice if role == "owner" else cast.join(role))
    answer = client.post(address(name, cast, key), data)
    assert answer.status_code in ((200, 302) if role in roles else (403,))


def test_things_of_another_account_are_not_reached_through_ones_own(cast: Cast, key: str, signed_in: SignIn) -> None:
    services.create_project(account_id=cast.northwind.id, name="Secret")
    charlie = signed_in(cast.charlie)
    for path in (
        f"keys/{key}/", f"keys/{key}/revoke/", f"keys/{key}/rotate/", "projects/secret/",
        "keys/?project=secret", "usage/?project=secret", f"usage/?key={key}", f"usage/requests.csv?key={key}",
        f"usage/breakdown.csv?key={key}", f"usage/requests/{REQUEST}/",
        "today/?project=secret", f"knowledge/{STORE}/", f"knowledge/{STORE}/files/{FILE}/",
        "knowledge/?project=secret", "knowledge/new/?project=secret",
    ):  # fmt: skip
        assert charlie.get(f"/a/charlie/{path}").status_code == 404, path
    for path in (f"keys/{key}/switch/", f"members/{cast.bob.pk}/role/", f"members/{cast.bob.pk}/remove/"):
        assert charlie.post(f"/a/charlie/{path}", {"role": "viewer"}).status_code == 404, path


def test_forms_need_their_token(cast: Cast, key: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.alice, backend="allauth.account.auth_backends.AuthenticationBackend")
    answer = client.post(address("revoke_key", cast, key))
    assert answer.status_code == 403 and b"too old" in answer.content


@pytest.mark.usefixtures("one_minute")
def test_a_flood_of_changes_is_refused(cast: Cast, signed_in: SignIn) -> None:
    client = signed_in(cast.alice)
    statuses = [client.post("/a/northwind/settings/name/", {"name": "N"}).status_code for _ in range(61)]
    assert statuses[-1] == 429 and set(statuses[:-1]) == {302}
