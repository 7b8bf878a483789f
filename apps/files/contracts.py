"""What other rooms see of files."""

from dataclasses import dataclass
from datetime import datetime

CHUNK_BYTES = 2**20
UPLOADED = ("batch", "assistants", "user_data")
"""What callers may upload for: a batch's requests, or documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    id: int
    public_id: str
    name: str
    purpose: str  # one of UPLOADED, or "batch_output"
    size: int
    url: str  # whence it was fetched; empty where it was uploaded
    created_at: datetime
    expires_at: datetime | None

    @property
    def chunks(self) -> int:
        return -(-self.size // CHUNK_BYTES)
