"""Where a webhook may not go, in whatever form it is written."""

from typing import Any

import pytest

from apps.alerts.addresses import checked_url, is_allowed
from apps.common.errors import Invalid

REFUSED = [
    "", "x", "example.com/hook", "ftp://example.com/", "file:///etc/passwd", "javascript:alert(1)", "http://example.com/",
    "https://", "https:///hook", "https://user@example.com/", "https://user:word@example.com/", "https://@127.0.0.1/",
    "https://example.com:22/", "https://example.com:8000/", "https://example.com:99999/", "https://exa mple.com/",
    "https://example.com/\nHost: other", "https://bücher.example/", f"https://example.com/{'a' * 500}",
    "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/",
    "https://0.0.0.0/", "https://10.0.0.1/", "https://172.16.0.1/", "https://192.168.1.1/", "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/", "https://168.63.129.16/", "https://224.0.0.1/", "https://255.255.255.255/",
    "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[fe80::1]/", "https://[fd00::1]/",
    "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/", "https://[ff02::1]/",
]  # fmt: skip


@pytest.fixture
def _production(settings: Any) -> None:
    settings.PRODUCTION, settings.ALERTS_ALLOW_PRIVATE_ADDRESSES = True, False


@pytest.mark.usefixtures("_production")
@pytest.mark.parametrize("url", REFUSED)
def test_refused(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked_url(url)
    assert refused.value.param == "url"


@pytest.mark.usefixtures("_production")
@pytest.mark.parametrize(
    "url",
    ["https://example.com/hook?a=b", "https://example.com:8443/", "https://93.184.215.14/", "https://[2606:4700::1]/"],
)
def test_allowed(url: str) -> None:
    assert checked_url(f" {url} ") == url


@pytest.mark.usefixtures("_production")
def test_a_zone_does_not_hide_an_address() -> None:
    assert not is_allowed("fe80::1%eth0")
