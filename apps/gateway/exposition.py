"""All metrics as Prometheus reads them: the sum of all of this machine's workers, and what waits in Redis."""

import os
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from apps.billing.selectors import last_reconciliation
from apps.gateway.selectors import queues

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Queues(Collector):  # type: ignore[misc]
    """Read at each scrape; left out while Redis is away."""

    def collect(self) -> Iterable[Metric]:
        try:
            now = queues()
        except RedisError:
            return
        yield GaugeMetricFamily("artemis_holds", "Open holds, of all gateways", value=now.holds)
        yield GaugeMetricFamily(
            "artemis_usage_events_pending", "Usage events that wait for a worker", value=now.pending_events
        )
        yield GaugeMetricFamily(
            "artemis_usage_events_dead", "Usage events that could not be recorded", value=now.dead_events
        )
        yield GaugeMetricFamily("artemis_redis_memory_bytes", "What Redis uses", value=now.memory)
        yield GaugeMetricFamily(
            "artemis_redis_memory_limit_bytes", "Past it Redis takes no writes; 0: no limit", value=now.memory_limit
        )
        yield GaugeMetricFamily(
            "artemis_redis_evicts", "1 where Redis would throw away what must stay", value=int(now.evicts)
        )


class Reconciled(Collector):  # type: ignore[misc]
    """The last reconciliation; left out where there was none yet, and while Redis is away."""

    def collect(self) -> Iterable[Metric]:
        try:
            last = last_reconciliation()
        except RedisError:
            return
        if last is None:
            return
        yield GaugeMetricFamily(
            "artemis_reconcile_findings", "What the last reconciliation could not explain", value=last.findings
        )
        yield GaugeMetricFamily(
            "artemis_reconcile_failed_checks", "Comparisons that it could not make", value=last.failed_checks
        )
        yield GaugeMetricFamily("artemis_reconcile_last_run_timestamp_seconds", "When it ended", value=last.ended_at)


class Kept(Collector):  # type: ignore[misc]
    """What this machine's gateway processes and its workers, who answer batches, have kept in files."""

    def collect(self) -> Iterable[Metric]:
        own, workers = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]), settings.WORKER_METRICS_DIR
        files = [*own.glob("*.db")]
        if own != workers:  # of the workers no gauges: what is in flight there is no matter of a live process
            files += [*workers.glob("counter_*.db"), *workers.glob("histogram_*.db")]
        metrics: Iterable[Metric] = MultiProcessCollector.merge(map(str, files), accumulate=True)
        return metrics


def exposition() -> bytes:
    """Reads files and asks Redis: for a thread, not for the event loop."""
    shared = CollectorRegistry()
    shared.register(Queues())
    shared.register(Reconciled())
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        shared.register(Kept())
        return bytes(generate_latest(shared))
    return bytes(generate_latest(REGISTRY)) + bytes(generate_latest(shared))
