"""Files by the official client: up, listed, down and away; and what is refused."""

import contextlib
import hashlib
import io
import json
import select
import socket
import time
from typing import Any

import httpx
import openai
import pytest
from openai.types import FileObject

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import make_account, revoke_key
from artemis_site.tests.platform import Platform
from artemis_site.tests.wire import exchange, request_bytes

LINES = b'{"custom_id": "a"}\n' * 3
BOUND = "boundary"


def form(*parts: tuple[str, bytes], closed: bool = True) -> bytes:
    text = b"".join(
        b"--%s\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (BOUND.encode(), head.encode(), body)
        for head, body in parts
    )
    return text + (b"--%s--\r\n" % BOUND.encode() if closed else b"")


FILE = ('name="file"; filename="lines.jsonl"', LINES)
PURPOSE = ('name="purpose"', b"batch")


def upload(platform: Platform, body: bytes, *, key: str | None = None, **headers: str) -> httpx.Response:
    given = {"content-type": f"multipart/form-data; boundary={BOUND}", **headers}
    return platform.post("/v1/files", content=body, api_key=key, headers=given)


def test_a_file_comes_back_as_it_was(platform: Platform) -> None:
    client = platform.client()
    content = LINES * 100_000  # several pieces
    file = client.files.create(
        file=("requests.jsonl", content), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
    )

    FileObject.model_validate(file.model_dump(), strict=True)
    assert (file.bytes, file.filename, file.purpose, file.status) == (
        len(content),
        "requests.jsonl",
        "batch",
        "processed",
    )
    assert file.expires_at == file.created_at + 3600
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).content == content

    assert client.files.delete(file.id).deleted
    for gone in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError) as refused:
            gone(file.id)
        assert refused.value.code == "file_not_found"


@pytest.mark.parametrize("purpose", ["assistants", "user_data"])
def test_documents_by_the_official_client(platform: Platform, desk: Desk, purpose: Any) -> None:
    client = platform.client(desk.key(account=desk.call(make_account, f"Documents {purpose}")).secret)
    content = "Größe\n".encode() * 200_000
    file = client.files.create(file=("report.txt", content), purpose=purpose)

    FileObject.model_validate(file.model_dump(), strict=True)
    assert (file.bytes, file.filename, file.purpose, file.expires_at) == (len(content), "report.txt", purpose, None)
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).content == content
    batch = client.files.create(file=("lines.jsonl", LINES), purpose="batch")
    assert [found.id for found in client.files.list(purpose=purpose)] == [file.id]
    assert [found.id for found in client.files.list(purpose="batch")] == [batch.id]
    with pytest.raises(openai.BadRequestError) as refused:
        client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert refused.value.param == "input_file_id"
    assert client.files.delete(file.id).deleted


def test_what_is_deleted_leaves_the_storage_soon(platform: Platform) -> None:
    client = platform.client()
    content = b"Nobody else says this."
    digest = hashlib.sha256(content).hexdigest()
    first, second = (client.files.create(file=("a.txt", content), purpose="user_data").id for _ in range(2))
    [path] = (platform.home / "files").glob(f"*/*/{digest}")
    assert path.read_bytes() == content
    assert path.stat().st_mode & 0o077 == 0
    client.files.delete(first)
    assert client.files.content(second).content == content
    client.files.delete(second)
    deadline = time.monotonic() + 10
    while path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_is_damaged_or_lost_is_never_given_out(platform: Platform) -> None:
    client = platform.client()
    content = b"x" * (3 * 2**20) + b"Nobody else says that."
    file = client.files.create(file=("a.txt", content), purpose="user_data").id
    [path] = (platform.home / "files").glob(f"*/*/{hashlib.sha256(content).hexdigest()}")
    path.write_bytes(content[:-1] + b"!")
    with pytest.raises((openai.APIConnectionError, httpx.RemoteProtocolError)):  # it breaks off before its end
        client.files.content(file)
    path.unlink()
    with pytest.raises(openai.InternalServerError) as lost:
        client.files.content(file)
    assert lost.value.code == "file_damaged"
    assert client.files.delete(file).deleted


def test_a_document_has_a_limit_of_its_own(platform: Platform) -> None:
    large = form(('name="file"; filename="large.txt"', b"x" * (64 * 2**20 + 1)), ('name="purpose"', b"assistants"))
    answer = upload(platform, large)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


def test_pages_of_files(platform: Platform, desk: Desk) -> None:
    client = platform.client(desk.key(account=desk.call(make_account, "Filing")).secret)
    made = [client.files.create(file=io.BytesIO(LINES), purpose="batch").id for _ in range(5)]

    assert [file.id for file in client.files.list(limit=2)] == made[::-1]  # the client turns the pages
    assert [file.id for file in client.files.list(order="asc", after=made[2])] == made[3:]
    assert not list(client.files.list(purpose="batch_output"))
    first = client.files.list(limit=2)
    assert first.has_more
    assert [file.id for file in first.data] == [made[4], made[3]]


