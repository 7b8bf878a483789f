"""While Redis is away, new schemas are let through."""

from apps.common.redis_pipe import RedisPipe
from apps.gateway.schemas import admit_schemas
from deploy.local.ports import free_port


async def test_nothing_is_limited_while_redis_is_away() -> None:
    pipe = RedisPipe(f"redis://127.0.0.1:{free_port()}/0")
    for number in range(300):
        await admit_schemas(pipe, account_id=1, digest=str(number))
