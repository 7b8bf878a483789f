"""/metrics is for those near by and for those with the token; for everybody else it is not there."""

from typing import Any

import pytest
from django.test import override_settings

from apps.api.http import Request, Response
from apps.api.metrics import metrics

FAR = "203.0.113.9"
PROXY = "127.0.0.1"


async def get(address: str = FAR, **headers: str) -> Response:
    sent = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope: dict[str, Any] = {"method": "GET", "path": "/metrics", "client": (address, 1), "headers": sent}
    return await metrics(Request(scope, b"", "req_1"))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_this_machine_reads_it(address: str) -> None:
    answer = await get(address)
    assert answer.status == 200
    assert b"artemis_holds" in answer.body and answer.content_type.startswith("text/plain")


@pytest.mark.parametrize("address", [FAR, "10.1.2.3", "nonsense", ""])
async def test_nobody_else_does(address: str) -> None:
    assert (await get(address)).status == 404
    assert (await get(address, Authorization="Bearer ")).status == 404


@override_settings(METRICS_TOKEN="moonlight")
async def test_the_token_opens_it_from_anywhere() -> None:
    assert (await get(Authorization="Bearer moonlight")).status == 200
    for wrong in ("Bearer moonligh", "moonlight", "Bearer möönlight"):
        assert (await get(Authorization=wrong)).status == 404


async def test_what_came_through_a_proxy_is_not_near() -> None:
    """A tunnel on this machine would make the whole world look like 127.0.0.1."""
    assert (await get(PROXY, **{"X-Forwarded-For": FAR})).status == 404
    assert (await get(PROXY, **{"X-Forwarded-For": "127.0.0.1"})).status == 404
    assert (await get(PROXY, Forwarded=f"for={FAR}")).status == 404