def test_files_are_their_projects_alone(platform: Platform, desk: Desk) -> None:
    file = platform.client().files.create(file=io.BytesIO(LINES), purpose="batch")
    stranger = platform.client(desk.key(account=desk.call(make_account, "Strange")).secret)

    errors = []
    for identifier in (file.id, "file-000000000000000000000000"):
        for reach in (stranger.files.retrieve, stranger.files.content, stranger.files.delete):
            with pytest.raises(openai.NotFoundError) as refused:
                reach(identifier)
            errors.append(str(refused.value).replace(identifier, "…").split("request_id")[0])
    assert len(set(errors)) == 1
    assert not list(stranger.files.list())
    assert platform.client().files.retrieve(file.id).id == file.id


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        (form(FILE), 400, "purpose"),
        (form(FILE, ('name="purpose"', b"fine-tune")), 400, "purpose"),
        (form(FILE, ('name="purpose"', b"batch_output")), 400, "purpose"),
        (form(PURPOSE), 400, "file"),
        (form(FILE, FILE, PURPOSE), 400, "file"),
        (form(FILE, PURPOSE, PURPOSE), 400, "purpose"),
        (form(('name="file"; filename="lines.jsonl"', b""), PURPOSE), 400, "file"),
        (form(FILE, PURPOSE, ('name="colour"', b"blue")), 400, "colour"),
        (form(FILE, PURPOSE, ('name="expires_after[seconds]"', b"5")), 400, None),
        (form(FILE, PURPOSE, ('name="expires_after"', b"5")), 400, "expires_after"),
        (b"", 400, None),
        (b"nonsense", 400, None),
        (b"\xff\x00" * 500, 400, None),
    ],
)
def test_forms_that_are_refused(platform: Platform, body: bytes, status: int, param: str | None) -> None:
    answer = upload(platform, body)
    assert answer.status_code == status, answer.text
    if param:
        assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=x", "limit=1&limit=2", "order=up", "colour=blue", "after=%00", "after=%ff", "after=file-x"],
)
def test_queries_that_are_refused(platform: Platform, query: str) -> None:
    answer = httpx.get(
        f"{platform.base_url}/v1/files?{query}", headers={"Authorization": f"Bearer {platform.api_key}"}, timeout=10
    )
    assert answer.status_code == (404 if query == "after=file-x" else 400), answer.text
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\\\evil.exe", "evil.exe"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("x" * 900, "x" * 255),
        ("<b>.jsonl", "<b>.jsonl"),
        ("...", "file"),
    ],
)
def test_names_are_cleaned(platform: Platform, name: str, kept: str) -> None:
    answer = upload(platform, form((f'name="file"; filename="{name}"', LINES), PURPOSE))
    assert answer.status_code == 200, answer.text
    assert answer.json()["filename"] == kept


def test_too_large_is_refused_before_it_is_read(platform: Platform) -> None:
    headers = (
        ("Authorization", f"Bearer {platform.api_key}"),
        ("Content-Type", f"multipart/form-data; boundary={BOUND}"),
        ("Content-Length", str(200 * 2**20)),
    )
    text = request_bytes("/v1/files", headers=headers).replace(b"Content-Length: 0\r\n", b"")
    answer = exchange(platform.port, text)
    assert answer.status == 413
    assert answer.error["code"] == "request_too_large"


def test_an_account_has_few_uploads_under_way(platform: Platform, desk: Desk) -> None:
    busy, idle = (desk.key(account=desk.call(make_account, name)) for name in ("Uploads", "Idle"))
    headers = (
        ("Authorization", f"Bearer {busy.secret}"),
        ("Content-Type", f"multipart/form-data; boundary={BOUND}"),
        ("Content-Length", "1000"),
    )
    head = request_bytes("/v1/files", b"--", headers=headers).replace(b"Content-Length: 2\r\n", b"")
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(("127.0.0.1", platform.port))) for _ in range(12)]
        for connection in slow:
            connection.sendall(head)
        answered, _, _ = select.select(slow, [], [], 5)
        deadline = time.monotonic() + 5
        while len(answered) < 4 and time.monotonic() < deadline:  # two processes take four each
            time.sleep(0.05)
            answered, _, _ = select.select(slow, [], [], 0)
        assert len(answered) >= 4
        for connection in answered:
            assert b" 429 " in connection.recv(100)
        assert upload(platform, form(FILE, PURPOSE), key=idle.secret).status_code == 200
    deadline = time.monotonic() + 5
    while (status := upload(platform, form(FILE, PURPOSE), key=busy.secret).status_code) == 429:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert status == 200


def test_only_uploads_may_be_large(platform: Platform) -> None:
    large = json.dumps({"model": "moon", "input": "x" * (11 * 2**20)})
    for path in ("/v1/batches", "/v1/files/file-x/content", "/v1/embeddings"):
        assert platform.post(path, content=large).status_code == 413
    body = form(('name="file"; filename="large.jsonl"', b"x" * (12 * 2**20)), PURPOSE)
    assert upload(platform, body).status_code == 200


def test_who_may(platform: Platform, desk: Desk) -> None:
    body = form(FILE, PURPOSE)
    assert upload(platform, body, key="sk-art-junk").status_code == 401
    chat_only: Any = desk.key(allowed_endpoints=("chat.completions",))
    assert upload(platform, body, key=chat_only.secret).status_code == 403
    key = desk.key()
    assert upload(platform, body, key=key.secret).status_code == 200
    desk.call(revoke_key, key)
    assert upload(platform, body, key=key.secret).status_code == 401
    wrong = upload(platform, b"{}", **{"content-type": "text/plain"})
    assert wrong.status_code == 415
