from collections.abc import Iterator

import pytest

from deploy.edge.tests.backend import Backend
from deploy.edge.tests.edge import MISSING, NGINXES, Edge


@pytest.fixture(scope="session", autouse=True)
def has_nginx() -> None:
    if not NGINXES:
        pytest.skip(MISSING)


@pytest.fixture(scope="session")
def planes() -> Iterator[tuple[Backend, Backend]]:
    with Backend() as gateway, Backend() as portal:
        yield gateway, portal


@pytest.fixture(scope="session")
def running_edge(planes: tuple[Backend, Backend], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """With limits that a test reaches only by meaning to, and times that can be waited for."""
    gateway, portal = planes
    settings = {
        "HEADER_SECONDS": "2",
        "BODY_SECONDS": "2",
        "KEY_SECONDS": "2",
        "STREAM_TIMEOUT": "3",
        "MAX_BODY": "1m",
        "MAX_UPLOAD": "4m",
        "TRUSTED_PROXIES": "127.0.0.99",
        "ACME_ROOT": str(tmp_path_factory.mktemp("acme")),
    }
    edge = Edge(tmp_path_factory.mktemp("edge"), gateway.address, portal.address, settings)
    edge.start()
    yield edge
    edge.stop()


@pytest.fixture
def gateway(planes: tuple[Backend, Backend]) -> Iterator[Backend]:
    planes[0].reset()
    yield planes[0]
    planes[0].reset()


@pytest.fixture
def portal(planes: tuple[Backend, Backend]) -> Iterator[Backend]:
    planes[1].reset()
    yield planes[1]
    planes[1].reset()


@pytest.fixture
def edge(running_edge: Edge, gateway: Backend, portal: Backend) -> Iterator[Edge]:
    yield running_edge
    running_edge.maintenance.unlink(missing_ok=True)
