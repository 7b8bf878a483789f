"""/metrics, for Prometheus: to trusted networks or with METRICS_TOKEN; for everybody else it is not there."""

import asyncio
import hmac
import ipaddress

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from apps.api.errors import plain_error
from apps.common.addresses import caller_address
from apps.gateway.exposition import CONTENT_TYPE, exposition


async def metrics(request: HttpRequest) -> HttpResponse:
    if not (_has_token(request) or _is_near(request)):
        request_id: str = request.request_id  # type: ignore[attr-defined]
        return plain_error(404, "There is no '/metrics' here; see /docs.", request_id)
    return HttpResponse(await asyncio.to_thread(exposition), content_type=CONTENT_TYPE)


def _has_token(request: HttpRequest) -> bool:
    if not settings.METRICS_TOKEN:
        return False
    given = request.META.get("HTTP_AUTHORIZATION", "")
    return hmac.compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())


def _is_near(request: HttpRequest) -> bool:
    """Whether the caller's own address is trusted. What came through a proxy that we do not know, a tunnel on this
    machine for instance, only looks near: it says whom it forwards, and nobody may believe it."""
    peer = request.META.get("REMOTE_ADDR", "")
    address = caller_address(request)
    forwarded = "HTTP_X_FORWARDED_FOR" in request.META or "HTTP_FORWARDED" in request.META
    if forwarded and address == peer:
        return False
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in settings.METRICS_NETWORKS)
