"""The form of an API key: `sk-art-` + 12 characters of public id + 32 of secret + 6 of checksum, all base 62.

The checksum (CRC-32 of what stands before it) lets junk be refused without a look-up, as GitHub's tokens do:
https://github.blog/engineering/behind-githubs-new-authentication-token-formats/
"""

import hashlib
import re
import secrets
import zlib

PREFIX = "sk-art-"
PUBLIC_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 12, 32, 6
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FORM = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{PUBLIC_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH}}}")


def random_text(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


def new_token() -> str:
    body = PREFIX + random_text(PUBLIC_LENGTH + SECRET_LENGTH)
    return body + checksum(body)


def is_well_formed(token: str) -> bool:
    """Whether the token can have been made here; says nothing about whether it is valid."""
    return bool(_FORM.fullmatch(token)) and checksum(token[:-CHECKSUM_LENGTH]) == token[-CHECKSUM_LENGTH:]


def token_hash(token: str) -> str:
    """SHA-256, hex. Enough for 190 random bits; a slow hash is for what people choose."""
    return hashlib.sha256(token.encode()).hexdigest()


def token_hint(token: str) -> str:
    """What may be shown again: the beginning of the public id and the last characters."""
    return f"{token[: len(PREFIX) + 4]}…{token[-4:]}"
