"""Removes files whose time is over. The batches themselves are run by the API's door: apps/api/tasks.py."""

from celery import shared_task

from apps.batches.services import sweep_files


@shared_task(name="batches.sweep_files")
def sweep_files_task() -> None:
    sweep_files()
