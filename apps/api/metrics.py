"""/metrics, for Prometheus: to trusted networks or with METRICS_TOKEN; for everybody else it is not there."""

import asyncio
import hmac
import ipaddress

from django.conf import settings

from apps.api.errors import OPENAI
from apps.api.http import Request, Response
from apps.gateway.exposition import CONTENT_TYPE, exposition


async def metrics(request: Request) -> Response:
    if not (_has_token(request) or _is_near(request)):
        return OPENAI.plain(404, "There is no '/metrics' here; see /docs.", request.request_id)
    return Response(body=await asyncio.to_thread(exposition), content_type=CONTENT_TYPE)


def _has_token(request: Request) -> bool:
    if not settings.METRICS_TOKEN:
        return False
    given = request.header(b"authorization")
    return hmac.compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())


def _is_near(request: Request) -> bool:
    """Whether the caller's own address is trusted. What came through a proxy that we do not know, a tunnel on this
    machine for instance, only looks near: it says whom it forwards, and nobody may believe it."""
    address = request.caller
    forwarded = request.header(b"x-forwarded-for") or request.header(b"forwarded")
    if forwarded and address == request.peer:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in settings.METRICS_NETWORKS)
