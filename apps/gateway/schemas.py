"""Limits how many different JSON schemas an account may bring: each is compiled, and kept, by the engine it reaches."""

from django.conf import settings
from redis.exceptions import RedisError

from apps.common.errors import LimitExceeded
from apps.common.redis_pipe import RedisPipe
from apps.gateway import telemetry
from apps.gateway.admission import run_script


async def admit_schemas(pipe: RedisPipe, *, account_id: int, digest: str) -> None:
    """Admits a request's schemas, by their digest. Raises LimitExceeded.

    While Redis is away nothing is limited: what it bounds is filled over hours.
    """
    most = settings.GATEWAY_NEW_SCHEMAS_PER_HOUR
    try:
        wait = await run_script(pipe, "schemas", account_id, digest, most)
    except RedisError:
        return
    if wait:
        telemetry.refused("schemas")
        raise LimitExceeded(
            f"The account's limit of {most} different JSON schemas (or sets of tools) an hour is reached; those of "
            f"this hour may still be used. Try again in {wait} seconds.",
            code="schema_limit_exceeded",
            retry_after=wait,
        )
