"""What a link to a file is signed with."""

from django.core.signing import TimestampSigner


def signer() -> TimestampSigner:
    return TimestampSigner(salt="files.link")
