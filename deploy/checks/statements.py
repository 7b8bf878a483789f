"""Reads the SQL of a migration, as far as its statements' first words tell."""

import re
from collections.abc import Iterator

import sqlparse
from django.db.migrations.operations import RunSQL

SCHEMA = re.compile(r"(ALTER|CREATE|DROP|TRUNCATE|LOCK|REINDEX|CLUSTER|VACUUM|COMMENT|GRANT|REVOKE)\b", re.I)
DATA = re.compile(r"(INSERT|UPDATE|DELETE|MERGE|WITH|DO|COPY)\b", re.I)
HARMLESS = re.compile(
    r"""CREATE\s+(OR\s+REPLACE\s+)?(TABLE|FUNCTION|SEQUENCE|TYPE|EXTENSION|SCHEMA)\b
      | CREATE\s+(UNIQUE\s+)?INDEX\s+CONCURRENTLY\b | DROP\s+INDEX\s+CONCURRENTLY\b | REINDEX\b.*\bCONCURRENTLY\b
      | ALTER\s+TABLE\b[^,]*\b(ADD\s+CONSTRAINT\b[^,]*\bNOT\s+VALID|VALIDATE\s+CONSTRAINT\s+\S+|SET\s+DEFAULT\s+\S+)\s*$
      | (COMMENT|GRANT)\b""",
    re.I | re.X | re.S,
)
PATIENT = re.compile(r"\block_timeout\s*(=|TO)\s*(DEFAULT|'?0\s*\w*'?)", re.I)
EXCLUSIVE = (
    "changes by SQL what the release that still runs may use: say why it may, or NOT VALID, CONCURRENTLY, new tables"
)


def statements(operation: RunSQL) -> list[str]:
    """Without comments. Parameters are left where they stand."""
    given = operation.sql if isinstance(operation.sql, list | tuple) else [operation.sql]
    texts = [one if isinstance(one, str) else one[0] for one in given]
    split = [statement for text in texts for statement in sqlparse.split(str(text))]
    clean = [sqlparse.format(statement, strip_comments=True).strip().rstrip(";").strip() for statement in split]
    return [statement for statement in clean if statement]


def findings(operation: RunSQL) -> Iterator[str]:
    if operation.reverse_sql is None:
        yield "cannot be taken back: give reverse_sql, RunSQL.noop where there is nothing to do"
    found = statements(operation)
    if any(SCHEMA.match(one) and not HARMLESS.match(one) for one in found):
        yield EXCLUSIVE
    if any(PATIENT.search(one) for one in found):
        yield "waits for locks without an end, and everybody behind it: leave migrate's lock_timeout as it is"


def changes_the_schema(operation: RunSQL) -> bool:
    return any(SCHEMA.match(one) for one in statements(operation))


def run_concurrently(operation: RunSQL) -> bool:
    return all("CONCURRENTLY" in one.upper() for one in statements(operation) if SCHEMA.match(one))


def moves_data(operation: RunSQL) -> bool:
    return any(DATA.match(one) for one in statements(operation))
