"""Secrets of others that we must be able to use, encrypted at rest with a key derived from SECRET_KEY (Fernet)."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


def _box() -> Fernet:
    derived = hashlib.blake2b(settings.SECRET_KEY.encode(), digest_size=32, person=b"artemis-seal").digest()
    return Fernet(base64.urlsafe_b64encode(derived))


def seal(secret: str) -> str:
    return _box().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """The secret, or nothing where SECRET_KEY has changed since: a deployment then fails as unauthorised."""
    try:
        return _box().decrypt(sealed.encode()).decode()
    except InvalidToken:
        return ""
