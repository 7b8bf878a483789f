"""What other rooms see of files."""

from dataclasses import dataclass
from datetime import datetime

from apps.common.errors import ArtemisError

CHUNK_BYTES = 2**20
UPLOADED = ("batch", "assistants", "user_data")
"""What callers may upload for: a batch's requests, or documents."""


class DamagedError(ArtemisError):
    """What lies in the storage is not what was stored, or lies there no more."""

    code = "file_damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    id: int
    account_id: int
    project_id: int
    public_id: str
    name: str
    purpose: str  # one of UPLOADED, or "batch_output"
    size: int
    url: str  # whence it was fetched; empty where it was uploaded
    created_at: datetime
    expires_at: datetime | None
    sha256: str  # of its content in the storage; empty where that stands in pieces beside its row

    @property
    def chunks(self) -> int:
        return -(-self.size // CHUNK_BYTES)
