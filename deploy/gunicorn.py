"""Gunicorn's configuration for every plane: one master that loads the application, workers that share its memory."""

import asyncio
import gc
import os
from pathlib import Path
from typing import Any

from uvicorn_worker import UvicornWorker

from apps.common.logs.lines import logging_settings
from artemis_site.wire import CorkedHttpProtocol, Draining

# Prometheus' numbers, a few files a worker; prometheus_client reads the variable as it is imported.
_home = Path(os.environ.get("ARTEMIS_HOME", Path(__file__).resolve().parent.parent / ".artemis")).expanduser()
METRICS = Path(
    os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", str(_home / f"metrics-{os.environ.get('ARTEMIS_PORT', '8000')}"))
)
METRICS.mkdir(parents=True, exist_ok=True)
DRAINING = _home / "draining"  # made by deploy.drain


from prometheus_client import values  # noqa: E402
from prometheus_client.multiprocess import mark_process_dead  # noqa: E402

# By default it asks the kernel for the process's id at each number it keeps, twenty times a request.
_pid = [os.getpid()]
os.register_at_fork(after_in_child=lambda: _pid.__setitem__(0, os.getpid()))
values.ValueClass = values.MultiProcessValue(process_identifier=lambda: _pid[0])

wsgi_app = "artemis_site.asgi:application"
bind = [f"{os.environ.get('ARTEMIS_BIND', '127.0.0.1')}:{os.environ.get('ARTEMIS_PORT', '8000')}"]
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "deploy.gunicorn.Worker"
# LiteLLM takes seconds and 190 MB to import: once, before the workers are forked.
preload_app = True
timeout = 60  # a worker that does not answer its master for so long is replaced; streams do not count
graceful_timeout = int(os.environ.get("GRACEFUL_TIMEOUT", "600"))  # as long as the longest stream may take
keepalive = 75
accesslog = None
errorlog = "-"
loglevel = "info"
# As in artemis_site/settings.py, for what is said before the application is there, or where it does not come.
_form = os.environ.get("LOG_FORMAT", "json" if os.environ.get("ARTEMIS_ENV") == "production" else "text")
logconfig_dict = logging_settings(_form, os.environ.get("LOG_LEVEL", "INFO"))
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108


def on_starting(server: Any) -> None:
    """Begins at zero, unless an older master whose workers still count is being replaced (USR2)."""
    if not server.master_pid:
        DRAINING.unlink(missing_ok=True)  # of a process that was stopped in this home before
        for file in METRICS.glob("*.db"):
            file.unlink()


def when_ready(server: Any) -> None:
    """What the application consists of never becomes garbage: the collector need not look at it, nor unshare it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def child_exit(server: Any, worker: Any) -> None:
    mark_process_dead(worker.pid)


class Worker(UvicornWorker):  # type: ignore[misc]
    """uvicorn on uvloop and httptools. Forwarded headers are read by us, from trusted proxies only."""

    CONFIG_KWARGS: dict[str, Any] = {
        "loop": "uvloop",
        "http": CorkedHttpProtocol,
        "ws": "none",
        "lifespan": "on",
        "proxy_headers": False,
        "server_header": False,
        # uvicorn would wait for ever, and the master then kill: cancelled before that, a stream is settled.
        "timeout_graceful_shutdown": max(1, graceful_timeout - 3),
    }

    async def _serve(self) -> None:
        tasks = [asyncio.create_task(self._beat()), asyncio.create_task(self._watch_draining())]
        try:
            await super()._serve()
        finally:
            for task in tasks:
                task.cancel()

    async def _beat(self) -> None:
        """uvicorn no longer tells the master that it lives once it stops: the last streams would be cut with it."""
        while True:
            self.notify()
            await asyncio.sleep(max(0.1, self.timeout / 2))

    async def _watch_draining(self) -> None:
        while True:
            Draining.is_asked = DRAINING.exists()
            await asyncio.sleep(0.5)
