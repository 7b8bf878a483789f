"""A production that is not fit is refused with a sentence that says what to set."""

import os
import subprocess
import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from artemis_site.environment import file_storage, networks, refuse_unfit_production
from deploy.local.platform import ROOT

FIT: dict[str, Any] = {
    "debug": False,
    "secret_key": "k3Jf" * 15,
    "database_url": "postgres://artemis@db/artemis",
    "redis_url": "redis://redis/0",
    "email_url": "smtp+tls://artemis:password@mail:587",
    "public_url": "https://artemis.test",
    "hosts": ["artemis.test"],
}


def test_a_fit_production_starts() -> None:
    refuse_unfit_production(**FIT)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"debug": True}, "unset DEBUG"),
        ({"secret_key": ""}, "SECRET_KEY is missing"),
        ({"secret_key": "short"}, "SECRET_KEY is missing"),
        ({"secret_key": "change-me" * 10}, "SECRET_KEY is missing"),
        ({"secret_key": "django-INSECURE-" + "x" * 50}, "SECRET_KEY is missing"),
        ({"database_url": ""}, "DATABASE_URL is missing"),
        ({"redis_url": ""}, "REDIS_URL is missing"),
        ({"hosts": []}, "ALLOWED_HOSTS is missing"),
        ({"hosts": ["artemis.test", "*"]}, "ALLOWED_HOSTS is missing"),
        ({"public_url": ""}, "PUBLIC_URL is missing"),
        ({"public_url": "http://artemis.test"}, "PUBLIC_URL is missing or no https address"),
        ({"public_url": "https://"}, "PUBLIC_URL is missing or no https address"),
        ({"public_url": "https://[artemis"}, "PUBLIC_URL is missing or no https address"),
        ({"email_url": ""}, "EMAIL_URL is missing"),
    ],
)
def test_an_unfit_one_says_what_to_set(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=sentence) as refused:
        refuse_unfit_production(**FIT | changes)
    assert str(refused.value).endswith(".")


def test_networks_are_networks() -> None:
    assert [str(network) for network in networks(["10.0.0.0/8", "::1"], "TRUSTED_PROXIES")] == ["10.0.0.0/8", "::1/128"]
    with pytest.raises(ImproperlyConfigured, match="TRUSTED_PROXIES"):
        networks(["nginx"], "TRUSTED_PROXIES")


def test_a_command_in_an_unfit_production_ends_with_the_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "ARTEMIS_ENV": "production", "SECRET_KEY": "secret"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "SECRET_KEY is missing, a placeholder or too short" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "backend", "options"),
    [
        ("file:///srv/a%20b", "folder.Folder", {"location": "/srv/a b", "base_url": None}),
        ("s3://moon", "bucket.Bucket", {"bucket_name": "moon", "location": ""}),
        (
            "s3://moon/a/b/?endpoint=https://minio:9000&region=eu-central-1&addressing=path",
            "bucket.Bucket",
            {
                "bucket_name": "moon",
                "location": "a/b",
                "endpoint_url": "https://minio:9000",
                "region_name": "eu-central-1",
                "addressing": "path",
            },
        ),
    ],
)
def test_files_lie_in_a_folder_or_a_bucket(url: str, backend: str, options: dict[str, Any]) -> None:
    assert file_storage(url) == {"BACKEND": f"apps.files.storage.{backend}", "OPTIONS": options}


@pytest.mark.parametrize(
    "url",
    ["", "files", "/srv/files", "file://", "file:///", "file://host/a", "s3://", "s3://key:word@moon", "ftp://a/b"],
)
def test_what_is_neither_says_what_to_give(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="FILES_STORAGE_URL"):
        file_storage(url)
    with pytest.raises(ImproperlyConfigured, match="FILES_STORAGE_URL"):
        file_storage("s3://moon?secret=word")
