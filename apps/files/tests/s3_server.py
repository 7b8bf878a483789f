"""A server that speaks as S3 does, in a process of its own: moto's."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx

from deploy.local.ports import free_port

BUCKET = "moon"


@contextmanager
def s3_server(log: Path) -> Iterator[str]:
    """Its address; there is one bucket."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=output, stderr=output
        )
        try:
            deadline = time.monotonic() + 30
            while not _answers(url):
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            client(url).create_bucket(Bucket=BUCKET)
            yield url
        finally:
            process.terminate()
            process.wait(10)


def bucket(url: str, *, prefix: str = "") -> dict[str, Any]:
    """As settings describe it."""
    options = {"bucket_name": BUCKET, "location": prefix, "endpoint_url": url, "region_name": "us-east-1"}
    return {"BACKEND": "apps.files.storage.bucket.Bucket", "OPTIONS": {**options, "addressing": "path"}}


def client(url: str) -> "boto3.client":
    keys = {"aws_access_key_id": "moon", "aws_secret_access_key": "only-for-tests"}
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code < 500
    except httpx.TransportError:
        return False
