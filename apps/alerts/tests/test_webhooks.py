"""What a real receiver gets: signed, the same at each attempt, until it was taken or a day is over."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from apps.accounts.tests.cast import Cast
from apps.alerts.models import DeliveryAttempt, Webhook, WebhookDelivery
from apps.alerts.selectors import deliveries_of_account, webhook_of_account
from apps.alerts.services import (
    check_budgets,
    deliver_waiting,
    mail_waiting,
    remove_webhook,
    renew_secret,
    send_test,
    set_webhook,
)
from apps.alerts.tests.conftest import Receiver, key_of, spend
from apps.common.errors import Invalid, NotFound
from apps.common.tests.certificates import certify


def assert_signed(secret: str, headers: dict[str, str], body: bytes) -> None:
    """As the specification of Standard Webhooks says, from what came over the wire."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 10


def cross(account_id: int) -> None:
    spend(key_of(account_id, monthly_budget=100), 100)
    assert check_budgets() == 1


def let_time_pass() -> None:
    WebhookDelivery.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=timezone.now())


def test_a_crossing_is_delivered_signed(cast: Cast, receiver: Receiver) -> None:
    secret = set_webhook(account_id=cast.northwind.id, url=receiver.url)
    assert secret and secret not in Webhook.objects.get().secret_sealed
    cross(cast.northwind.id)
    assert (deliver_waiting(), deliver_waiting()) == (1, 0)
    [(headers, body)] = receiver.got
    assert_signed(secret, headers, body)
    message = json.loads(body)
    assert message["type"] == "budget.threshold_reached" and message["timestamp"]
    assert {name: message["data"][name] for name in ("account", "scope", "threshold_percent", "budget_is_hard")} == {
        "account": "northwind",
        "scope": "key",
        "threshold_percent": 100,
        "budget_is_hard": True,
    }
    assert (message["data"]["spent_nano_usd"], message["data"]["budget_nano_usd"]) == (100, 100)
    [row] = deliveries_of_account(account_id=cast.northwind.id)
    assert (row.state, row.outcome) == ("delivered", "204")


def test_only_the_account_that_it_is_about_is_told(cast: Cast, receiver: Receiver) -> None:
    set_webhook(account_id=cast.charlies.id, url=receiver.url)
    cross(cast.northwind.id)
    assert deliver_waiting() == 0 and receiver.got == []
    assert webhook_of_account(account_id=cast.northwind.id) is None
    assert deliveries_of_account(account_id=cast.northwind.id) == []
    for service in (renew_secret, send_test):
        with pytest.raises(NotFound):
            service(account_id=cast.northwind.id)


def test_a_failure_is_tried_again_with_the_same_message(cast: Cast, receiver: Receiver) -> None:
    secret = set_webhook(account_id=cast.northwind.id, url=receiver.url) or ""
    receiver.statuses = [500, 429]
    cross(cast.northwind.id)
    assert deliver_waiting() == 0
    delivery = WebhookDelivery.objects.get()
    assert delivery.next_attempt_at
    assert timedelta(seconds=5) < delivery.next_attempt_at - timezone.now() < timedelta(seconds=12)
    assert deliver_waiting() == 0 and len(receiver.got) == 1  # not before its time
    for delivered in (0, 1):
        let_time_pass()
        assert deliver_waiting() == delivered
    assert list(DeliveryAttempt.objects.values_list("status", flat=True)) == [500, 429, 204]
    for headers, body in receiver.got:
        assert_signed(secret, headers, body)
    assert len({(headers["webhook-id"], body) for headers, body in receiver.got}) == 1


def test_after_eight_retries_it_is_given_up_and_the_mail_went_out_all_the_same(cast: Cast, receiver: Receiver) -> None:
    set_webhook(account_id=cast.northwind.id, url=receiver.url)
    receiver.statuses = [503] * 20
    cross(cast.northwind.id)
    waits = []
    while WebhookDelivery.objects.filter(next_attempt_at__isnull=False).exists():
        let_time_pass()
        deliver_waiting()
        due = WebhookDelivery.objects.get().next_attempt_at
        waits.append((due - timezone.now()).total_seconds() if due else 0)
    assert len(receiver.got) == 9
    assert waits[:-1] == sorted(waits[:-1]) and 16 * 3600 < sum(waits) < 27 * 3600
    assert deliveries_of_account(account_id=cast.northwind.id)[0].state == "failed"
    assert mail_waiting() == 1 and len(mail.outbox) == 1


