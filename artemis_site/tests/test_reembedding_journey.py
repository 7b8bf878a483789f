"""A store gets another embedding model, by the official client and on the portal."""

import time
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import VectorStore
from playwright.sync_api import Page, expect

from artemis_site.tests.browser import sign_in
from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import make_account
from artemis_site.tests.messages import load_engine
from artemis_site.tests.platform import EMBEDDING_MODEL, RERANK_MODEL, Platform

SECOND = "moon-embed-2"
TEXTS = [f"Note {number}: the fox is in den {number}, and nobody else is." for number in range(5)]


@pytest.fixture
def second_model(platform: Platform) -> str:
    load_engine(platform, SECOND, mode="embedding")
    return SECOND


def filled(client: OpenAI) -> VectorStore:
    store = client.vector_stores.create(name="Dens", extra_body={"embedding_model": EMBEDDING_MODEL})
    files = [
        client.files.create(file=(f"{number}.txt", text.encode()), purpose="assistants").id
        for number, text in enumerate(TEXTS)
    ]
    client.vector_stores.file_batches.create_and_poll(store.id, file_ids=files, poll_interval_ms=200)
    return client.vector_stores.retrieve(store.id)


def told(store: VectorStore) -> tuple[str, dict[str, Any] | None]:
    extra: dict[str, Any] = store.model_extra or {}
    return extra["embedding_model"], extra["artemis"]["reembedding"]


def changed(client: OpenAI, store: VectorStore, model: str) -> VectorStore:
    return client.vector_stores.update(store.id, extra_body={"embedding_model": model})


def until(client: OpenAI, store: VectorStore, model: str) -> VectorStore:
    deadline = time.monotonic() + 40
    while True:
        now = client.vector_stores.retrieve(store.id)
        if told(now) == (model, None):
            return now
        assert time.monotonic() < deadline, told(now)
        time.sleep(0.2)


def test_by_the_api(platform: Platform, desk: Desk, second_model: str) -> None:
    key = desk.key()
    client = platform.client(key.secret)
    store = filled(client)
    assert told(store) == (EMBEDDING_MODEL, None)
    before = client.vector_stores.search(store.id, query=TEXTS[2]).data
    model, change = told(changed(client, store, second_model))
    assert model == EMBEDDING_MODEL and change is not None
    assert (change["embedding_model"], change["status"], change["passages"]) == (second_model, "in_progress", 5)
    after = until(client, store, second_model)
    assert (after.name, after.file_counts, after.usage_bytes) == (store.name, store.file_counts, store.usage_bytes)
    hits = client.vector_stores.search(store.id, query=TEXTS[2]).data
    assert hits[0].file_id == before[0].file_id and {hit.file_id for hit in hits} == {hit.file_id for hit in before}
    models = [row.model for row in desk.bill(key, requests=8).requests]  # five files, a search, the change, a search
    assert models.count(second_model) == 2 and models.count(EMBEDDING_MODEL) == 6


def test_what_is_refused(platform: Platform, desk: Desk, second_model: str) -> None:
    client = platform.client(desk.key().secret)
    store = client.vector_stores.create(extra_body={"embedding_model": EMBEDDING_MODEL})
    stranger = platform.client(desk.key(account=desk.call(make_account, "Changer")).secret)
    narrow = platform.client(desk.key(allowed_models=(EMBEDDING_MODEL,)).secret)
    with pytest.raises(openai.NotFoundError):
        changed(stranger, store, second_model)
    with pytest.raises(openai.NotFoundError):
        changed(client, store, "nobody")
    with pytest.raises(openai.BadRequestError):
        changed(client, store, RERANK_MODEL)
    with pytest.raises(openai.BadRequestError):
        changed(client, store, "")
    with pytest.raises(openai.PermissionDeniedError):
        changed(narrow, store, second_model)
    assert told(changed(narrow, store, EMBEDDING_MODEL)) == (EMBEDDING_MODEL, None)


def test_a_failure_is_told_and_taken_back(platform: Platform, desk: Desk, second_model: str) -> None:
    client = platform.client(desk.key().secret)
    store = filled(client)
    platform.primary.script(status=400, body={"error": {"message": "No such model here.", "code": "bad"}})
    changed(client, store, second_model)
    deadline = time.monotonic() + 30
    while (change := told(client.vector_stores.retrieve(store.id))[1]) and change["status"] == "in_progress":
        assert time.monotonic() < deadline, change
        time.sleep(0.2)
    assert change and change["status"] == "failed" and "keeps its model" in change["error"]
    platform.primary.reset()
    assert client.vector_stores.search(store.id, query=TEXTS[2]).data
    assert told(changed(client, store, EMBEDDING_MODEL)) == (EMBEDDING_MODEL, None)


@pytest.mark.browser
def test_on_the_portal(platform: Platform, desk: Desk, page: Page, second_model: str) -> None:
    client = platform.client(desk.key().secret)
    store = filled(client)
    there = f"/a/{platform.facts['account']}/knowledge/{store.id}/"
    email, password = platform.facts["admin_email"], platform.facts["admin_password"]
    sign_in(page, platform.base_url, email=email, password=password, then=there)
    platform.primary.script(status=400, body={"error": {"message": "No such model here.", "code": "bad"}})
    page.get_by_label("Another model").select_option(second_model)
    page.get_by_role("button", name="Embed it anew").click()
    expect(page.get_by_text(f"The store is embedded anew, by {second_model}.")).to_be_visible()
    change = page.get_by_role("region", name="Another embedding model")
    expect(change).to_contain_text("keeps its model", timeout=30_000)  # nobody loads the page
    platform.primary.reset()
    change.get_by_role("button", name="Try again").click()
    expect(page.locator("#store-facts")).to_contain_text(second_model, timeout=30_000)
    expect(change).to_have_count(0)
    assert page.locator("[data-poll]").count() == 0, "nothing is left to ask for"
