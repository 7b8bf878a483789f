"""Spending without calls, and a receiver of webhooks that is a real server."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from apps.accounts.tests.cast import cast
from apps.keys.contracts import KeyPolicy
from apps.keys.models import ApiKey
from apps.keys.services import create_key
from apps.usage.models import UsageDay

__all__ = ["cast"]
Spend = Callable[[ApiKey, int], None]


def key_of(account_id: int, **policy: int) -> ApiKey:
    issued = create_key(account_id=account_id, project_slug="default", name="Chat", policy=KeyPolicy(**policy))
    return ApiKey.objects.get(public_id=issued.public_id)


def spend(key: ApiKey, cost: int) -> None:
    """As the rollups say after so much use today."""
    day, _ = UsageDay.objects.get_or_create(
        account_id=key.account_id,
        project_id=key.project_id,
        api_key=key,
        model="moon",
        day=datetime.now(UTC).date(),
    )
    UsageDay.objects.filter(pk=day.pk).update(cost=day.cost + cost)


@dataclass
class Receiver:
    """Answers with these statuses, one after another, then with 204."""

    server: ThreadingHTTPServer
    statuses: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            it.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(it.statuses.pop(0) if it.statuses else 204)
            self.send_header("location", it.url)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        it = Receiver(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield it
        server.shutdown()
