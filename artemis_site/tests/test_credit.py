"""An account without a credit limit may use what it has paid for: to the nano-dollar, also by a thousand at once."""

import threading
import time

from artemis_site.tests.desk import Desk
from artemis_site.tests.errands import pay, posted, prepay
from artemis_site.tests.platform import Platform
from artemis_site.tests.test_limits import ask, at_once, body_of, code, most_expensive


def test_calls_stop_with_the_credit_and_go_on_with_a_payment(platform: Platform, desk: Desk) -> None:
    body = body_of()
    key = desk.call(prepay, "Prepaid", most_expensive(body))
    first, second = ask(platform, key, body), ask(platform, key, body)
    assert first.status_code == 200
    assert (second.status_code, code(second)) == (429, "insufficient_quota")
    assert "credit of this account" in second.json()["error"]["message"]
    assert "retry-after" not in second.headers

    desk.call(pay, key.account_id, most_expensive(body), "more")
    assert ask(platform, key, body).status_code == 200
    cost = desk.bill(key, requests=2).cost
    balance = desk.call(posted, key.account_id)
    assert (balance.prepaid, balance.owed) == (2 * most_expensive(body) - cost, 0)


def test_nothing_paid_nothing_answered(platform: Platform, desk: Desk) -> None:
    key = desk.call(prepay, "Penniless", 0)
    assert code(ask(platform, key)) == "insufficient_quota"
    desk.bill(key, requests=0)


def test_a_thousand_at_once_while_use_is_posted_and_credit_comes(platform: Platform, desk: Desk) -> None:
    """Posting moves use from one side of the sum to the other: at no moment is there more to spend, or less."""
    body = body_of()
    worth = most_expensive(body)
    key = desk.call(prepay, "Racing", 60 * worth)
    answers = []

    def race() -> None:
        for _ in range(5):
            answers.extend(at_once(platform, key, 200, body))

    thread = threading.Thread(target=race)
    thread.start()
    number = 0
    while thread.is_alive():
        desk.call(posted, key.account_id)
        if number < 40:
            desk.call(pay, key.account_id, worth, f"racing {number}")
        number += 1
        time.sleep(0.5)
    thread.join()
    passed = sum(answer.status_code == 200 for answer in answers)
    assert {code(answer) for answer in answers if answer.status_code != 200} <= {
        "insufficient_quota",
        "rate_limit_exceeded",
    }
    cost = desk.bill(key, requests=passed).cost
    balance = desk.call(posted, key.account_id)
    given = (60 + min(number, 40)) * worth
    assert cost <= given
    assert (balance.prepaid, balance.owed) == (given - cost, 0)
