"""Where a webhook may go: to public addresses on the web's ports, whatever its name resolves to.

One parser (httpx's) reads the URL for the check and for the connection, and the name is resolved once: the connection
goes to the address that was checked.
"""

import socket

import httpx
from django.conf import settings

from apps.common import outbound
from apps.common.errors import Invalid

PORTS = (80, 443, 8443)


def checked_url(text: str) -> str:
    """A webhook's URL, or Invalid. Names are resolved when something is sent."""
    text = text.strip()
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > 500:
        raise Invalid("url", "Give an address of at most 500 plain characters, such as https://example.com/hook.")
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise Invalid("url", "Give an address such as https://example.com/hook.") from error
    schemes = ("https",) if settings.PRODUCTION else ("https", "http")
    if url.scheme not in schemes or not url.host:
        raise Invalid("url", f"Give an address that begins with {' or '.join(schemes)}://, with a host.")
    if url.userinfo:
        raise Invalid("url", "Leave the user name out of the address: messages are signed instead.")
    if settings.PRODUCTION and port_of(url) not in PORTS:
        raise Invalid("url", f"Use one of the ports {', '.join(map(str, PORTS))}.")
    try:
        found = socket.getaddrinfo(url.host, None, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):
        return text  # a name
    if not all(is_allowed(str(entry[4][0])) for entry in found):
        raise Invalid("url", outbound.NOT_PUBLIC)
    return text


async def resolved(url: httpx.URL) -> str:
    """The address to connect to. Raises RefusedError where any that the name has is not allowed, OSError without."""
    return (await outbound.resolved(url.host, port_of(url), is_allowed=is_allowed))[0]


def port_of(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def is_allowed(text: str) -> bool:
    return settings.ALERTS_ALLOW_PRIVATE_ADDRESSES or outbound.is_public(text)
