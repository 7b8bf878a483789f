"""Wiring only: settings, urls, ASGI, Celery."""

from artemis_site.celery import app as celery_app

__all__ = ["celery_app"]
