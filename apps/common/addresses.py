"""From where a request comes, behind proxies that are trusted and others that are not."""

import ipaddress

from django.conf import settings


def caller_address(peer: str, forwarded_for: str) -> str:
    """The peer, or what trusted proxies say of it: the last address in X-Forwarded-For that is not theirs."""
    if not settings.TRUSTED_PROXIES or not is_trusted(peer):
        return peer
    forwarded = [part.strip() for part in forwarded_for.split(",") if part.strip()]
    return next((str(address) for address in reversed(forwarded) if not is_trusted(address)), peer)


def is_trusted(address: str) -> bool:
    """Whether it is a proxy's that is believed."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in settings.TRUSTED_PROXIES)
