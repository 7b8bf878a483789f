"""Vector stores by the official client against the running platform: filled, polled, searched, changed, billed."""

import time
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types import VectorStore, VectorStoreSearchResponse
from openai.types.vector_stores import VectorStoreFile, VectorStoreFileBatch

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import make_account
from artemis_site.tests.platform import EMBEDDING_MODEL, RERANK_MODEL, Platform

MYTH = """# Myths

## The hunt

Artemis hunts with her bow in the forest of Arcadia, and the deer knows her step. Her hounds run before her, and the
nymphs of the mountain follow; whoever sees them at the spring does well to look away and to go home by another path.

## The moon

Selene drives the moon's chariot over the sky at night. Two white horses draw it, and when they are slow the dawn is
late; Endymion sleeps on his mountain, and she halts above him as long as her brother's light lets her.

| Name | Rules |
| --- | --- |
| Artemis | the hunt |
| Selene | the moon |
"""


def upload(client: OpenAI, text: str | bytes, name: str = "myth.md") -> str:
    content = text if isinstance(text, bytes) else text.encode()
    return client.files.create(file=(name, content), purpose="assistants").id


def strict(model: Any, value: Any) -> None:
    model.model_validate(value.model_dump(), strict=True)


def test_a_store_is_filled_searched_and_billed(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    client = platform.client(key.secret)
    store = client.vector_stores.create(
        name="Myths", metadata={"of": "Greece"}, expires_after={"anchor": "last_active_at", "days": 3}
    )
    strict(VectorStore, store)
    assert (store.status, store.file_counts.total, store.metadata) == ("completed", 0, {"of": "Greece"})
    assert client.vector_stores.search(store.id, query="moon").data == []

    file_id = upload(client, MYTH)
    file = client.vector_stores.files.create_and_poll(
        file_id,
        vector_store_id=store.id,
        attributes={"century": -8, "language": "en"},
        chunking_strategy={"type": "static", "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0}},
        poll_interval_ms=200,
    )
    strict(VectorStoreFile, file)
    assert (file.status, file.last_error, file.attributes) == ("completed", None, {"century": -8, "language": "en"})

    found = client.vector_stores.search(store.id, query="Who drives the chariot of the moon?", max_num_results=2)
    strict(VectorStoreSearchResponse, found.data[0])
    assert "Selene drives" in found.data[0].content[0].text
    assert found.data[0].file_id == file_id and found.data[0].filename == "myth.md"
    assert found.data[0].model_extra is not None
    assert found.data[0].model_extra["artemis"]["headings"] == ["Myths"]

    none = client.vector_stores.search(store.id, query="moon", filters={"type": "gt", "key": "century", "value": 0})
    assert none.data == []
    client.vector_stores.files.update(file_id, vector_store_id=store.id, attributes={"century": 2})
    some = client.vector_stores.search(
        store.id, query=["moon", "hunt"], filters={"type": "gt", "key": "century", "value": 0}
    )
    assert {"moon" in hit.content[0].text for hit in some.data} == {True, False} or len(some.data) == 1

    text = "".join(part.text or "" for part in client.vector_stores.files.content(file_id, vector_store_id=store.id))
    assert "Arcadia" in text and "| Selene | the moon |" in text

    bill = desk.bill(key, requests=4)  # one for the document, one for each search of a store that is not empty
    assert all(row.cost > 0 and row.model == EMBEDDING_MODEL for row in bill.requests)


def test_a_ranker_that_is_named_and_what_says_the_same(platform: Platform, desk: Desk) -> None:
    key = desk.key()
    client = platform.client(key.secret)
    store = client.vector_stores.create(name="Ranked")
    texts = [f"Somebody rests under the oak, where the owls are; nobody knows the name{'.' * n}" for n in range(1, 4)]
    texts += ["The owl sleeps under the old oak by day.", "Oak, oak, oak: the wood of old ships."]
    files = [upload(client, text, f"{number}.txt") for number, text in enumerate(texts)]
    client.vector_stores.file_batches.create_and_poll(store.id, file_ids=files, poll_interval_ms=200)
    query = "The owl sleeps under the old oak by day."

    found = client.vector_stores.search(
        store.id,
        query=query,
        max_num_results=3,
        ranking_options={"ranker": RERANK_MODEL},  # type: ignore[typeddict-item]
    )
    assert found.data[0].file_id == files[3] and found.data[0].score == 1.0 and len(found.data) == 3
    told = found.data[0].model_extra["artemis"] if found.data[0].model_extra else {}
    assert told["rerank"] == 1.0 and 0 <= told["fused"] <= 1
    assert found.model_extra and found.model_extra["artemis"] == {
        "ranker": RERANK_MODEL,
        "ranker_failure": None,
        "near_duplicates_dropped": 2,
    }
    all_of_them = platform.post(
        f"/v1/vector_stores/{store.id}/search",
        json={"query": query, "ranking_options": {"near_duplicates": "keep"}, "rewrite_query": True},
        api_key=key.secret,
    ).json()
    assert len(all_of_them["data"]) == 5 and all_of_them["artemis"]["ranker"] is None
    assert all_of_them["search_query"] == [query], "no model is named that rewrites"

    assert {row.endpoint for row in desk.bill(key, requests=8).requests} == {"embeddings", "rerank"}
    narrow = platform.client(desk.key(allowed_endpoints=("vector_stores", "embeddings")).secret)
    with pytest.raises(openai.PermissionDeniedError, match="rerank"):
        narrow.vector_stores.search(store.id, query=query, ranking_options={"ranker": RERANK_MODEL})  # type: ignore[typeddict-item]
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.search(store.id, query=query, ranking_options={"ranker": "nobody"})  # type: ignore[typeddict-item]
    with pytest.raises(openai.BadRequestError):
        client.vector_stores.search(store.id, query=query, ranking_options={"ranker": EMBEDDING_MODEL})  # type: ignore[typeddict-item]


def test_lists_changes_and_ends(platform: Platform, desk: Desk) -> None:
    client = platform.client(desk.key(account=desk.call(make_account, "Lists")).secret)
    stores = [client.vector_stores.create(name=f"Store {number}").id for number in range(3)]
    assert [store.id for store in client.vector_stores.list(limit=2)] == stores[::-1], "pages are turned"
    assert [store.id for store in client.vector_stores.list(order="asc", after=stores[0]).data] == stores[1:]
    assert [store.id for store in client.vector_stores.list(before=stores[0], limit=1).data] == [stores[1]]
    changed = client.vector_stores.update(stores[0], name="Renamed", metadata={"a": "b"})
    assert (changed.name, changed.metadata) == ("Renamed", {"a": "b"})
    assert client.vector_stores.retrieve(stores[0]) == changed
    assert client.vector_stores.delete(stores[0]).deleted
    with pytest.raises(openai.NotFoundError):
        client.vector_stores.retrieve(stores[0])


def test_a_batch_of_files_one_of_which_is_bad(platform: Platform, desk: Desk) -> None:
    client = platform.client(desk.key().secret)
    store = client.vector_stores.create(name="Batch")
    good = [upload(client, f"Note {number}: the fox is in den {number}.", f"{number}.txt") for number in range(3)]
    bad = upload(client, b"\x7fELF" + bytes(range(256)) * 8, "program.txt")
    batch = client.vector_stores.file_batches.create_and_poll(
        store.id, file_ids=[*good, bad], attributes={"kind": "note"}, poll_interval_ms=200
    )
    strict(VectorStoreFileBatch, batch)
    assert (batch.status, batch.file_counts.completed, batch.file_counts.failed) == ("completed", 3, 1)
    failed = client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id, filter="failed").data
    assert [file.id for file in failed] == [bad]
    assert failed[0].last_error and failed[0].last_error.code == "unsupported_file"
    assert client.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store.id) == batch
    with pytest.raises(openai.ConflictError):
        client.vector_stores.file_batches.cancel(batch.id, vector_store_id=store.id)

    client.vector_stores.files.delete(good[1], vector_store_id=store.id)
    began = time.monotonic()
    hits = client.vector_stores.search(store.id, query="the fox in den 1")
    assert good[1] not in {hit.file_id for hit in hits} and time.monotonic() - began < 5
    assert client.vector_stores.files.list(store.id, filter="completed").data[0].id == good[2]

    client.files.delete(good[2])
    assert good[2] not in {hit.file_id for hit in client.vector_stores.search(store.id, query="the fox in den 2")}


