"""nginx and `proxy_pass`, unbuffered, with kept connections to the engine: what a relay in C costs."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contestants.contestant import AbsentError, Contestant
from benchmarks.processes import process, wait_for
from deploy.local.ports import free_port

NAME = "nginx proxy_pass"
CONFIGURATION = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 8192;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/nginx-body;
    proxy_temp_path {folder}/nginx-proxy;
    fastcgi_temp_path {folder}/nginx-fastcgi;
    uwsgi_temp_path {folder}/nginx-uwsgi;
    scgi_temp_path {folder}/nginx-scgi;
    client_body_buffer_size 1m;
    keepalive_requests 1000000;
    upstream engine {{
        server 127.0.0.1:{engine};
        keepalive 512;
        keepalive_requests 1000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location / {{
            proxy_pass http://engine;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_request_buffering off;
        }}
    }}
}}
"""


@contextmanager
def start(folder: Path, engine: int) -> Iterator[Contestant]:
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise AbsentError("nginx is not installed (apt-get install nginx-light)")
    port = free_port()
    configuration, log = folder / "nginx.conf", folder / "nginx.log"
    configuration.write_text(CONFIGURATION.format(folder=folder, engine=engine, port=port))
    command = [program, "-p", str(folder), "-c", str(configuration), "-e", "stderr"]
    with process(command, log=log) as child:
        wait_for(f"http://127.0.0.1:{port}/health", child=child, log=log)
        yield Contestant(NAME, port, [child.pid])
