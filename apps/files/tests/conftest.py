"""An owner of files, and each kind of storage that contents may lie in: both are the real thing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from pytest_django.fixtures import Settings

from apps.accounts.services import create_project
from apps.accounts.tests.cast import Cast, cast
from apps.files.tests.s3_server import BUCKET, s3_server
from artemis_site.environment import file_storage

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
        url = f"file://{tmp_path}/contents"
    else:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "moon")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "only-for-tests")
        endpoint = request.getfixturevalue("s3")
        url = f"s3://{BUCKET}/{tmp_path.name}?endpoint={endpoint}&region=us-east-1&addressing=path"
    settings.STORAGES = {**settings.STORAGES, "files": file_storage(url)}
    return storages["files"]
