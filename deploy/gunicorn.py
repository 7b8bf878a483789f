"""Gunicorn's configuration for every plane: one master that loads the application, workers that share its memory."""

import os
from typing import Any

from uvicorn_worker import UvicornWorker

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
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108


class Worker(UvicornWorker):  # type: ignore[misc]
    """uvicorn on uvloop and httptools. Forwarded headers are read by us, from trusted proxies only."""

    CONFIG_KWARGS: dict[str, Any] = {
        "loop": "uvloop",
        "http": "httptools",
        "ws": "none",
        "lifespan": "on",
        "proxy_headers": False,
        "server_header": False,
    }
