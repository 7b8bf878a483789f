"""One ASGI application of two planes: /v1 and health run lean, everything else is the portal's Django.

ARTEMIS_PLANE (all, gateway or portal) says which of them this process serves.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "artemis_site.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402

from apps.api.handler import V1Handler  # noqa: E402
from apps.api.request_ids import request_id_of  # noqa: E402
from apps.common import tracing  # noqa: E402
from apps.common.logs import context  # noqa: E402
from apps.gateway import runtime  # noqa: E402
from artemis_site.bodies import BoundedBodies  # noqa: E402

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
sys.set_int_max_str_digits(640)  # the least that there is: of 4,000 digits, one takes 0.4 ms, and a body has thousands
LEAN_PATHS = frozenset({"healthz", "readyz", "metrics", "internal"})

portal = BoundedBodies(get_asgi_application())  # type: ignore[arg-type]
v1 = V1Handler(
    settings.V1_URLCONF,
    max_body_bytes=settings.GATEWAY_MAX_BODY_BYTES,
    body_seconds=settings.GATEWAY_BODY_SECONDS,
)


async def application(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    lean = is_lean(scope["path"]) or settings.PLANE == "gateway"
    app = v1 if lean else page
    if tracing.tracer is None:
        await app(scope, receive, send)
    else:
        from apps.common.tracing.serving import served  # noqa: PLC0415 (only where tracing is on)

        await served(app, scope, receive, send, lean=lean)


async def page(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Of the portal. All that is logged meanwhile says of which request."""
    context.request_id.set(request_id_of(scope))
    await portal(scope, receive, send)


def is_lean(path: str) -> bool:
    """Also of /V1 and //v1, which do not exist: a caller of the API gets the API's error, not a page."""
    first = path.lstrip("/").partition("/")[0].lower()
    return first == "v1" or first in LEAN_PATHS


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    tracing.begin(f"artemis-{settings.PLANE}")
    await runtime.start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await runtime.stop()
    await asyncio.to_thread(tracing.end)
    await send({"type": "lifespan.shutdown.complete"})
