"""/v1/files and /v1/batches: forms, queries and bodies, by https://platform.openai.com/docs/api-reference/files"""

from datetime import timedelta
from typing import Annotated, Literal

from msgspec import Meta, Struct

Identifier = Annotated[str, Meta(min_length=1, max_length=100)]
Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]], Meta(max_length=16)
]


class Lifetime(Struct, forbid_unknown_fields=True):
    anchor: Literal["created_at"]
    seconds: Annotated[int, Meta(ge=3600, le=2_592_000)]

    @property
    def length(self) -> timedelta:
        return timedelta(seconds=self.seconds)


class UploadForm(Struct, forbid_unknown_fields=True):
    """What stands beside the file. For a batch's requests `batch`, for documents `assistants` or `user_data`."""

    purpose: str
    expires_after: Lifetime | None = None


class PageForm(Struct, forbid_unknown_fields=True):
    """A page of the web to keep as a file: an addition of ours to OpenAI's API."""

    url: Annotated[str, Meta(min_length=1, max_length=2000)]
    purpose: Literal["assistants", "user_data"]
    expires_after: Lifetime | None = None


class FilesQuery(Struct, forbid_unknown_fields=True):
    after: Identifier | None = None
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 10_000
    order: Literal["asc", "desc"] = "desc"
    purpose: Annotated[str, Meta(max_length=40)] | None = None


class BatchesQuery(Struct, forbid_unknown_fields=True):
    after: Identifier | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class BatchRequest(Struct, forbid_unknown_fields=True):
    input_file_id: Identifier
    endpoint: Literal["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]
    completion_window: Literal["24h"]
    metadata: Metadata | None = None
    output_expires_after: Lifetime | None = None
