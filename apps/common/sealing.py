"""Encrypts at rest, with a key derived from SECRET_KEY (Fernet): secrets of others that we must be able to use, and
what only its account may read."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


def _box() -> Fernet:
    derived = hashlib.blake2b(settings.SECRET_KEY.encode(), digest_size=32, person=b"artemis-seal").digest()
    return Fernet(base64.urlsafe_b64encode(derived))


def seal(secret: str) -> str:
    return seal_bytes(secret.encode()).decode()


def seal_bytes(data: bytes) -> bytes:
    return _box().encrypt(data)


def unseal_bytes(sealed: bytes) -> bytes | None:
    """None where SECRET_KEY has changed since."""
    try:
        return _box().decrypt(sealed)
    except InvalidToken:
        return None


def unseal(sealed: str) -> str:
    """The secret, or nothing where SECRET_KEY has changed since: a deployment then fails as unauthorised."""
    return (unseal_bytes(sealed.encode()) or b"").decode()
