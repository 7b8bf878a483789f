"""nginx' connections, asked of it at each scrape, where it was built to tell of them (stub_status)."""

import re
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

FORM = re.compile(
    r"Active connections: (?P<active>\d+)\s+server accepts handled requests\s+"
    r"(?P<accepted>\d+) (?P<handled>\d+) (?P<requests>\d+)\s+"
    r"Reading: (?P<reading>\d+) Writing: (?P<writing>\d+) Waiting: (?P<waiting>\d+)"
)


class Connections(Collector):  # type: ignore[misc]
    def __init__(self, address: str) -> None:
        self.address = address

    def collect(self) -> Iterator[Metric]:
        up, text = self._ask()
        yield GaugeMetricFamily("artemis_edge_nginx_up", "Whether nginx answered just now", value=up)
        if not (told := FORM.search(text)):
            return
        number = {name: int(value) for name, value in told.groupdict().items()}
        open_ones = GaugeMetricFamily("artemis_edge_connections", "Open now, by what they do", labels=["state"])
        for state in ("reading", "writing", "waiting"):
            open_ones.add_metric([state], number[state])
        yield open_ones
        yield CounterMetricFamily("artemis_edge_connections_accepted", "Since nginx began", value=number["accepted"])
        yield CounterMetricFamily(
            "artemis_edge_connections_dropped", "Since nginx began", value=number["accepted"] - number["handled"]
        )
        yield CounterMetricFamily("artemis_edge_nginx_requests", "Since nginx began", value=number["requests"])

    def _ask(self) -> tuple[int, str]:
        """An nginx that cannot tell of them has no such place, and is there."""
        connection = HTTPConnection(self.address, timeout=2)
        try:
            connection.request("GET", "/connections")
            return 1, connection.getresponse().read().decode()
        except (OSError, HTTPException):
            return 0, ""
        finally:
            connection.close()
