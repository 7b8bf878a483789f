"""All metrics as Prometheus reads them: the sum of all of this machine's processes, what waits in Redis and on disk."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from apps.billing.selectors import last_reconciliation
from apps.common.figures import LAST_TOLD, told
from apps.gateway.selectors import queues
from apps.gateway.spool import Spool

FIGURES = {
    "unposted_dollars": "Recorded use that the ledger lacks, the current hour's included",
    "unposted_age_seconds": "Since the oldest hour of such use began",
    "documents_waiting": "Documents that are being read, or wait for it",
    "documents_failed": "Documents that could not be read, and are still in a store",
    "documents_oldest_age_seconds": "Since the oldest of those that wait came",
}
CONTENT_TYPE = CONTENT_TYPE_LATEST
DEMAND = "artemis_model_demand"


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
        yield GaugeMetricFamily(
            "artemis_usage_event_oldest_age_seconds",
            "Since the oldest usage event came that is not in PostgreSQL; 0 where all are",
            value=0 if now.oldest_event is None else max(0.0, time.time() - now.oldest_event),
        )


class Figures(Collector):  # type: ignore[misc]
    """What workers have read from PostgreSQL lately; left out while Redis is away."""

    def collect(self) -> Iterable[Metric]:
        try:
            now = told()
        except RedisError:
            return
        for name, meaning in FIGURES.items():
            if name in now:
                yield GaugeMetricFamily(f"artemis_{name}", meaning, value=now[name])
        if LAST_TOLD in now:
            yield GaugeMetricFamily(
                "artemis_figures_timestamp_seconds", "When a worker last told such figures", value=now[LAST_TOLD]
            )


class Spooled(Collector):  # type: ignore[misc]
    """Of this machine's disk; in Kubernetes each pod has its own."""

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(
            "artemis_spool_settlements",
            "Settlements that Redis could not take, on this machine's disk",
            value=len(Spool(settings.ARTEMIS_HOME / "spool").waiting()),
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


class Counted(Collector):  # type: ignore[misc]
    """What this machine's workers have counted, and the calls that a batch of theirs has for a model, which may have no
    engine until somebody sees that."""

    def collect(self) -> Iterable[Metric]:
        yield from MultiProcessCollector.merge(counted_files(), accumulate=True)
        for metric in MultiProcessCollector.merge(live_files(), accumulate=True):
            if metric.name == DEMAND:
                yield metric


def counted_files() -> list[str]:
    """Of the workers no gauges: most tell of what is in flight in a live process of a gateway."""
    workers = settings.WORKER_METRICS_DIR
    return [str(file) for kind in ("counter", "histogram") for file in workers.glob(f"{kind}_*.db")]


def live_files() -> list[str]:
    """Gauges of the workers' processes that are still there: those of others would stay for ever."""
    files = settings.WORKER_METRICS_DIR.glob("gauge_livesum_*.db")
    return [str(file) for file in files if Path(f"/proc/{file.stem.rpartition('_')[2]}").exists()]


class Kept(Collector):  # type: ignore[misc]
    """What this machine's gateway processes and its workers, who answer batches, have kept in files."""

    def collect(self) -> Iterable[Metric]:
        own, workers = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]), settings.WORKER_METRICS_DIR
        files = [str(file) for file in own.glob("*.db")]
        if own != workers:
            files += counted_files()
        metrics: Iterable[Metric] = MultiProcessCollector.merge(files, accumulate=True)
        return metrics


def exposition() -> bytes:
    """Reads files and asks Redis: for a thread, not for the event loop."""
    shared = CollectorRegistry()
    shared.register(Queues())
    for collector in (Reconciled(), Figures(), Spooled()):
        shared.register(collector)
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        shared.register(Kept())
        return bytes(generate_latest(shared))
    return bytes(generate_latest(REGISTRY)) + bytes(generate_latest(shared))


def workers_exposition() -> bytes:
    """What this worker's processes tell."""
    counted = CollectorRegistry()
    counted.register(Counted())
    return bytes(generate_latest(counted))
