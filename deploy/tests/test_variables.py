"""Every variable that a container is given is one that its program reads, and production starts with them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from deploy.checks import rendering
from deploy.checks.rendering import DEPLOY, ENVIRONMENTS
from deploy.checks.workloads import Workload, of_kind, workloads

ROOT = DEPLOY.parent
READ = re.compile(
    r"""(?:environ(?:\.get|\.setdefault|\.pop)?[\[(]\s*|\benv\.\w+\(\s*|email_url\()["']([A-Z][A-Z0-9_]+)["']"""
)
OF_LIBRARIES = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}  # boto3's
OF_MODELS = re.compile(r"os\.environ/([A-Z0-9_]+)")
PLATFORM = ("gateway", "portal", "worker", "beat", "migration-job")
RANDOM = "0aF9" * 16


def variables(environment: str, workload: Workload) -> dict[str, str]:
    """With Secrets' values made up, and references put in, as Kubernetes does it."""
    objects = rendering.overlay(environment)
    maps = {name: one["data"] for name, one in of_kind(objects, "ConfigMap").items()}
    secrets = {
        one["metadata"]["name"]: {key: value.replace("change-me", RANDOM) for key, value in one["stringData"].items()}
        for one in yaml.safe_load_all((DEPLOY / "secrets.example.yaml").read_text())
        if one
    } | {"postgres-app": {"password": RANDOM}}
    (container,) = workload.containers
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= maps[source["configMapRef"]["name"]] if "configMapRef" in source else {}
        found |= secrets[source["secretRef"]["name"]] if "secretRef" in source else {}
    for one in container.get("env", []):
        if "value" in one:
            missing = [name for name in re.findall(r"\$\((\w+)\)", one["value"]) if name not in found]
            assert missing == [], "a reference is only to what stands before it"
            found[one["name"]] = re.sub(r"\$\((\w+)\)", lambda match: found[match[1]], one["value"])
        else:
            reference = one["valueFrom"]["secretKeyRef"]
            found[one["name"]] = secrets[reference["name"]][reference["key"]]
    return found


def references(workload: Workload) -> set[str]:
    """Variables that are there for others' sake."""
    texts = [one.get("value", "") for part in workload.containers for one in part.get("env", [])]
    texts += [one for part in workload.containers for one in part.get("args", [])]
    return {name for text in texts for name in re.findall(r"\$\((\w+)\)", text)}


def read_by_the_platform() -> set[str]:
    files = [
        file
        for folder in ("apps", "artemis_site", "inference", "deploy")
        for file in (ROOT / folder).rglob("*.py")
        if "tests" not in file.parts and "local" not in file.parts
    ]
    return {name for file in files for name in READ.findall(file.read_text())} | OF_LIBRARIES


def of_platform(environment: str) -> list[Workload]:
    return [one for one in workloads(rendering.overlay(environment)) if one.name in PLATFORM]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_platform_reads_what_it_is_given(environment: str) -> None:
    known = read_by_the_platform()
    assert {"DATABASE_URL", "ARTEMIS_PLANE", "EMAIL_URL", "WEB_CONCURRENCY", "GRACEFUL_TIMEOUT"} <= known
    (models,) = [one for name, one in of_kind(rendering.overlay(environment), "ConfigMap").items() if "models" in name]
    of_models = set(OF_MODELS.findall(models["data"]["models.yaml"]))
    assert len(of_platform(environment)) == len(PLATFORM)
    for workload in of_platform(environment):
        given = set(variables(environment, workload))
        assert given - known - of_models - references(workload) == set(), workload
        assert of_models <= given, "a provider's key that models.yaml names"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_planes(environment: str) -> None:
    planes = {one.name: variables(environment, one).get("ARTEMIS_PLANE") for one in of_platform(environment)}
    assert planes["gateway"] == "gateway"
    assert planes["portal"] == "portal"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_who_holds_locks_for_a_session_goes_past_the_pooler(environment: str) -> None:
    """Migrations, and workers who build indexes."""
    for workload in of_platform(environment):
        given = variables(environment, workload)
        if workload.name in ("worker", "migration-job"):
            assert "@postgres-rw:5432/" in given["DATABASE_URL"]
            assert "DATABASE_POOLER" not in given
        else:
            assert "@postgres-pooler:5432/" in given["DATABASE_URL"]
            assert given["DATABASE_POOLER"] == "1"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_platform_starts_with_them(environment: str, tmp_path: Path) -> None:
    """Django's own settings take all of it, as production."""
    (gateway,) = [one for one in of_platform(environment) if one.name == "gateway"]
    given = variables(environment, gateway) | {"ARTEMIS_HOME": str(tmp_path)}
    done = settings_loaded(
        given, "settings.PLANE, settings.FILES_STORAGE_URL, settings.EMAIL_HOST, settings.PRODUCTION"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"gateway {given['FILES_STORAGE_URL']} mail.example.com True")


def test_placeholders_are_refused(tmp_path: Path) -> None:
    """An operator who forgot to fill the secrets file in is told so by the first process that starts."""
    (gateway,) = [one for one in of_platform("production") if one.name == "gateway"]
    given = variables("production", gateway) | {"ARTEMIS_HOME": str(tmp_path), "SECRET_KEY": "change-me" * 8}
    done = settings_loaded(given, "settings.PLANE")
    assert done.returncode != 0
    assert "SECRET_KEY is missing, a placeholder or too short" in done.stderr


def settings_loaded(given: dict[str, str], expression: str) -> subprocess.CompletedProcess[str]:
    code = f"from django.conf import settings; print({expression})"
    environment = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "artemis_site.settings", **given}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_edge_reads_what_it_is_given(environment: str) -> None:
    folder = DEPLOY / "edge"
    if not folder.exists():
        pytest.skip("deploy/edge is not here")
    known = {
        name
        for file in folder.rglob("*")
        if file.is_file() and file.suffix != ".pyc"
        for name in re.findall(r"EDGE_[A-Z_]+", file.read_text())
    }
    (edge,) = [one for one in workloads(rendering.overlay(environment)) if one.name == "edge"]
    given = set(variables(environment, edge))
    assert len(given) > 7
    assert given <= known


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_edge_renders_with_it(environment: str, tmp_path: Path) -> None:
    """By its own script, which refuses a setting that it does not know, or that is none."""
    script = DEPLOY / "edge" / "render.sh"
    if not script.exists() or not shutil.which("nginx"):
        pytest.skip("deploy/edge or nginx is not here")
    (edge,) = [one for one in workloads(rendering.overlay(environment)) if one.name == "edge"]
    folders = {"EDGE_RUN_FOLDER": str(tmp_path), "EDGE_CACHE_FOLDER": str(tmp_path)}
    given = {"PATH": os.environ["PATH"], **variables(environment, edge), **folders}
    done = subprocess.run(["sh", script], env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"server_name {rendering.settings(environment)['host']};" in done.stdout
