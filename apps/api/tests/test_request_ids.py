"""A request's id is made here, unless our own proxy has made it."""

import ipaddress
from typing import Any

import pytest

from apps.api.request_ids import request_id_of

MADE = "req_0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def behind_an_edge(settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.0.0.0/8")]
    settings.REQUEST_IDS_FROM_PROXY = True


def told(*given: str, peer: str | None = "10.0.0.7") -> str:
    headers = [(b"host", b"localhost"), *((b"x-request-id", one.encode("latin-1")) for one in given)]
    scope: dict[str, Any] = {"headers": headers, "client": (peer, 1) if peer else None}
    return request_id_of(scope)


def test_our_proxys_id_is_taken() -> None:
    assert told(MADE) == MADE


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("",),
        ("req_",),
        (MADE.upper(),),
        (MADE[:-1],),
        (MADE + "0",),
        (MADE + "\n",),
        (f" {MADE}",),
        ("req_0123456789abcdef0123456\x00",),
        ("req_0123456789abcdef0123456é",),
        (MADE, MADE),
        (f"{MADE},{MADE}",),
        ("batch_0123456789abcdef01234567",),
    ],
)
def test_what_is_not_quite_one_is_replaced(given: tuple[str, ...]) -> None:
    made = {told(*given), told(*given)}
    assert len(made) == 2
    assert made.isdisjoint(given)
    assert all(len(one) == len(MADE) and one.startswith("req_") for one in made)


@pytest.mark.parametrize("peer", ["127.0.0.1", "11.0.0.1", "", None, "unix"])
def test_nobody_else_chooses_one(peer: str | None) -> None:
    assert told(MADE, peer=peer) != MADE


def test_nobody_at_all_where_it_is_not_switched_on(settings: Any) -> None:
    settings.REQUEST_IDS_FROM_PROXY = False
    assert told(MADE) != MADE
