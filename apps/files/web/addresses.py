"""Which pages may be fetched at all: http and https, without a password in them, on public addresses and usual ports.

One parser (yarl's) reads the URL for the check and for the connection.
"""

import re

from django.conf import settings
from yarl import URL

from apps.common import outbound
from apps.common.outbound import LookUp, RefusedError
from apps.files.web.errors import not_allowed, unreachable

PORTS = (80, 443)
LONGEST = 2000
_HOST = re.compile(r"[0-9a-z._:-]{1,253}")


def allowed_url(text: str, *, base: URL | None = None) -> URL:
    """The URL, seen from the page that leads there. Raises Invalid."""
    if len(text) > LONGEST or not text.isprintable():
        raise not_allowed(f"Give an address of at most {LONGEST} printable characters.")
    try:
        url = base.join(URL(text)) if base else URL(text)
        host = url.raw_host or ""
    except ValueError as error:
        raise not_allowed("Give an address such as https://example.com/page.") from error
    if url.scheme not in ("http", "https") or not _HOST.fullmatch(host):
        raise not_allowed("Give an address that begins with http:// or https://, with a host.")
    if "@" in url.raw_authority:
        raise not_allowed("Leave user name and password out of the address.")
    return url


async def resolved(url: URL, look_up: LookUp) -> list[str]:
    """The addresses to connect to. Raises Invalid, also where only one of the name's addresses is not allowed."""
    port = url.port or 0

    def is_allowed(address: str) -> bool:
        is_usual = port in PORTS and outbound.is_public(address)
        return is_usual or outbound.is_in(address, settings.FILES_WEB_NETWORKS)

    try:
        return await outbound.resolved(url.raw_host or "", port, is_allowed=is_allowed, look_up=look_up)
    except RefusedError as error:
        message = f"Pages are fetched from public addresses alone, on the ports {' and '.join(map(str, PORTS))}."
        raise not_allowed(message) from error
    except (OSError, UnicodeError) as error:
        raise unreachable("The host of this address is not known.") from error
