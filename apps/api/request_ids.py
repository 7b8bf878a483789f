"""A request's id. It is what a request is billed by, once, so nobody but a proxy of our own may choose it."""

import re
import secrets
from collections.abc import MutableMapping
from typing import Any

from django.conf import settings

from apps.common.addresses import is_trusted

HEADER = b"x-request-id"
_FORM = re.compile(rb"req_[0-9a-f]{24}")


def request_id_of(scope: MutableMapping[str, Any]) -> str:
    """A new one, or the one that the edge has made and written into its log already."""
    if settings.REQUEST_IDS_FROM_PROXY and is_trusted((scope.get("client") or ("",))[0]):
        given = [value for name, value in scope["headers"] if name == HEADER]
        if len(given) == 1 and _FORM.fullmatch(given[0]):
            return str(given[0].decode())
    return f"req_{secrets.token_hex(12)}"
