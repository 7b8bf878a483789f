"""Reads the environment, once, and refuses to start a production with settings that are not fit for it."""

import ipaddress
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
PLACEHOLDERS = ("", "change-me", "changeme", "secret", "insecure", "placeholder", "example")
MIN_SECRET_LENGTH = 40

env = environ.Env()


def artemis_home() -> Path:
    """Where the state of a one-machine platform lives."""
    return Path(os.environ.get("ARTEMIS_HOME", BASE_DIR / ".artemis")).expanduser().resolve()


def read_running_platform() -> None:
    """Lets commands find the platform that `make run` started in this checkout: its addresses and its secret.

    What the environment already says stays as it is.
    """
    if os.environ.get("ARTEMIS_ENV", "development") == "development":
        environ.Env.read_env(artemis_home() / "platform.env", overwrite=False)


def refuse_unfit_production(
    *,
    debug: bool,
    secret_key: str,
    database_url: str,
    redis_url: str,
    email_url: str,
    public_url: str,
    hosts: list[str],
) -> None:
    """Raises ImproperlyConfigured, in one sentence a person can act on, for the first setting that is not fit."""
    if debug:
        raise ImproperlyConfigured("DEBUG is on in production: unset DEBUG or set it to 0.")
    if len(secret_key) < MIN_SECRET_LENGTH or any(word and word in secret_key.lower() for word in PLACEHOLDERS):
        raise ImproperlyConfigured(
            f"SECRET_KEY is missing, a placeholder or too short: set {MIN_SECRET_LENGTH} or more random characters."
        )
    for name, value in (("DATABASE_URL", database_url), ("REDIS_URL", redis_url)):
        if not value:
            raise ImproperlyConfigured(f"{name} is missing: set it to the address of the production server.")
    if not hosts or "*" in hosts:
        raise ImproperlyConfigured("ALLOWED_HOSTS is missing or '*': set it to the host names that you serve.")
    if not _is_https(public_url):
        raise ImproperlyConfigured(
            "PUBLIC_URL is missing or no https address: set it to the one that people see, such as https://ai.example.com."
        )
    if not email_url:
        raise ImproperlyConfigured(
            "EMAIL_URL is missing: set it to the mail server, such as smtp+tls://user:password@host:587."
        )


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname)


def three_days(texts: list[str]) -> list[int]:
    """Raises ImproperlyConfigured for what are not three numbers of days, each later than the one before."""
    days = [int(text) for text in texts if text.strip().isdecimal()]
    if len(days) != len(texts) or len(days) != 3 or not 0 < days[0] < days[1] < days[2]:
        raise ImproperlyConfigured("BILLING_DUNNING_DAYS: give three rising numbers of days, such as 3,7,14.")
    return days


def is_live_key(key: str, *, production: bool) -> bool:
    """Raises ImproperlyConfigured for what is no secret key of Stripe's, and for real money in development."""
    if not key:
        return False
    if not re.fullmatch(r"(sk|rk)_(test|live)_\w{8,}", key):
        raise ImproperlyConfigured(
            "STRIPE_SECRET_KEY is no secret key of Stripe's: give one that begins with sk_test_, sk_live_ or rk_."
        )
    live = key.startswith(("sk_live_", "rk_live_"))
    if live and not production:
        raise ImproperlyConfigured(
            "STRIPE_SECRET_KEY is a live key, and this is no production: give a test key, or set ARTEMIS_ENV."
        )
    return live


def stand_in_for_stripe(host: str, *, live: bool) -> str:
    """Raises ImproperlyConfigured where a live key would be shown to somebody else."""
    if live:
        raise ImproperlyConfigured("STRIPE_API_HOST is set beside a live key: it is for a stand-in, in test mode only.")
    return host.rstrip("/")


def networks(value: list[str], name: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """A setting's networks. Raises ImproperlyConfigured for what is no network."""
    try:
        return [ipaddress.ip_network(item) for item in value]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}; give networks such as 10.0.0.0/8.") from error


def file_storage(url: str) -> dict[str, Any]:
    """Django's description of FILES_STORAGE_URL. Raises ImproperlyConfigured for what is neither folder nor bucket."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if parts.scheme == "file" and not parts.netloc and len(parts.path) > 1 and not options:
        folder = {"location": unquote(parts.path), "base_url": None}
        return {"BACKEND": "apps.files.storage.folder.Folder", "OPTIONS": folder}
    known = {"endpoint": "endpoint_url", "region": "region_name", "addressing": "addressing"}
    if parts.scheme == "s3" and parts.netloc and "@" not in parts.netloc and options.keys() <= known.keys():
        given = {known[name]: value for name, value in options.items()}
        bucket = {"bucket_name": parts.netloc, "location": parts.path.strip("/"), **given}
        return {"BACKEND": "apps.files.storage.bucket.Bucket", "OPTIONS": bucket}
    raise ImproperlyConfigured(
        "FILES_STORAGE_URL: give file:///a/folder or s3://bucket/prefix?endpoint=https://host&region=…&addressing=…; "
        "keys stand in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
    )
