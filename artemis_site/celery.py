"""Celery, fed by Redis; tasks are enqueued by name and stand in each app's `tasks.py`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "artemis_site.settings")

app = Celery("artemis")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
