"""Links to files for browsers: whoever has one may read that file, for a few minutes."""

from apps.files.contracts import FileFacts
from apps.files.links import signer


def link_to_file(*, file: FileFacts) -> str:
    """A path on the portal's plane, good for FILES_LINK_SECONDS and for as long as the file is there."""
    signed = signer().sign(f"{file.account_id}.{file.project_id}.{file.public_id}")
    return f"/files/{signed}"
