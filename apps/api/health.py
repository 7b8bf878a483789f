"""/healthz: the process. /readyz: what it needs, and whether it takes requests. No key, no secret, no address."""

import asyncio
from urllib.parse import parse_qs

from django.conf import settings

from apps.api.errors import OPENAI
from apps.api.http import Request, Response, json_response
from apps.common.errors import Invalid
from apps.gateway.services import READINESS, readiness

SECONDS = 5
DRAINING = settings.ARTEMIS_HOME / "draining"  # made by deploy.drain, before the process is told to stop


async def healthz(request: Request) -> Response:
    return json_response({"status": "ok"})


async def readyz(request: Request) -> Response:
    """503 where something is away, or the process is about to stop.

    `?exclude=redis&exclude=postgres` leaves checks out, as Kubernetes' own /readyz does: where Redis is away, a probe
    that took every gateway out would refuse what a gateway still answers.
    """
    excluded = parse_qs(request.query).get("exclude", [])
    if unknown := [name for name in excluded if name not in READINESS]:
        problem = Invalid("exclude", f"There is no check {unknown[0][:100]!r}; there are {', '.join(READINESS)}.")
        return OPENAI.error(problem, request.request_id)
    if DRAINING.exists():
        return json_response({"status": "draining", "checks": {}}, status=503)
    try:
        async with asyncio.timeout(SECONDS):
            checks = await readiness(without=excluded)
    except TimeoutError:
        checks = dict.fromkeys((name for name in READINESS if name not in excluded), False)
    ready = all(checks.values())
    said = {"status": "ready" if ready else "not ready", "checks": checks}
    return json_response(said, status=200 if ready else 503)
