"""Contents lie in the storage, by account and hash, once; they go with the last file that has them, and are checked."""

import hashlib
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from apps.accounts.services import create_project
from apps.accounts.tests.cast import Cast
from apps.common.errors import NotFound, Unavailable
from apps.files import selectors, services
from apps.files.contracts import CHUNK_BYTES, DamagedError, FileFacts
from apps.files.models import FileChunk, StoredFile
from apps.files.tests.s3_server import bucket

pytestmark = pytest.mark.django_db(transaction=True)
CONTENT = bytes(range(256)) * (5 * CHUNK_BYTES // 512)  # two and a half pieces


def upload(owner: dict[str, int], content: bytes = CONTENT, **options: Any) -> FileFacts:
    given = {"name": "a.txt", "purpose": "assistants", **options}
    return services.upload_file(**owner, content=[content], size=len(content), **given)


def name_of(file: FileFacts) -> str:
    return f"{file.account_id}/{file.sha256[:2]}/{file.sha256}"


def delete(owner: dict[str, int], file: FileFacts) -> int:
    services.delete_file(**owner, public_id=file.public_id)
    return services.remove_contents()


def test_a_content_lies_in_the_storage(owner: dict[str, int], storage: Any) -> None:
    file = upload(owner)
    assert file.sha256 == hashlib.sha256(CONTENT).hexdigest()
    with storage.open(name_of(file)) as stored:
        assert stored.read() == CONTENT
    assert not FileChunk.objects.exists()
    pieces = list(selectors.pieces_of_file(file=file))
    assert b"".join(pieces) == selectors.content_of_file(file=file) == CONTENT
    assert max(map(len, pieces)) == CHUNK_BYTES


@pytest.mark.parametrize("purpose", ["batch", "assistants"])
@pytest.mark.usefixtures("storage")
def test_lines_come_from_the_storage(owner: dict[str, int], purpose: str) -> None:
    lines = [b"x" * length for length in (10, CHUNK_BYTES - 5, 1, 0, 2 * CHUNK_BYTES, 7)]
    file = upload(owner, b"\n".join(lines), purpose=purpose)
    found = dict(selectors.lines_of_file(file=file, longest=3 * CHUNK_BYTES))
    assert found == {number: line for number, line in enumerate(lines, 1) if line}


def test_a_content_is_there_once_and_goes_with_the_last_that_has_it(owner: dict[str, int], storage: Any) -> None:
    first, second = upload(owner), upload(owner)
    assert first.sha256 == second.sha256
    assert delete(owner, first) == 0
    assert selectors.content_of_file(file=second) == CONTENT
    assert delete(owner, second) == 1
    assert not storage.exists(name_of(second))
    assert not StoredFile.objects.exclude(sha256="").exists()
    with pytest.raises(NotFound):
        selectors.content_of_file(file=second)
    assert selectors.content_of_file(file=upload(owner)) == CONTENT  # and may come again


def test_accounts_share_nothing(owner: dict[str, int], cast: Cast, storage: Any) -> None:
    project = create_project(account_id=cast.charlies.id, name="Same")
    mine, theirs = upload(owner), upload({"account_id": cast.charlies.id, "project_id": project.id})
    assert mine.sha256 == theirs.sha256
    assert name_of(mine) != name_of(theirs)
    assert delete(owner, mine) == 1
    assert not storage.exists(name_of(mine))
    assert selectors.content_of_file(file=theirs) == CONTENT


def test_expired_contents_go_too(owner: dict[str, int], storage: Any) -> None:
    file = upload(owner, lifetime=timedelta(hours=1))
    StoredFile.objects.update(expires_at=timezone.now())
    assert services.remove_contents() == 0
    assert services.delete_expired_files() == 1
    assert services.remove_contents() == 1
    assert not storage.exists(name_of(file))


@pytest.mark.parametrize("damage", [CONTENT[:-1] + b"x", CONTENT[:-1], CONTENT + b"x" * 99, b"x" * len(CONTENT), b""])
def test_what_is_not_what_was_stored_is_never_given_out_whole(
    owner: dict[str, int], storage: Any, damage: bytes
) -> None:
    file = upload(owner)
    storage.delete(name_of(file))
    storage.save(name_of(file), ContentFile(damage))
    got = b""
    with pytest.raises(DamagedError):
        for piece in selectors.pieces_of_file(file=file):
            got += piece
    assert len(got) < len(CONTENT)
    with pytest.raises(DamagedError):
        list(selectors.lines_of_file(file=file, longest=2**30))


def test_what_is_lost_is_our_fault_and_not_a_file_that_never_was(owner: dict[str, int], storage: Any) -> None:
    file = upload(owner)
    storage.delete(name_of(file))
    with pytest.raises(DamagedError) as lost:
        selectors.content_of_file(file=file)
    assert lost.value.status == 500


def test_pieces_in_postgresql_are_read_as_before_and_go_with_their_file(owner: dict[str, int]) -> None:
    row = StoredFile.objects.create(**owner, public_id="file-old", name="old", purpose="batch", size=len(CONTENT))
    for position, start in enumerate(range(0, len(CONTENT), CHUNK_BYTES)):
        FileChunk.objects.create(file=row, position=position, data=CONTENT[start : start + CHUNK_BYTES])
    file = selectors.file_of_project(**owner, public_id="file-old")
    assert FileChunk.objects.filter(file_id=file.id).count() == 3
    assert not file.sha256
    assert b"".join(selectors.pieces_of_file(file=file)) == CONTENT
    assert selectors.content_of_file(file=file) == CONTENT
    services.delete_file(**owner, public_id=file.public_id)
    assert not FileChunk.objects.exists()
    with pytest.raises(NotFound):
        selectors.content_of_file(file=file)


def test_a_storage_that_is_away_leaves_no_file_behind(
    owner: dict[str, int], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "moon")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "only-for-tests")
    settings.STORAGES = {**settings.STORAGES, "files": bucket("http://127.0.0.1:1")}
    settings.GATEWAY_MAX_ACCOUNT_FILE_BYTES = len(CONTENT)
    for _ in range(2):  # nor less room
        with pytest.raises(Unavailable) as refused:
            upload(owner)
        assert refused.value.retry_after
    assert selectors.files_of_project(**owner, limit=9) == ([], False)
    assert services.remove_contents() == 0  # later, then
    assert StoredFile.objects.exclude(sha256="").count() == 2


