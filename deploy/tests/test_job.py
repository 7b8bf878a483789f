"""The migration Job's own commands, run for real in its order: as production, on a database like the cluster's."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from deploy.checks import rendering
from deploy.checks.rendering import DEPLOY
from deploy.checks.workloads import Workload, of_kind, workloads
from deploy.tests.test_variables import variables

OWNER, PASSWORD, DATABASE = "cluster_owner", "x", "cluster"


@pytest.fixture
def address() -> Iterator[str]:
    """A database whose owner is nobody special, with the extension made beforehand: CloudNativePG's way."""
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    (cluster,) = of_kind(rendering.overlay("production"), "Cluster").values()
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}' NOSUPERUSER NOCREATEROLE NOCREATEDB")
        connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        with psycopg.connect(f"{server}/{DATABASE}", autocommit=True) as inside:
            for statement in cluster["spec"]["bootstrap"]["initdb"]["postInitApplicationSQL"]:
                inside.execute(statement)
        parts = urlsplit(server)
        yield f"postgres://{OWNER}:{PASSWORD}@{parts.hostname}:{parts.port}/{DATABASE}"
        connection.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)")
        connection.execute(f"DROP ROLE {OWNER}")


def job() -> Workload:
    (found,) = [one for one in workloads(rendering.overlay("production")) if one.kind == "Job"]
    return found


def test_the_job_runs_to_its_end_and_again(address: str, tmp_path: Path) -> None:
    (models,) = [one for name, one in of_kind(rendering.overlay("production"), "ConfigMap").items() if "models" in name]
    (tmp_path / "models.yaml").write_text(models["data"]["models.yaml"])
    own = {"DATABASE_URL": address, "REDIS_URL": os.environ["REDIS_URL"], "ARTEMIS_HOME": str(tmp_path / "home")}
    environment = {"PATH": os.environ["PATH"], **variables("production", job()), **own}
    for said in ("+ deployment qwen3-4b-4", "0 changes."):
        for container in job().all_containers:
            program, *arguments = [one.replace("/etc/artemis", str(tmp_path)) for one in container["args"]]
            assert program == "python"
            done = subprocess.run(
                [sys.executable, *arguments],
                cwd=DEPLOY.parent,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        assert said in done.stdout
    with psycopg.connect(address) as connection:
        offered = connection.execute("SELECT count(*) FROM catalog_deployment").fetchone()
    assert offered == (7,)
