"""A batch's files are stored before it ends, and seen with its end alone: whatever happens in between."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.accounts.tests.cast import Cast
from apps.batches.contracts import BatchFacts
from apps.batches.models import Batch, LineResult, Status
from apps.batches.services import cancel_batch
from apps.batches.services.stages import batch_row, finish, record, validate
from apps.batches.tests.test_run import begin, entries, make, seen
from apps.common.errors import Unavailable
from apps.files import selectors as files
from apps.files.models import StoredFile
from apps.files.storage.folder import Folder
from apps.files.tests.s3_server import bucket
from apps.keys.contracts import KeyFacts

pytestmark = pytest.mark.django_db(transaction=True)


class Meddling(Folder):
    """A folder that is so slow that the batch is cancelled meanwhile."""

    def _save(self, name: str, content: Any) -> str:
        for row in Batch.objects.filter(status=Status.IN_PROGRESS):
            cancel_batch(account_id=row.account_id, project_id=row.project_id, public_id=row.public_id)
        return super()._save(name, content)


@pytest.fixture
def key(cast: Cast) -> KeyFacts:
    return make(cast.northwind.id)


def half_answered(key: KeyFacts) -> tuple[BatchFacts, Batch]:
    batch = begin(key, 4)
    row = Batch.objects.get(public_id=batch.public_id)
    validate(row)
    for line, failed in ((1, False), (3, True)):
        record(row, line, failed=failed, entry=b'{"custom_id": "c%d"}\n' % line)
    return batch, batch_row(row.pk)


def outputs(key: KeyFacts) -> list[str]:
    owner = {"account_id": key.account_id, "project_id": key.project_id}
    return [file.public_id for file in files.files_of_project(**owner, limit=99, purpose="batch_output")[0]]


def test_a_window_that_closes_leaves_each_line_with_an_answer_or_an_error(key: KeyFacts) -> None:
    batch, row = half_answered(key)
    finish(row)
    assert seen(key, batch).status == "in_progress"
    Batch.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    finish(row)
    ended = seen(key, batch)
    assert (ended.status, ended.completed, ended.failed) == ("expired", 1, 3)
    assert [entry["custom_id"] for entry in entries(key, ended.output_file)] == ["c1"]
    errors = {entry["custom_id"]: entry.get("error") for entry in entries(key, ended.error_file)}
    assert errors.keys() == {"c2", "c3", "c4"}
    assert errors["c2"]["code"] == errors["c4"]["code"] == "batch_expired"
    assert set(outputs(key)) == {ended.output_file, ended.error_file}
    assert not LineResult.objects.exists()
    finish(row)
    assert len(outputs(key)) == 2


def test_what_is_cancelled_while_its_files_are_stored_ends_as_cancelled(key: KeyFacts, settings: Settings) -> None:
    batch, row = half_answered(key)
    Batch.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    meddling = {**settings.STORAGES["files"], "BACKEND": f"{__name__}.Meddling"}
    settings.STORAGES = {**settings.STORAGES, "files": meddling}
    finish(row)
    between = seen(key, batch)
    assert (between.status, between.output_file, outputs(key)) == ("cancelling", None, [])
    finish(row)
    ended = seen(key, batch)
    assert (ended.status, ended.completed, ended.failed) == ("cancelled", 1, 3)
    assert set(outputs(key)) == {ended.output_file, ended.error_file}
    codes = {entry["error"]["code"] for entry in entries(key, ended.error_file) if entry.get("error")}
    assert codes == {"batch_cancelled"}
    assert StoredFile.objects.filter(is_pending=True).count() == 2  # of the first try; they are swept


def test_a_storage_that_is_away_only_delays_the_end(
    key: KeyFacts, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "moon")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "only-for-tests")
    batch, row = half_answered(key)
    for line in (2, 4):
        record(row, line, failed=False, entry=b'{"custom_id": "c%d"}\n' % line)
    usual = settings.STORAGES
    settings.STORAGES = {**usual, "files": bucket("http://127.0.0.1:1")}
    with pytest.raises(Unavailable):
        finish(row)
    assert (seen(key, batch).status, outputs(key)) == ("finalizing", [])
    settings.STORAGES = usual
    finish(row)
    ended = seen(key, batch)
    assert (ended.status, ended.completed, ended.failed, len(outputs(key))) == ("completed", 3, 1, 2)
