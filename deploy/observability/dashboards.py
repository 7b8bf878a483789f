"""Grafana's JSON out of a compact description: rows of panels, each a title, a unit and queries."""

import json
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 24, 8
PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}  # as kube-prometheus-stack names its own
POSTGRES = {"type": "grafana-postgresql-datasource", "uid": "artemis-postgres"}


@dataclass(frozen=True)
class Panel:
    """`queries`: a legend and PromQL each. Or one of SQL, `sql`; its columns are the legend."""

    title: str
    queries: tuple[tuple[str, str], ...] = ()
    unit: str = "short"
    kind: str = "timeseries"
    sql: str = ""
    most: float | None = None


@dataclass(frozen=True)
class Dashboard:
    uid: str
    title: str
    panels: tuple[tuple[Panel, ...], ...]
    """By rows."""
    variable: tuple[str, str] | None = None
    """A name, and the SQL of what it may be."""


def rendered(dashboard: Dashboard) -> str:
    panels: list[dict[str, Any]] = []
    for number, row in enumerate(dashboard.panels):
        width = WIDTH // len(row)
        for place, panel in enumerate(row):
            position = {"x": place * width, "y": number * HEIGHT, "w": width, "h": HEIGHT}
            panels.append(_panel(panel, len(panels) + 1, position))
    whole = {
        "uid": dashboard.uid,
        "title": f"Artemis: {dashboard.title}",
        "tags": ["artemis"],
        "editable": False,
        "refresh": "1m",
        "schemaVersion": 41,
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_variable(*dashboard.variable)] if dashboard.variable else []},
        "panels": panels,
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def _panel(panel: Panel, number: int, position: dict[str, int]) -> dict[str, Any]:
    source = POSTGRES if panel.sql else PROMETHEUS
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.most is not None:
        defaults["max"] = panel.most
    return {
        "id": number,
        "title": panel.title,
        "type": panel.kind,
        "datasource": source,
        "gridPos": position,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [_by_sql(panel, source)] if panel.sql else [*_by_promql(panel, source)],
    }


def _by_sql(panel: Panel, source: dict[str, str]) -> dict[str, Any]:
    shape = "table" if panel.kind == "table" else "time_series"
    return {"refId": "A", "datasource": source, "format": shape, "rawQuery": True, "rawSql": panel.sql}


def _by_promql(panel: Panel, source: dict[str, str]) -> list[dict[str, Any]]:
    instant = panel.kind != "timeseries"
    return [
        {
            "refId": chr(ord("A") + number),
            "datasource": source,
            "expr": expression,
            "legendFormat": legend,
            "instant": instant,
            "range": not instant,
        }
        for number, (legend, expression) in enumerate(panel.queries)
    ]


def _variable(name: str, sql: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": POSTGRES,
        "query": sql,
        "refresh": 1,
        "multi": False,
        "includeAll": False,
    }