def test_a_redirect_is_not_followed(cast: Cast, receiver: Receiver) -> None:
    set_webhook(account_id=cast.northwind.id, url=receiver.url)
    receiver.statuses = [307]
    cross(cast.northwind.id)
    assert deliver_waiting() == 0 and len(receiver.got) == 1
    assert DeliveryAttempt.objects.get().error == "307: redirects are not followed."


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_became_private_after_it_was_saved_gets_nothing(
    cast: Cast, receiver: Receiver, settings: Any, host: str
) -> None:
    set_webhook(account_id=cast.northwind.id, url=receiver.url.replace("127.0.0.1", host))
    settings.ALERTS_ALLOW_PRIVATE_ADDRESSES = False
    cross(cast.northwind.id)
    assert deliver_waiting() == 0 and receiver.got == []
    assert DeliveryAttempt.objects.get().error == "This address is not a public one."


def test_one_that_hangs_holds_up_nobody(cast: Cast, receiver: Receiver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dripping = threading.Thread(target=_drip, args=(silent,), daemon=True)
        dripping.start()
        set_webhook(account_id=cast.charlies.id, url=f"http://127.0.0.1:{silent.getsockname()[1]}/")
        set_webhook(account_id=cast.northwind.id, url=receiver.url)
        for account in (cast.charlies, cast.northwind):
            send_test(account_id=account.id)
        begun = time.monotonic()
        assert deliver_waiting() == 1
        assert time.monotonic() - begun < 8
    assert deliveries_of_account(account_id=cast.charlies.id)[0].outcome == "No answer within 5 seconds."


def _drip(server: socket.socket) -> None:
    """An answer that never ends, a byte at a time: no single read takes long."""
    caller, _ = server.accept()
    with caller:
        for _ in range(100):
            time.sleep(0.2)
            try:
                caller.sendall(b"H")
            except OSError:
                return


@pytest.mark.parametrize(
    ("named", "trusted", "delivered"), [("localhost", 1, 1), ("elsewhere", 1, 0), ("localhost", 0, 0)]
)
def test_the_certificate_must_be_that_of_the_name_though_the_address_is_called(
    cast: Cast,
    receiver: Receiver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
    trusted: int,
    delivered: int,
) -> None:
    receiver.server.socket = certify(tmp_path, named).wrap_socket(receiver.server.socket, server_side=True)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    set_webhook(account_id=cast.northwind.id, url=receiver.url.replace("http://127.0.0.1", "https://localhost"))
    send_test(account_id=cast.northwind.id)
    assert deliver_waiting() == len(receiver.got) == delivered


def test_a_test_is_tried_once_and_only_one_is_under_way(cast: Cast, receiver: Receiver) -> None:
    set_webhook(account_id=cast.northwind.id, url=receiver.url)
    receiver.statuses = [500]
    send_test(account_id=cast.northwind.id)
    with pytest.raises(Invalid, match="under way"):
        send_test(account_id=cast.northwind.id)
    deliver_waiting()
    [row] = deliveries_of_account(account_id=cast.northwind.id)
    assert (row.kind, row.state, row.outcome) == ("webhook.test", "failed", "500")
    send_test(account_id=cast.northwind.id)
    assert deliver_waiting() == 1


def test_a_new_secret_signs_from_then_on_and_another_address_keeps_it(cast: Cast, receiver: Receiver) -> None:
    first = set_webhook(account_id=cast.northwind.id, url="https://example.com/hook")
    secret = renew_secret(account_id=cast.northwind.id)
    assert secret != first and set_webhook(account_id=cast.northwind.id, url=receiver.url) is None
    send_test(account_id=cast.northwind.id)
    deliver_waiting()
    assert_signed(secret, *receiver.got[0])


def test_what_waits_for_a_webhook_that_is_removed_is_dropped(cast: Cast, receiver: Receiver) -> None:
    set_webhook(account_id=cast.northwind.id, url=receiver.url)
    cross(cast.northwind.id)
    remove_webhook(account_id=cast.northwind.id)
    assert deliver_waiting() == 0 and receiver.got == []


@pytest.mark.django_db(transaction=True)
def test_workers_who_send_at_once_send_each_message_once(cast: Cast, receiver: Receiver) -> None:
    set_webhook(account_id=cast.northwind.id, url=receiver.url)
    for _ in range(6):
        spend(key_of(cast.northwind.id, monthly_budget=100), 100)
    assert check_budgets() == 6
    start = threading.Barrier(3)

    def work() -> None:
        try:
            start.wait(10)
            deliver_waiting()
            mail_waiting()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [headers["webhook-id"] for headers, _ in receiver.got]
    assert len(names) == len(set(names)) == len(mail.outbox) == 6
