"""/healthz: the process. /readyz: what it needs. No key, no secret, no address."""

import asyncio

from apps.api.http import Request, Response, json_response
from apps.gateway.services import readiness


async def healthz(request: Request) -> Response:
    return json_response({"status": "ok"})


async def readyz(request: Request) -> Response:
    async with asyncio.timeout(5):
        checks = await readiness()
    ready = all(checks.values())
    said = {"status": "ready" if ready else "not ready", "checks": checks}
    return json_response(said, status=200 if ready else 503)
