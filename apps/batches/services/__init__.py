"""Makes, cancels and runs batches."""

from apps.batches.services.batches import cancel_batch, create_batch, delete_file, sweep_files
from apps.batches.services.run import run_open_batches

__all__ = ["cancel_batch", "create_batch", "delete_file", "run_open_batches", "sweep_files"]