def test_a_document_is_replaced(platform: Platform, desk: Desk) -> None:
    client = platform.client(desk.key().secret)
    store = client.vector_stores.create(name="Versions", extra_body={"embedding_model": EMBEDDING_MODEL})
    old = upload(client, "The temple opens at nine.", "hours.txt")
    client.vector_stores.files.create_and_poll(old, vector_store_id=store.id, poll_interval_ms=200)
    new = upload(client, "The temple opens at ten.", "hours.txt")
    client.vector_stores.files.create(store.id, file_id=new, extra_body={"replaces": old})
    client.vector_stores.files.poll(new, vector_store_id=store.id, poll_interval_ms=200)
    assert [hit.file_id for hit in client.vector_stores.search(store.id, query="When does the temple open?")] == [new]
    assert [file.id for file in client.vector_stores.files.list(store.id)] == [new]


def test_nothing_of_it_is_seen_from_another_account(platform: Platform, desk: Desk) -> None:
    client = platform.client(desk.key().secret)
    store = client.vector_stores.create(name="Secret")
    file_id = upload(client, "The treasure lies under the old oak.")
    batch = client.vector_stores.file_batches.create_and_poll(store.id, file_ids=[file_id], poll_interval_ms=200)
    stranger = platform.client(desk.key(account=desk.call(make_account, "Stranger")).secret)
    stores, mine = stranger.vector_stores, stranger.vector_stores.create(name="Mine").id
    there = {"vector_store_id": store.id}
    for call in (
        lambda: stores.retrieve(store.id),
        lambda: stores.update(store.id, name="Mine"),
        lambda: stores.delete(store.id),
        lambda: stores.search(store.id, query="treasure"),
        lambda: stores.files.list(store.id),
        lambda: stores.files.retrieve(file_id, **there),
        lambda: stores.files.content(file_id, **there),
        lambda: stores.files.update(file_id, attributes={"a": 1}, **there),
        lambda: stores.files.delete(file_id, **there),
        lambda: stores.files.create(store.id, file_id=file_id),
        lambda: stores.files.create(mine, file_id=file_id),
        lambda: stores.file_batches.create(mine, file_ids=[file_id]),
        lambda: stores.file_batches.create(store.id, file_ids=[file_id]),
        lambda: stores.file_batches.retrieve(batch.id, **there),
        lambda: stores.file_batches.retrieve(batch.id, vector_store_id=mine),
        lambda: stores.file_batches.cancel(batch.id, **there),
        lambda: stores.file_batches.list_files(batch.id, **there),
        lambda: stores.create(file_ids=[file_id]),
    ):
        with pytest.raises(openai.NotFoundError):
            call()
    assert [found.id for found in stores.list()] == [mine]


