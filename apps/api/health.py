"""/healthz: the process. /readyz: what it needs. No key, no secret, no address."""

import asyncio

import msgspec
from django.http import HttpRequest, HttpResponse

from apps.gateway.services import readiness


async def healthz(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b'{"status":"ok"}', content_type="application/json")


async def readyz(request: HttpRequest) -> HttpResponse:
    async with asyncio.timeout(5):
        checks = await readiness()
    ready = all(checks.values())
    body = msgspec.json.encode({"status": "ready" if ready else "not ready", "checks": checks})
    return HttpResponse(body, status=200 if ready else 503, content_type="application/json")
