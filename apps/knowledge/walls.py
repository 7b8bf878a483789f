"""Row-level security: what stands behind the walls is seen by naming the account, in a transaction, and not otherwise.

A second lock beside the filters of the selectors, for the day on which one of them is forgotten. PostgreSQL lets its
superusers and owners with BYPASSRLS through any wall: for such a connection the transaction takes the role that
the migration made, which may all that its owner may, but that.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

ENTER = """
SELECT current_setting('role'), coalesce(current_setting('artemis.account', true), ''),
  set_config('artemis.account', %s, true),
  set_config('role',
    CASE WHEN rolsuper OR rolbypassrls THEN rolname || '_walled' ELSE current_setting('role') END, true)
FROM pg_roles WHERE rolname = session_user
"""
LEAVE = "SELECT set_config('artemis.account', %s, true), set_config('role', %s, true)"


@contextmanager
def within(account_id: int) -> Iterator[None]:
    """A transaction in which an account's passages, vectors and terms are seen, and nobody else's."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(ENTER, [str(account_id)])
            role, account, *_ = cursor.fetchone()
        yield
        with connection.cursor() as cursor:
            cursor.execute(LEAVE, [account, role])
