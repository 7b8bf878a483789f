"""An owner of files, and each kind of storage that contents may lie in: both are the real thing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from pytest_django.fixtures import Settings

from apps.accounts.services import create_project
from apps.accounts.tests.cast import Cast, cast
from apps.files.tests.s3_server import bucket, s3_server

__all__ = ["cast"]


@pytest.fixture
def owner(cast: Cast) -> dict[str, int]:
    project = create_project(account_id=cast.northwind.id, name="Files")
    return {"account_id": cast.northwind.id, "project_id": project.id}


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3") / "server.log") as url:
        yield url


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The storage itself, to look into and to damage."""
    if request.param == "folder":
        described = {"BACKEND": "apps.files.storage.folder.Folder", "OPTIONS": {"location": tmp_path / "contents"}}
    else:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "moon")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "only-for-tests")
        described = bucket(request.getfixturevalue("s3"), prefix=tmp_path.name)
    settings.STORAGES = {**settings.STORAGES, "files": described}
    return storages["files"]
