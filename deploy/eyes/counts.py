"""What is told to Prometheus of requests. No label is a caller's, or of their number."""

from prometheus_client import Counter, Histogram

from deploy.eyes.lines import Line

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)

LINES = Counter("artemis_edge_lines", "Requests that nginx has told of")
UNREADABLE = Counter("artemis_edge_unreadable_lines", "What came in place of a line")
REQUESTS = Counter("artemis_edge_requests", "Requests, by what became of them", ["plane", "route", "status", "outcome"])
DURATION = Histogram(
    "artemis_edge_request_duration_seconds",
    "From a request's first byte to the last of its answer",
    ["plane", "route"],
    buckets=SECONDS,
)
TRIES = Counter("artemis_edge_upstream_tries", "Tries at servers of a plane", ["plane", "status"])
UPSTREAM = Histogram(
    "artemis_edge_upstream_duration_seconds",
    "From a try's beginning to the last byte of the plane's answer",
    ["plane"],
    buckets=SECONDS,
)


def count(line: Line) -> None:
    """What is asked for our own sake is no request, though nginx counts it as one."""
    LINES.inc()
    if line.plane == "eyes":
        return
    plane, route = line.at, line.route
    REQUESTS.labels(plane, route, kind(line.status), line.outcome).inc()
    DURATION.labels(plane, route).observe(line.seconds)
    for status, seconds in line.tries:
        TRIES.labels(plane, kind(status)).inc()
        UPSTREAM.labels(plane).observe(seconds)


def kind(status: int | str) -> str:
    """Its hundred."""
    number = int(status)
    return f"{number // 100}xx" if 100 <= number < 600 else "none"