def test_the_commands_do_the_same(platform: Platform, desk: Desk, tmp_path: Path) -> None:
    slug = desk.call(make_account, "Operators")
    desk.key(account=slug)
    (tmp_path / "more").mkdir()
    (tmp_path / ".hidden").write_text("Nobody asked for it.")
    (tmp_path / "myth.md").write_text(MYTH)
    (tmp_path / "more" / "sun.txt").write_text("Helios drives the chariot of the sun.")
    put = platform.manage("ingest", str(tmp_path), "--store", "Myths", "--account", slug)
    assert [(row["filename"], row["status"]) for row in put["files"]] == [
        ("sun.txt", "completed"),
        ("myth.md", "completed"),
    ]
    found = platform.manage("search", "Who drives the chariot of the sun?", "--store", "Myths", "--account", slug)
    assert found["store"] == put["store"] and found["hits"][0]["filename"] == "sun.txt"
    ranked = platform.manage("search", "the sun", "--store", "Myths", "--account", slug, "--ranker", RERANK_MODEL)
    assert ranked["ranker"] == RERANK_MODEL and ranked["hits"][0]["rerank"] == ranked["hits"][0]["score"]

    (tmp_path / "bad.bin").write_bytes(b"\x7fELF" + bytes(2000))
    bad = platform.manage("ingest", str(tmp_path / "bad.bin"), "--store", put["store"], "--account", slug, check=False)
    assert bad["files"][0]["status"] == "failed" and bad["files"][0]["error"]
    nothing = platform.manage("search", "sun", "--store", "Nothing", "--account", slug, check=False)
    assert nothing["error"]["code"] == "vector_store_not_found"
