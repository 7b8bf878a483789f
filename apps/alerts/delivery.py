"""Posts signed messages to webhooks, as Standard Webhooks has it, within five seconds each and without redirects."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from apps.alerts.addresses import resolved
from apps.common.outbound import RefusedError, trusted_authorities

SECONDS = 5.0
PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class Message:
    url: str
    secret: str
    message_id: str
    body: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The status that answered, or why none did."""

    status: int | None = None
    error: str = ""

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def post_all(messages: Sequence[Message]) -> list[Outcome]:
    """Posts them at the same time; one that hangs holds up none."""
    trusted = trusted_authorities()

    async def work() -> list[Outcome]:
        # No proxy of the environment: it would resolve the name again.
        async with httpx.AsyncClient(
            verify=trusted, trust_env=False, follow_redirects=False, timeout=SECONDS
        ) as client:
            return await asyncio.gather(*(_post(client, message) for message in messages))

    return asyncio.run(work())


def signature(secret: str, message_id: str, timestamp: int, body: str) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = hmac.digest(key, f"{message_id}.{timestamp}.{body}".encode(), hashlib.sha256)
    return f"v1,{base64.b64encode(signed).decode()}"


async def _post(client: httpx.AsyncClient, message: Message) -> Outcome:
    if not message.secret:
        return Outcome(error="The signing secret cannot be read any more. Make a new one.")
    try:
        async with asyncio.timeout(SECONDS):
            return await _answer(client, message)
    except (TimeoutError, httpx.TimeoutException):
        return Outcome(error=f"No answer within {SECONDS:.0f} seconds.")
    except RefusedError as error:
        return Outcome(error=str(error))
    except (httpx.HTTPError, OSError, UnicodeError):
        return Outcome(error="The server could not be reached.")


async def _answer(client: httpx.AsyncClient, message: Message) -> Outcome:
    url = httpx.URL(message.url)
    address = await resolved(url)
    timestamp = int(time.time())
    headers = {
        "host": url.netloc.decode(),
        "content-type": "application/json",
        "user-agent": "Artemis-Webhooks/1",
        "webhook-id": message.message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(message.secret, message.message_id, timestamp, message.body),
    }
    # The certificate must be that of the name, though the connection goes to the address.
    names = {"sni_hostname": url.raw_host.decode()}
    request = client.build_request(
        "POST", url.copy_with(host=address), content=message.body.encode(), headers=headers, extensions=names
    )
    response = await client.send(request, stream=True)
    await response.aclose()  # what it says is nobody's business
    if response.is_redirect:
        return Outcome(status=response.status_code, error=f"{response.status_code}: redirects are not followed.")
    return Outcome(status=response.status_code)
