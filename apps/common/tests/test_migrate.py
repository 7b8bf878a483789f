"""manage.py migrate beside a platform that runs, and beside another migrate."""

import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from apps.common.management.commands import migrate

pytestmark = pytest.mark.django_db(transaction=True)


class Listening(io.StringIO):
    """What is told to people; `then` is called when something that contains `words` is said."""

    def __init__(self, words: str, then: Callable[[], object]) -> None:
        super().__init__()
        self.words, self.then = words, then

    def write(self, text: str) -> int:
        written = super().write(text)
        if self.words in text:
            self.then()
        return written


@pytest.fixture(autouse=True)
def shelf(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "apps.common.tests.shelf"]
    monkeypatch.setattr(migrate, "PAUSE", 0.05)
    yield
    to("zero")


@pytest.fixture
def other() -> Iterator["psycopg.Connection[Any]"]:
    """Somebody else's session."""
    with psycopg.connect(dsn()) as session:
        yield session


def dsn() -> str:
    wanted = connection.settings_dict
    return f"postgres://{wanted['USER']}:{wanted['PASSWORD']}@{wanted['HOST']}:{wanted['PORT']}/{wanted['NAME']}"


def to(target: str, **options: Any) -> None:
    call_command("migrate", "shelf", target, verbosity=0, **options)


def columns() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'shelf_book' ORDER BY 1")
        return [name for (name,) in cursor.fetchall()]


def test_a_lock_that_somebody_holds_is_waited_for_briefly_and_asked_for_again(other: "psycopg.Connection[Any]") -> None:
    to("0001")
    other.execute("SELECT * FROM shelf_book")  # a transaction that stays open
    seen: list[Any] = []

    def look_and_let_go() -> None:
        with psycopg.connect(dsn()) as reader:  # who would stand behind a migration that waits
            reader.execute("SET lock_timeout = '10s'")
            seen.append(reader.execute("SELECT count(*) FROM shelf_book").fetchone())
        other.rollback()

    said = Listening("A lock was not to be had within 0.2 s", look_and_let_go)
    to("0002", lock_seconds=0.2, stderr=said)
    assert columns() == ["id", "title"]
    assert seen == [(0,)]


def test_a_lock_that_is_never_to_be_had_ends_it_with_nothing_changed(other: "psycopg.Connection[Any]") -> None:
    to("0001")
    other.execute("SELECT * FROM shelf_book")
    said = io.StringIO()
    with pytest.raises(OperationalError, match="lock timeout"):
        to("0002", lock_seconds=0.1, tries=3, stderr=said)
    assert said.getvalue().count("A lock was not to be had") == 2
    other.rollback()
    assert columns() == ["id"]


def test_another_error_is_not_tried_again() -> None:
    to("0001")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE shelf_book ADD title text")
    said = io.StringIO()
    with pytest.raises(Exception, match="already exists"):
        to("0002", stderr=said)
    assert said.getvalue() == ""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE shelf_book DROP title")


def test_an_index_is_built_concurrently_however_long_somebody_writes(other: "psycopg.Connection[Any]") -> None:
    """Its waits harm nobody, and one that is given up leaves half an index behind."""
    to("0002")
    other.execute("INSERT INTO shelf_book (id) VALUES (1)")
    later = threading.Timer(1.0, other.rollback)
    later.start()
    to("0003", lock_seconds=0.1, tries=1)
    later.join()
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'shelf_by_title'::regclass")
        assert cursor.fetchall() == [(True,)]


def test_a_second_one_waits_for_the_first(other: "psycopg.Connection[Any]") -> None:
    other.execute("SELECT pg_advisory_lock(%s)", [migrate.ONE_MIGRATION])
    said = Listening(
        "Another process is migrating", lambda: other.execute("SELECT pg_advisory_unlock(%s)", [migrate.ONE_MIGRATION])
    )
    to("0001", stderr=said)
    assert columns() == ["id"]
    assert said.getvalue().count("Another process") == 1


def test_two_at_once_do_no_harm() -> None:
    """Django's own would both create the table, and one would fail."""
    errors: list[BaseException] = []
    together = threading.Barrier(2)

    def run() -> None:
        together.wait()
        try:
            to("0003", stderr=io.StringIO())
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert columns() == ["id", "title"]


def test_what_it_set_for_its_session_is_gone_afterwards() -> None:
    to("0001", lock_seconds=0.2, statement_seconds=60)
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
        assert cursor.fetchone() == ("0", "0")
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone() == (0,)


def test_a_statement_that_never_ends_is_stopped() -> None:
    with pytest.raises(OperationalError, match="statement timeout"):
        to("0001", statement_seconds=0.1)
    assert columns() == []
