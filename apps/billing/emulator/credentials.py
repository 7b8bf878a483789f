"""Secret keys, sent as a bearer token or as the user's name of basic authentication."""

import base64
import binascii
import re

from apps.billing.emulator.errors import StripeError, unauthorized

TEST_KEY = re.compile(r"^(sk|rk)_test_[A-Za-z0-9_]{10,247}$")


def secret_key(authorization: str | None, accepted: tuple[str, ...]) -> str:
    """Raises StripeError (401) for none, for one of the wrong shape, and for a live one."""
    key = _sent(authorization or "")
    if not key:
        raise unauthorized(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using "
            "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    if key.startswith(("sk_live_", "rk_live_")):
        raise unauthorized("A live key was sent to a stand-in for Stripe. It takes test keys only; check the address.")
    if not TEST_KEY.match(key) or (accepted and key not in accepted):
        raise StripeError(f"Invalid API Key provided: {_masked(key)}", status=401)
    return key


def _sent(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def _masked(key: str) -> str:
    return f"{key[:8]}{'*' * max(0, len(key) - 12)}{key[-4:]}" if len(key) > 12 else "*" * len(key)
