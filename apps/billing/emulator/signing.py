"""`Stripe-Signature`, as https://docs.stripe.com/webhooks#verify-manually describes it."""

import hashlib
import hmac


def signature(body: bytes, *, secrets: list[str], at: int) -> str:
    """While a secret is rolled, both the old and the new one sign."""
    signed = str(at).encode() + b"." + body
    parts = [f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}" for secret in secrets]
    return ",".join([f"t={at}", *parts])
