"""Workers that die: before any one statement of theirs, the commit of a transaction included."""

from collections.abc import Callable
from typing import Any

from django.db import connection

RELEASE = "RELEASE SAVEPOINT "


class CrashError(BaseException):
    """Nothing that a worker does on an error is done by one that dies."""


def dies_before(work: Callable[[], Any], statement: int) -> bool:
    """Does `work` until its statement of that number, counted from 0; whether there was one.

    What it had committed stays; what it had begun is undone. In a test's own transaction a commit is the release of a
    savepoint: before that one its work is rolled back by hand, as the database does for a connection that is gone.
    """
    seen = 0

    def execute(run: Callable[..., Any], sql: Any, parameters: Any, many: bool, context: Any) -> Any:
        nonlocal seen
        if sql.startswith(("SAVEPOINT ", "ROLLBACK TO ")):
            return run(sql, parameters, many, context)
        if seen == statement:
            seen += 1
            if sql.startswith(RELEASE):
                run(f"ROLLBACK TO SAVEPOINT {sql.removeprefix(RELEASE)}", parameters, many, context)
            raise CrashError
        seen += 1
        return run(sql, parameters, many, context)

    try:
        with connection.execute_wrapper(execute):
            work()
    except CrashError:
        return True
    return False
