"""What engines say of themselves: all their /metrics, read at once."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import httpx
from django.utils import timezone

from apps.catalog.contracts import DeploymentFacts

SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Page:
    """Written after `asked_at` and before `told_at`."""

    text: str
    asked_at: datetime
    told_at: datetime


def metrics_of(engines: Mapping[str, Sequence[DeploymentFacts]]) -> dict[str, Page]:
    """By address, of those that answer."""
    return asyncio.run(_read({address: those[0].api_key for address, those in engines.items()}))


async def _read(keys: Mapping[str, str]) -> dict[str, Page]:
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=SECONDS) as client:
        pages = await asyncio.gather(*(_page(client, address, key) for address, key in keys.items()))
    return {address: page for address, page in zip(keys, pages, strict=True) if page is not None}


async def _page(client: httpx.AsyncClient, address: str, key: str) -> Page | None:
    asked_at = timezone.now()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with asyncio.timeout(SECONDS):
            answer = await client.get(address.removesuffix("/v1") + "/metrics", headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError):
        return None
    return Page(answer.text, asked_at, timezone.now()) if answer.status_code == 200 else None
