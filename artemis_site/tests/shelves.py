"""A vector store of the administrator's account with something of everything in it, as a caller fills it."""

from openai import OpenAI

from artemis_site.tests.platform import EMBEDDING_MODEL

MYTHS = """# Artemis

## The hunt

Artemis hunts with her bow in the forests of Arcadia, and the deer know her step. She was seen by <b>Actaeon</b> & fled.

## The moon

Selene drives the chariot of the moon over the sky by night; later poets give the moon to Artemis.

| Name | Rules | Comes by |
| --- | --- | --- |
| Artemis | the hunt | night |
| Selene | the moon | a chariot |
"""
SCAN = b"\x00\x01\x02\xff" * 400


def fill_store(client: OpenAI) -> tuple[str, str]:
    """(store, file): with one file that is read, and one that cannot be."""
    store = client.vector_stores.create(
        name="Myths of Greece",
        description="What poets tell of gods, hunters and the moon.",
        metadata={"shelf": "B-12"},
        expires_after={"anchor": "last_active_at", "days": 30},
        extra_body={"embedding_model": EMBEDDING_MODEL},
    )
    read = client.files.create(file=("myths-of-the-greeks.md", MYTHS.encode()), purpose="assistants")
    scan = client.files.create(file=("a-scan-with-a-rather-long-name-2026-11.pdf", SCAN), purpose="assistants")
    for file, attributes in ((read, {"century": -8, "language": "en", "checked": True}), (scan, {})):
        client.vector_stores.files.create_and_poll(
            file.id,
            vector_store_id=store.id,
            attributes=attributes,
            chunking_strategy={
                "type": "static",
                "static": {"max_chunk_size_tokens": 100, "chunk_overlap_tokens": 0},
            },
            poll_interval_ms=200,
        )
    return store.id, read.id
