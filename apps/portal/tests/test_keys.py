"""Keys on the portal: every limit is kept, every refusal says why."""

import pytest
from django.test import Client

from apps.accounts.tests.cast import Cast
from apps.keys.models import ApiKey

LIMITS = {
    "name": "Production",
    "project": "default",
    "allowed_endpoints": ["chat.completions", "models"],
    "ip_allow_list": "203.0.113.0/24\n2001:db8::1",
    "rpm_limit": "60",
    "tpm_limit": "10000",
    "parallel_limit": "4",
    "monthly_budget": "12.5",
    "expires_at": "2099-01-02T03:04",
}


def test_all_limits_are_kept(alice: Client) -> None:
    assert b"sk-art-" in alice.post("/a/northwind/keys/new/", LIMITS).content
    key = ApiKey.objects.get()
    assert key.allowed_endpoints == ["chat.completions", "models"]
    assert key.ip_allow_list == ["203.0.113.0/24", "2001:db8::1/128"]
    assert (key.rpm_limit, key.tpm_limit, key.parallel_limit) == (60, 10_000, 4)
    assert key.monthly_budget == 12_500_000_000
    assert key.expires_at and key.expires_at.isoformat() == "2099-01-02T03:04:00+00:00"
    assert key.created_by and key.created_by.email == "alice@example.com"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", " ", "required"),
        ("ip_allow_list", "not an address", "Give addresses or networks"),
        ("rpm_limit", "0", "greater than or equal to 1"),
        ("monthly_budget", "-1", "greater than or equal to 0"),
        ("monthly_budget", "NaN", "Enter a number"),
        ("monthly_budget", "1e400", ""),
        ("expires_at", "2001-01-01T00:00", "in the future"),
        ("allowed_endpoints", "root", "not one of the available choices"),
        ("allowed_models", "nobody's", "not one of the available choices"),
        ("project", "elsewhere", "not one of the available choices"),
    ],
)
def test_bad_limits_are_refused_in_place(alice: Client, field: str, value: str, said: str) -> None:
    page = alice.post("/a/northwind/keys/new/", LIMITS | {field: value}).content.decode()
    assert "errorlist" in page and said in page
    assert not ApiKey.objects.exists()


def test_a_key_is_changed_switched_rotated_and_revoked(alice: Client) -> None:
    alice.post("/a/northwind/keys/new/", LIMITS)
    key = ApiKey.objects.get()
    home = f"/a/northwind/keys/{key.public_id}/"
    assert b"203.0.113.0/24" in alice.get(home).content
    alice.post(home, {"name": "Staging"})
    key.refresh_from_db()
    assert (key.name, key.rpm_limit, key.monthly_budget) == ("Staging", None, None)
    alice.post(f"{home}switch/", {"disabled": "yes"})
    assert b"Off" in alice.get("/a/northwind/keys/").content
    alice.post(f"{home}switch/", {"disabled": "no"})
    assert b"sk-art-" in alice.post(f"{home}rotate/", {"grace": "24"}).content
    assert b"Old one works until" in alice.get("/a/northwind/keys/").content
    alice.post(f"{home}revoke/")
    assert b"Revoked" in alice.get("/a/northwind/keys/").content
    assert alice.post(home, {"name": "Back"}).status_code == 302
    key.refresh_from_db()
    assert key.revoked_at and key.name == "Staging"


def test_fields_that_nobody_offered_change_nothing(alice: Client, cast: Cast) -> None:
    alice.post("/a/northwind/keys/new/", LIMITS | {"account": cast.charlies.id, "account_id": cast.charlies.id})
    assert ApiKey.objects.get().account_id == cast.northwind.id
