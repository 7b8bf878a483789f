"""Files are kept whole, for their project alone, and within the account's room."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from apps.accounts.services import create_project
from apps.accounts.tests.cast import Cast
from apps.common.errors import Invalid, NotFound
from apps.files import selectors, services
from apps.files.contracts import CHUNK_BYTES, FileFacts
from apps.files.models import StoredFile

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def upload(owner: dict[str, int], content: bytes, *, part: int = 70_000, purpose: str = "batch") -> FileFacts:
    parts = (content[start : start + part] for start in range(0, len(content), part))
    return services.upload_file(
        **owner, name="a.jsonl", content=parts, size=len(content), lifetime=DAY, purpose=purpose
    )


@pytest.mark.parametrize("size", [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])
def test_a_file_is_its_pieces(owner: dict[str, int], size: int) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    file = upload(owner, content)
    pieces = list(selectors.pieces_of_file(file=file))
    assert b"".join(pieces) == content
    assert all(len(piece) == CHUNK_BYTES for piece in pieces[:-1])


def test_lines_across_pieces(owner: dict[str, int]) -> None:
    lines = [b"x" * length for length in (10, CHUNK_BYTES - 5, 1, 0, 0, 3 * CHUNK_BYTES, 7)]
    file = upload(owner, b"\n".join(lines))
    found = dict(selectors.lines_of_file(file=file, longest=4 * CHUNK_BYTES))
    assert found == {number: line for number, line in enumerate(lines, 1) if line}
    with pytest.raises(selectors.LineTooLongError) as refused:
        list(selectors.lines_of_file(file=file, longest=2 * CHUNK_BYTES))
    assert refused.value.number == 6


def test_another_projects_file_is_not_there(owner: dict[str, int], cast: Cast) -> None:
    file = upload(owner, b"a")
    other = create_project(account_id=cast.northwind.id, name="Other")
    foreign = create_project(account_id=cast.charlies.id, name="Foreign")
    for stranger in (
        {"account_id": cast.northwind.id, "project_id": other.id},
        {"account_id": cast.charlies.id, "project_id": foreign.id},
        {"account_id": cast.charlies.id, "project_id": owner["project_id"]},
    ):
        assert selectors.files_of_project(**stranger, limit=9) == ([], False)
        for reach in (selectors.file_of_project, services.delete_file):
            with pytest.raises(NotFound):
                reach(**stranger, public_id=file.public_id)
    assert selectors.file_of_project(**owner, public_id=file.public_id) == file


def test_an_account_has_so_much_room(owner: dict[str, int], cast: Cast, settings: Settings) -> None:
    settings.GATEWAY_MAX_ACCOUNT_FILE_BYTES = 100
    file = upload(owner, b"a" * 60)
    with pytest.raises(Invalid) as refused:
        upload(owner, b"a" * 41)
    assert refused.value.code == "storage_limit_exceeded"
    services.delete_file(**owner, public_id=file.public_id)
    upload(owner, b"a" * 100)
    services.store_output(**owner, name="answers", content=[b"a" * 50], lifetime=None)  # paid for
    foreign = create_project(account_id=cast.charlies.id, name="Foreign")
    upload({"account_id": cast.charlies.id, "project_id": foreign.id}, b"a" * 100)


def test_what_has_expired_is_gone_and_then_removed(owner: dict[str, int]) -> None:
    read, expired, kept = (upload(owner, b"abc") for _ in range(3))
    StoredFile.objects.exclude(pk=kept.id).update(expires_at=timezone.now())
    with pytest.raises(NotFound):
        selectors.file_of_project(**owner, public_id=expired.public_id)
    assert services.delete_expired_files(in_use=[read.id]) == 1
    assert set(StoredFile.objects.filter(deleted_at=None).values_list("pk", flat=True)) == {read.id, kept.id}
    assert services.delete_expired_files(in_use=[read.id]) == 0


def test_a_document_is_read_whole_and_is_no_larger_than_it_may_be(owner: dict[str, int], settings: Settings) -> None:
    settings.FILES_MAX_DOCUMENT_BYTES = 2 * CHUNK_BYTES
    content = bytes(range(256)) * (2 * CHUNK_BYTES // 256)
    for purpose in ("assistants", "user_data"):
        file = upload(owner, content, purpose=purpose)
        assert (file.purpose, file.size) == (purpose, len(content))
        assert selectors.content_of_file(file=file) == content
        with pytest.raises(Invalid) as refused:
            upload(owner, content + b"x", purpose=purpose)
        assert (refused.value.code, refused.value.status) == ("request_too_large", 413)
    larger = upload(owner, content + b"x")  # of a batch: read line by line, never whole
    with pytest.raises(Invalid):
        selectors.content_of_file(file=larger)


def test_documents_take_their_accounts_room_and_stay_until_they_are_deleted(
    owner: dict[str, int], settings: Settings
) -> None:
    settings.GATEWAY_MAX_ACCOUNT_FILE_BYTES = 100
    kept = services.upload_file(**owner, name="a.txt", content=[b"a" * 60], size=60, purpose="assistants")
    assert kept.expires_at is None
    with pytest.raises(Invalid) as refused:
        upload(owner, b"a" * 41)
    assert refused.value.code == "storage_limit_exceeded"


@pytest.mark.parametrize("purpose", ["", "batch_output", "fine-tune", "vision"])
def test_nothing_is_uploaded_for_another_purpose(owner: dict[str, int], purpose: str) -> None:
    with pytest.raises(Invalid) as refused:
        upload(owner, b"a", purpose=purpose)
    assert refused.value.param == "purpose"


@given(st.text(max_size=300))
def test_a_name_is_harmless(name: str) -> None:
    cleaned = services.clean_name(name)
    assert 1 <= len(cleaned) <= 255
    assert cleaned.isprintable()
    assert "/" not in cleaned
    assert "\\" not in cleaned
    assert not cleaned.startswith(".")
