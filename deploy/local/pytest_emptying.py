"""A pytest plugin: after a test that commits, the tables that it filled are emptied, and no others.

Django's own way (`flush`) empties all of some 140 tables, and fills those of content types and permissions anew; that
takes longer than most such tests.
"""

from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

KEPT = {"django_content_type", "auth_permission"}  # filled by `migrate`, changed by nobody


def _empty(connection: BaseDatabaseWrapper) -> None:
    tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - KEPT
    probes = (f"(SELECT '{table}' FROM {connection.ops.quote_name(table)} LIMIT 1)" for table in tables)  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(probes))
        if filled := [connection.ops.quote_name(table) for (table,) in cursor.fetchall()]:
            cursor.execute(f"TRUNCATE {', '.join(filled)} CASCADE")


def _fixture_teardown(case: Any) -> None:
    for name in case._databases_names(include_mirrors=False):
        _empty(connections[name])


setattr(TransactionTestCase, "_fixture_teardown", _fixture_teardown)  # noqa: B010  # which no stub knows of
