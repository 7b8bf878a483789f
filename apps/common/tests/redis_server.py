"""A Redis of one test's own, to be stopped, killed, started again, and robbed of what it wrote last."""

import shutil
import subprocess
import time
from pathlib import Path

from redis import Redis

from deploy.local import redis
from deploy.local.ports import free_port, is_free


class Server:
    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.port = free_port()
        self.folder = folder
        self.durable = durable
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return redis.url(port=self.port, password="only-for-tests", database=1)

    def start(self) -> None:
        command = redis.command(self.folder, port=self.port, password="only-for-tests", durable=self.durable)
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while is_free(self.port) and time.monotonic() < deadline:
            time.sleep(0.01)

    def replicate(self, *master: str) -> None:
        with Redis.from_url(self.url) as client:
            client.replicaof(*master)

    def sync(self) -> None:
        """Until all that it has answered is on its disk: it writes later than it answers where a sync is under way."""
        with Redis.from_url(self.url) as client:
            client.set("synced", 1)  # WAITAOF waits for what its own connection wrote, and all before that
            assert client.waitaof(1, 0, 10_000)[0] == 1

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()


def copy_of_appended(folder: Path) -> Path:
    """What a Redis with this folder has on its disk at this moment."""
    copy = folder / "earlier"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder / "appendonlydir", copy)
    return copy


def put_back(folder: Path, copy: Path) -> None:
    """For a Redis that stands still, and is then killed: what it wrote since the copy never reached the disk."""
    shutil.rmtree(folder / "appendonlydir")
    copy.rename(folder / "appendonlydir")
