"""Celery, fed by Redis; tasks are enqueued by name and stand in each app's `tasks.py`."""

import os
from pathlib import Path

from celery import Celery, signals
from django.conf import settings

from artemis_site import celery_context  # noqa: F401 (connects itself to Celery's signals)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "artemis_site.settings")
if metrics := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):  # without it the first counter ends the worker
    Path(metrics).mkdir(parents=True, exist_ok=True)


@signals.celeryd_init.connect
def forget_gauges(**_: object) -> None:
    """Of the processes of a worker before this one, whose numbers the new ones may have again."""
    for file in settings.WORKER_METRICS_DIR.glob("gauge_*.db"):
        file.unlink(missing_ok=True)


app = Celery("artemis")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add("artemis_site.worker_metrics:Told")
app.steps["consumer"].add("artemis_site.liveness:Canary")


@app.task(name="canary")
def canary() -> None:
    """See artemis_site/liveness.py."""
    settings.WORKER_ALIVE_FILE.touch()
