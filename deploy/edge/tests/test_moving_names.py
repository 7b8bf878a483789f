"""Planes whose names come to mean other addresses are followed, without a reload."""

from collections.abc import Iterator

import httpx
import pytest

from deploy.edge.tests.backend import Backend
from deploy.edge.tests.edge import NGINXES, Edge, version
from deploy.edge.tests.name_server import NameServer

NEWER = [nginx for nginx in NGINXES if version(nginx) >= (1, 27, 3)]
pytestmark = pytest.mark.skipif(not NEWER, reason="there is no nginx of 1.27.3 or later on this machine")


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer("127.0.0.1") as names:
        yield names


def test_an_address_that_is_new_is_found(names: NameServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    with Backend() as first, Backend(port=first.port, host="127.0.0.5") as second:
        name = f"gateway.artemis.svc:{first.port}"
        settings = {"RESOLVER": names.address, "ACME_UPSTREAM": name}
        edge = Edge(tmp_path_factory.mktemp("moving"), name, name, settings, NEWER[0])
        edge.start()
        try:
            with edge.client(headers={"Authorization": "Bearer good"}) as client:
                edge.wait_for(lambda: client.post("/v1/chat/completions").status_code == 200)
                challenge = f"http://127.0.0.1:{edge.http_port}/.well-known/acme-challenge/token"
                assert httpx.get(challenge).json()["target"] == "/.well-known/acme-challenge/token"
                names.addresses = ("127.0.0.5",)
                edge.wait_for(lambda: client.post("/v1/chat/completions").status_code == 200 and second.seen, 20)
        finally:
            edge.stop()
    assert first.seen
