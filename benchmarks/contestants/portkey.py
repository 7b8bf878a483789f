"""Portkey's gateway, open source, on Node.js: no keys of its own, each request says where it goes.

Its range for @hono/node-server lets in releases in which it answers every stream with a 500, so package.json
holds that one back.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contestants.contestant import AbsentError, Contestant
from benchmarks.contestants.environment import node_environment
from benchmarks.processes import process, wait_for
from deploy.local.ports import free_port

NAME = "Portkey gateway"
SERVER = "node_modules/@portkey-ai/gateway/build/start-server.js"


@contextmanager
def start(folder: Path, engine: int) -> Iterator[Contestant]:
    node = shutil.which("node")
    if node is None:
        raise AbsentError("Node.js is not installed")
    server = node_environment("portkey") / SERVER
    port = free_port()
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{engine}/v1"}
    log = folder / "portkey.log"
    env = {"NODE_ENV": "production"}
    with process([node, str(server), f"--port={port}", "--headless"], env=env, log=log) as child:
        wait_for(f"http://127.0.0.1:{port}/", child=child, log=log)
        yield Contestant(NAME, port, [child.pid], headers=headers)
