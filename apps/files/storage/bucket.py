"""Contents in a bucket of S3, or of a server that speaks as S3 does; keys come from boto3's usual places."""

from typing import Any

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from storages.backends.s3 import S3Storage

CONNECT_SECONDS, READ_SECONDS, TRIES = 5, 30, 3
IN_MEMORY = 2**20


class Bucket(S3Storage):  # type: ignore[misc]  # it has no types
    """Gives up in time, and holds little in memory."""

    def __init__(self, *, addressing: str = "auto", **options: Any) -> None:
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            signature_version="s3v4",
            s3={"addressing_style": addressing},
            # We check contents by their SHA-256; not every server knows the newer checksums of Amazon's.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        # Eight megabytes at a time and not eighty: without threads of its own.
        transfer = TransferConfig(use_threads=False)
        super().__init__(
            client_config=config, transfer_config=transfer, max_memory_size=IN_MEMORY, file_overwrite=True, **options
        )
