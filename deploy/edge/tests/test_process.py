"""The edge as a container runs it: as nobody in particular, and let go of with time for what is open."""

import contextlib
import os
import signal
import threading

import pytest

from deploy.edge.tests.backend import Backend
from deploy.edge.tests.edge import Edge
from deploy.edge.tests.test_streams import Turns

NOBODY = 65534


@pytest.fixture
def unprivileged(gateway: Backend, portal: Backend, tmp_path_factory: pytest.TempPathFactory) -> Edge:
    """Its folders are another's, but for the two that it may write to."""
    folder = tmp_path_factory.mktemp("unprivileged")
    edge = Edge(folder, gateway.address, portal.address, user=NOBODY)
    edge.renew_certificate()
    for name in ("run", "cache"):
        (folder / name).mkdir()
        os.chown(folder / name, NOBODY, NOBODY)
    for file in (edge.certificate, edge.key, folder / "access.log"):
        file.touch()
        os.chown(file, NOBODY, NOBODY)
    return edge


@pytest.mark.skipif(os.getuid() != 0, reason="takes root, to be nobody")
def test_it_takes_no_privileges_and_writes_to_two_folders(unprivileged: Edge) -> None:
    unprivileged.start()
    try:
        with unprivileged.client(headers={"Authorization": "Bearer good"}) as client:
            assert client.post("/v1/chat/completions", content=b"x" * 2**20).status_code == 200
            assert client.get("/docs/").status_code == 200
    finally:
        assert unprivileged.stop() == 0
    assert "[warn]" not in unprivileged.errors()
    mine = {"ca.pem", "both.pem", "access.log", "error.log", "run", "cache"}
    assert {path.name for path in unprivileged.folder.iterdir()} == mine


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_open_streams_end_before_it_does(
    gateway: Backend, portal: Backend, tmp_path_factory: pytest.TempPathFactory, number: signal.Signals
) -> None:
    portal.answer = turns = Turns(10)
    edge = Edge(tmp_path_factory.mktemp("ending"), gateway.address, portal.address)
    edge.start()
    assert edge.process
    with edge.client() as client, client.stream("GET", "/docs/") as answer:
        parts = answer.iter_text()
        got = next(parts)
        edge.process.send_signal(number)
        edge.wait_for(lambda: not can_connect(edge))
        threading.Timer(0.5, turns.read.release, [10]).start()
        assert edge.process.poll() is None
        got += "".join(parts)
    assert got.count("data") == 10
    assert edge.process.wait(10) == 0


def can_connect(edge: Edge) -> bool:
    try:
        return edge.answers()
    except AssertionError:
        return False


def test_it_does_not_outlive_an_nginx_that_dies(
    gateway: Backend, portal: Backend, tmp_path_factory: pytest.TempPathFactory
) -> None:
    edge = Edge(tmp_path_factory.mktemp("dying"), gateway.address, portal.address)
    edge.start()
    assert edge.process
    workers = edge.workers()
    os.kill(int((edge.folder / "run" / "nginx.pid").read_text()), signal.SIGKILL)
    try:
        assert edge.process.wait(10) == 128 + signal.SIGKILL
    finally:
        for worker in workers:  # which have nobody to tell them
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
