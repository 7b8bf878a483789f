"""Engines that share a GPU by turns: vLLM's sleep mode, as its development server speaks it.

vLLM with `--enable-sleep-mode` and VLLM_SERVER_DEV_MODE=1. Those routes must be reachable from the platform alone.
Level 1 keeps the weights in the host's memory, level 2 reads them again from where they came.
"""

from typing import Any

import msgspec

from inference.client import EngineClient
from inference.errors import EngineError, EngineGarbled
from inference.router import Deployment
from inference.sleep import Sleep

ASK_SECONDS = 3.0
_state = msgspec.json.Decoder(dict[str, Any])


async def is_asleep(client: EngineClient, deployment: Deployment) -> bool:
    """Raises EngineError."""
    body = await client.get(deployment.route("/is_sleeping"), api_key=deployment.api_key, seconds=ASK_SECONDS)
    try:
        return bool(_state.decode(body)["is_sleeping"])
    except (msgspec.MsgspecError, KeyError) as error:
        raise EngineGarbled("the engine does not say whether it sleeps") from error


async def fall_asleep(client: EngineClient, deployment: Deployment, sleep: Sleep) -> None:
    """Not before what runs has ended: nothing is aborted. Raises EngineError."""
    await _post(client, deployment, f"/sleep?level={sleep.level}&mode=wait", sleep.wake_seconds)


async def wake_up(client: EngineClient, deployment: Deployment, sleep: Sleep) -> None:
    """Raises EngineError where it does not wake, for want of memory for instance."""
    if sleep.level == 1:
        await _post(client, deployment, "/wake_up", sleep.wake_seconds)
    else:
        await _post(client, deployment, "/wake_up?tags=weights", sleep.wake_seconds)
        await _post(client, deployment, "/collective_rpc", sleep.wake_seconds, b'{"method":"reload_weights"}')
        await _post(client, deployment, "/wake_up?tags=kv_cache", sleep.wake_seconds)
    if await is_asleep(client, deployment):
        raise EngineError("the engine was woken and still sleeps")


async def _post(client: EngineClient, deployment: Deployment, path: str, seconds: float, body: bytes = b"") -> None:
    await client.post(deployment.route(path), body, api_key=deployment.api_key, seconds=seconds)
