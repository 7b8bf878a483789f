"""One writer of a graph at a time."""

from django.db import connection

WRITING = 0x67726170  # an advisory lock of PostgreSQL


def hold_graph(graph_id: int) -> None:
    """Until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [WRITING, graph_id % 2**31])