def test_what_nobody_finished_storing_is_not_seen_and_goes_after_an_hour(owner: dict[str, int], storage: Any) -> None:
    file = upload(owner)
    StoredFile.objects.update(is_pending=True)  # as when the process dies just before the end
    assert selectors.files_of_project(**owner, limit=9) == ([], False)
    for reach in (selectors.file_of_project, services.delete_file):
        with pytest.raises(NotFound):
            reach(**owner, public_id=file.public_id)
    assert services.remove_contents() == 0
    StoredFile.objects.update(created_at=timezone.now() - timedelta(minutes=61))
    assert services.remove_contents() == 1
    assert not storage.exists(name_of(file))


def test_answers_of_a_batch_are_seen_when_they_are_shown(owner: dict[str, int], storage: Any) -> None:
    shown, given_up = (
        services.store_output(**owner, name="answers", content=[CONTENT, number], lifetime=None)
        for number in (b"1", b"2")
    )
    assert selectors.files_of_project(**owner, limit=9) == ([], False)
    services.show_output(file=shown)
    assert selectors.files_of_project(**owner, limit=9) == ([shown], False)
    assert selectors.content_of_file(file=shown) == CONTENT + b"1"
    StoredFile.objects.update(created_at=timezone.now() - timedelta(hours=2))
    assert services.remove_contents() == 1
    assert not storage.exists(name_of(given_up))
    assert not StoredFile.objects.filter(pk=given_up.id).exists()
    with pytest.raises(Unavailable):
        services.show_output(file=given_up)
    assert selectors.content_of_file(file=shown) == CONTENT + b"1"


def test_storing_and_deleting_the_same_at_once_loses_nothing(owner: dict[str, int], storage: Any) -> None:
    """Whoever stores while the last one who had it is removed finds it there at the end."""
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def work() -> None:
        try:
            start.wait(10)
            for _ in range(8):
                file = upload(owner, b"the same")
                assert selectors.content_of_file(file=file) == b"the same"
                delete(owner, file)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    services.remove_contents()
    assert not StoredFile.objects.exclude(sha256="").exists()
    digest = hashlib.sha256(b"the same").hexdigest()
    assert not storage.exists(f"{owner['account_id']}/{digest[:2]}/{digest}")
