"""Adds vector stores to the OpenAPI document, from the types that check requests."""

import re
from typing import Any

import msgspec

from apps.api.management.inference_schema import REFERENCE, in_path, reading
from apps.api.schemas.vector_stores import (
    AttachBatch,
    AttachFile,
    ChangeFile,
    ChangeStore,
    CreateStore,
    SearchStore,
    StoreFilesQuery,
    StoresQuery,
)

STORE = "/v1/vector_stores/{vector_store_id}"
FILE, BATCH = f"{STORE}/files/{{file_id}}", f"{STORE}/file_batches/{{batch_id}}"
BODIES = (AttachBatch, AttachFile, ChangeFile, ChangeStore, CreateStore, SearchStore)
SEARCH = "Passages by words and meaning, each with where it stands and what its score is made of."
ATTACH = "Puts a file into it; replaces names the one whose place it takes once it can be searched."
OPERATIONS: tuple[tuple[str, str, str, str, Any], ...] = (
    ("/v1/vector_stores", "get", "list_vector_stores", "The vector stores of the key's project.", StoresQuery),
    ("/v1/vector_stores", "post", "create_vector_store", "Makes a vector store.", CreateStore),
    (STORE, "get", "get_vector_store", "One vector store.", None),
    (
        STORE,
        "post",
        "change_vector_store",
        "Changes what is given; the rest stays. Another embedding_model embeds it anew, while the old one answers.",
        ChangeStore,
    ),
    (STORE, "delete", "delete_vector_store", "Deletes it with all that was read; the files stay.", None),
    (f"{STORE}/search", "post", "search_vector_store", SEARCH, SearchStore),
    (f"{STORE}/files", "get", "list_vector_store_files", "Its files, and how far each is read.", StoreFilesQuery),
    (f"{STORE}/files", "post", "create_vector_store_file", ATTACH, AttachFile),
    (FILE, "get", "get_vector_store_file", "One file in it.", None),
    (FILE, "post", "change_vector_store_file", "Gives a file other attributes.", ChangeFile),
    (FILE, "delete", "delete_vector_store_file", "Takes a file out of it; the file stays.", None),
    (f"{FILE}/content", "get", "get_vector_store_file_content", "What was read, passage by passage.", None),
    (f"{STORE}/file_batches", "post", "create_vector_store_file_batch", "Puts many files into it.", AttachBatch),
    (BATCH, "get", "get_vector_store_file_batch", "One batch of files.", None),
    (f"{BATCH}/cancel", "post", "cancel_vector_store_file_batch", "Ends it; what is read stays.", None),
    (f"{BATCH}/files", "get", "list_files_in_vector_store_batch", "The files of a batch.", StoreFilesQuery),
)


def add_vector_stores(result: Any, generator: Any, request: Any, public: bool) -> Any:
    """A hook of drf-spectacular (POSTPROCESSING_HOOKS)."""
    _, components = msgspec.json.schema_components(BODIES, ref_template=REFERENCE)
    result["components"]["schemas"].update(components)
    for path, method, name, description, takes in OPERATIONS:
        operation = reading(name, description)
        operation["parameters"] = [in_path(parameter) for parameter in re.findall(r"{(\w+)}", path)]
        if takes in BODIES:
            schema = {"$ref": REFERENCE.format(name=takes.__name__)}
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
        elif takes is not None:
            fields = msgspec.json.schema_components([takes])[1][takes.__name__]["properties"]
            operation["parameters"] += [
                {"in": "query", "name": field, "schema": schema} for field, schema in fields.items()
            ]
        result["paths"].setdefault(path, {})[method] = operation
    return result
