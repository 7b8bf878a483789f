"""A worker tells Prometheus what its processes have counted, where WORKER_METRICS_PORT says so: in Kubernetes, where no
gateway sees its files. To whoever has METRICS_TOKEN, and to nobody else.
"""

import hmac
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from celery import bootsteps
from django.conf import settings

from apps.gateway.exposition import CONTENT_TYPE, workers_exposition

PATIENCE = 10  # seconds in which a request must have come


class Handler(BaseHTTPRequestHandler):
    timeout = PATIENCE

    def do_GET(self) -> None:
        expected = f"Bearer {settings.METRICS_TOKEN}"
        given = self.headers.get("authorization", "")
        is_known = bool(settings.METRICS_TOKEN) and hmac.compare_digest(given.encode(), expected.encode())
        if self.path != "/metrics" or not is_known:
            self.send_error(404)
            return
        body = workers_exposition()
        self.send_response(200)
        self.send_header("content-type", CONTENT_TYPE)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Prometheus comes four times a minute."""


class Told(bootsteps.StartStopStep):
    """Of the worker itself, whose main process has time for it; its children do the tasks."""

    server: ThreadingHTTPServer | None = None

    def start(self, worker: Any) -> None:
        if not settings.WORKER_METRICS_PORT:
            return
        self.server = ThreadingHTTPServer(("", settings.WORKER_METRICS_PORT), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, name="metrics", daemon=True).start()

    def stop(self, worker: Any) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
