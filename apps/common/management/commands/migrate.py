"""manage.py migrate: Django's own, by one at a time, which waits for no lock for long and tries again.

Whoever waits for a table's exclusive lock holds up everybody who comes after, readers too. What a session sets, and a
session's lock, need a connection of its own: DATABASE_URL of the database itself, with no pooler in transaction mode.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import Error, OperationalError, connections

ONE_MIGRATION = 0x6D696772  # an advisory lock of PostgreSQL: one process at a time migrates a database
TRY_AGAIN = frozenset({"55P03", "40P01"})  # a lock was not to be had in time; a deadlock
PAUSE, LONGEST_PAUSE, SAY_EVERY = 1.0, 30.0, 15.0


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--lock-seconds", type=float, default=5, help="how long a lock is waited for (default: 5)")
        parser.add_argument(
            "--statement-seconds", type=float, default=1800, help="and a statement's end (default: 1800)"
        )
        parser.add_argument("--tries", type=int, default=20, help="how often locks are asked for (default: 20)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["plan"] or options["check_unapplied"]:
            super().handle(*args, **options)
            return
        self.connection = connections[options["database"]]
        self.lock_seconds = options["lock_seconds"]
        with self._alone(), self._bounded(options["statement_seconds"]):
            self._migrate_until_locks_are_had(*args, **options)

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        if action in ("apply_start", "unapply_start"):
            # What runs outside a transaction lets readers and writers pass, and half an index is worse than a wait.
            self._set("lock_timeout", self.lock_seconds if migration.atomic else 0)
        super().migration_progress_callback(action, migration, fake)

    def _migrate_until_locks_are_had(self, *args: Any, **options: Any) -> None:
        pauses = [min(PAUSE * 2**attempt, LONGEST_PAUSE) for attempt in range(options["tries"] - 1)]
        for pause in pauses:
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                if getattr(error.__cause__, "sqlstate", None) not in TRY_AGAIN:
                    raise
            else:
                return
            self.stderr.write(f"A lock was not to be had within {self.lock_seconds:g} s; again in {pause:g} s.")
            time.sleep(pause)
        super().handle(*args, **options)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """By asking again: for a session that waits in the database, CREATE INDEX CONCURRENTLY would wait in turn."""
        said = float("-inf")
        while not self._ask("SELECT pg_try_advisory_lock(%s)", ONE_MIGRATION):
            if time.monotonic() - said > SAY_EVERY:
                said = time.monotonic()
                self.stderr.write("Another process is migrating this database; waiting for it.")
            time.sleep(PAUSE)
        try:
            yield
        finally:
            self._end("SELECT pg_advisory_unlock(%s)", ONE_MIGRATION)

    @contextlib.contextmanager
    def _bounded(self, statement_seconds: float) -> Iterator[None]:
        self._set("statement_timeout", statement_seconds)
        self._set("lock_timeout", self.lock_seconds)
        try:
            yield
        finally:
            self._end("RESET statement_timeout")
            self._end("RESET lock_timeout")

    def _set(self, name: str, seconds: float) -> None:
        self._ask("SELECT set_config(%s, %s, false)", name, str(round(seconds * 1000)))

    def _ask(self, sql: str, *parameters: str | int) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchone()[0]

    def _end(self, sql: str, *parameters: str | int) -> None:
        with contextlib.suppress(Error), self.connection.cursor() as cursor:  # a session that is over kept nothing
            cursor.execute(sql, parameters or None)
