"""Writes a batch of events and their sums in one statement of the database."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated

import msgspec
from django.db import connection

from apps.usage.models import UsageCharge, UsageDay, UsageEndUserDay, UsageEvent, UsageHour, UsageRequest

MOST_END_USERS = 10_000
"""So many end users' uses of a model are kept by name, of an account and a day; the sums of all others as one."""


class SettledEvent(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One request, as gateways settle it. What has a default may be missing, as in events of an older release."""

    request_id: str
    account: int
    project: int
    key: int
    model: str
    deployment: str = ""
    endpoint: str
    outcome: str
    error_code: str = ""
    streamed: bool = False
    price_version: int | None
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    searches: int = 0
    estimated: bool = False
    service_tier: str = "default"
    cost: int
    end_user: str = ""
    started_at: Annotated[datetime, msgspec.Meta(tz=True)]
    duration_ms: int = 0
    first_token_ms: int | None = None


read_event = msgspec.json.Decoder(SettledEvent).decode
_RENAMED = {"account": "account_id", "project": "project_id", "key": "api_key_id", "price_version": "price_version_id"}
_OF_EVENT = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_tokens", "searches", "cost")
_SUMS = {
    "requests": "count(*)",
    "failed_requests": "count(*) FILTER (WHERE outcome = 'failed')",
    **{name: f"sum({name})" for name in _OF_EVENT},
}
_HOUR = "date_trunc('hour', started_at, 'UTC')"
_DAY = "(started_at AT TIME ZONE 'UTC')::date"


@dataclass(frozen=True, slots=True)
class Rollup:
    """A table of sums: the columns that make a row, each with what it is of an event, and those that come with them."""

    table: str
    unique: dict[str, str]
    owners: tuple[str, ...] = ()

    def insert(self, source: str, sums: dict[str, str]) -> str:
        """Adds to the rows that there are. In order, so that two writers never wait for each other in a circle.

        A key has one owner; should events say otherwise, then their sums have one all the same.
        """
        owned = {name: f"min({name})" for name in self.owners}
        columns = {**self.unique, **owned, **sums}
        places = ", ".join(str(place) for place, _ in enumerate(self.unique, start=1))
        added = ", ".join(f"{name} = {self.table}.{name} + EXCLUDED.{name}" for name in sums)
        return f"""
            INSERT INTO {self.table} ({", ".join(columns)})
            SELECT {", ".join(columns.values())} FROM {source} GROUP BY {places} ORDER BY {places}
            ON CONFLICT ({", ".join(self.unique)}) DO UPDATE SET {added}"""  # noqa: S608


HOURS = Rollup(
    UsageHour._meta.db_table,
    {"api_key_id": "api_key_id", "model": "model", "hour": _HOUR, "service_tier": "service_tier"},
    ("account_id", "project_id"),
)
DAYS = Rollup(
    UsageDay._meta.db_table,
    {"api_key_id": "api_key_id", "model": "model", "day": _DAY, "service_tier": "service_tier"},
    ("account_id", "project_id"),
)
CHARGES = Rollup(
    UsageCharge._meta.db_table,
    {
        "account_id": "account_id",
        "hour": _HOUR,
        "model": "model",
        "price_version_id": "price_version_id",
        "service_tier": "service_tier",
    },
)
END_USERS = Rollup(
    UsageEndUserDay._meta.db_table,
    {"account_id": "account_id", "day": "day", "end_user": "kept_as", "model": "model"},
)
_END_USERS = f"""
named AS (
  SELECT account_id, {_DAY} AS day, end_user, model, {", ".join(f"{value} AS {name}" for name, value in _SUMS.items())}
  FROM fresh WHERE end_user <> '' GROUP BY 1, 2, 3, 4
), found AS MATERIALIZED (
  SELECT *, EXISTS (
    SELECT FROM {END_USERS.table} AS there WHERE there.account_id = named.account_id AND there.day = named.day
      AND there.end_user = named.end_user AND there.model = named.model
  ) AS is_known FROM named
), rooms AS MATERIALIZED (  -- once there are others, nobody new is kept by name
  SELECT account_id, day, CASE WHEN EXISTS (
    SELECT FROM {END_USERS.table} AS there WHERE there.account_id = asked.account_id AND there.day = asked.day
      AND there.end_user = ''
  ) THEN 0 ELSE %(most)s - (
    SELECT count(*) FROM {END_USERS.table} AS there WHERE there.account_id = asked.account_id AND there.day = asked.day
  ) END AS room FROM (SELECT DISTINCT account_id, day FROM found WHERE NOT is_known) AS asked
), placed AS (
  SELECT found.*, CASE WHEN is_known OR row_number() OVER (
    PARTITION BY account_id, day, is_known ORDER BY end_user, model
  ) <= room THEN end_user ELSE '' END AS kept_as FROM found LEFT JOIN rooms USING (account_id, day)
)"""  # noqa: S608


@cache
def _statement() -> str:
    fields = {field.name: _RENAMED.get(field.name, field.name) for field in msgspec.structs.fields(SettledEvent)}
    types = {field.column: field.db_type(connection) for field in UsageEvent._meta.concrete_fields}
    typed = ", ".join(f"{name} {types[column]}" for name, column in fields.items())
    sums_of_sums = {name: f"sum({name})" for name in _SUMS}
    return f"""
        WITH given AS (
          SELECT * FROM json_to_recordset(%(events)s) AS event ({typed})
        ), fresh AS (
          INSERT INTO {UsageEvent._meta.db_table} ({", ".join(fields.values())})
          SELECT {", ".join(fields)} FROM given
          WHERE NOT EXISTS (
            SELECT FROM {UsageRequest._meta.db_table} AS known WHERE known.request_id = given.request_id
          ) RETURNING *
        ),
        hours AS ({HOURS.insert("fresh", _SUMS)}),
        days AS ({DAYS.insert("fresh", _SUMS)}),
        charges AS ({CHARGES.insert("fresh", _SUMS)}),
        {_END_USERS},
        end_users AS ({END_USERS.insert("placed", sums_of_sums)})
        SELECT count(*) FROM fresh"""  # noqa: S608


def write(events: Iterable[SettledEvent]) -> int:
    """Writes those that are not there yet, and adds them to the sums; how many they were. None may be given twice."""
    body = msgspec.json.encode(list(events)).decode()
    with connection.cursor() as cursor:
        cursor.execute(_statement(), {"events": body, "most": MOST_END_USERS})
        return int(cursor.fetchone()[0])
