"""Stripe's own command line against the stand-in for Stripe: it knows Stripe, and nothing of Artemis.

Its `trigger` makes, by calls to the API alone, what leads to an event of a kind, as Stripe's documentation has them.
"""

import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from apps.billing.emulator.control import EmulatorServer
from apps.billing.services.stripe_events import WANTED
from artemis_site.tests import errands, npm
from artemis_site.tests.desk import Desk
from artemis_site.tests.platform import Platform
from artemis_site.tests.test_top_ups_journey import stand_in, wait_for

__all__ = ["stand_in"]
RUN_SECONDS = 60
NOT_BY_THE_API = {
    "charge.dispute.closed",  # begins with an inquiry, which moves no money
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "checkout.session.completed",  # by Stripe's own page, which the command line plays
    "refund.created",
    "refund.failed",
    "refund.updated",
}
KINDS = [kind for kind in WANTED if kind not in NOT_BY_THE_API]


class CommandLine:
    def __init__(self, program: Path, platform: Platform, stand_in: EmulatorServer, home: Path) -> None:
        self._command = program
        self._address = stand_in.base_url
        environment = dict(line.split("=", 1) for line in (platform.home / "platform.env").read_text().splitlines())
        self._environment = {
            "HOME": str(home),
            "STRIPE_API_KEY": environment["STRIPE_SECRET_KEY"],
            "STRIPE_CLI_TELEMETRY_OPTOUT": "1",
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._command, *arguments, "--api-base", self._address],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )

    def answer(self, *arguments: str) -> Any:
        done = self.run(*arguments)
        assert not done.returncode, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def command_line(platform: Platform, stand_in: EmulatorServer, tmp_path: Path) -> CommandLine:
    program = npm.install() / "node_modules/@stripe/cli-linux-x64/bin/stripe"
    if not program.exists():
        pytest.skip("Stripe's command line is installed for Linux on x86-64 only")
    return CommandLine(program, platform, stand_in, tmp_path)


def test_what_it_triggers_happens_and_reaches_the_platform(command_line: CommandLine, desk: Desk) -> None:
    """Of nobody's account here: each is heard, handled, and moves nothing."""
    for kind in KINDS:
        done = command_line.run("trigger", kind)
        assert not done.returncode, (kind, done.stdout, done.stderr)
        [event] = command_line.answer("events", "list", "--type", kind, "--limit", "1")["data"]
        assert event["type"] == kind
    wait_for(lambda: set(desk.call(errands.kinds_of_events)) >= set(KINDS))
    with suppress(AssertionError):
        wait_for(lambda: desk.call(errands.events_not_handled) == [])
    assert desk.call(errands.events_not_handled) == []
    assert desk.call(errands.ledger_findings) == []


def test_it_reads_writes_and_is_refused(command_line: CommandLine) -> None:
    made = command_line.answer("customers", "create", "--name", "Ann", "--email", "ann@example.com")
    again = command_line.answer("customers", "update", made["id"], "-d", "metadata[team]=moon")
    assert (again["name"], again["metadata"]) == ("Ann", {"team": "moon"})
    assert command_line.answer("get", f"/v1/customers/{made['id']}")["email"] == "ann@example.com"
    assert command_line.run("customers", "delete", made["id"], "--confirm").returncode == 0
    assert command_line.answer("get", f"/v1/customers/{made['id']}")["deleted"]

    refused = command_line.run("prices", "create", "--currency", "usd", "--unit-amount", "-5", "--product", "prod_none")
    assert "invalid_request_error" in refused.stdout + refused.stderr
    assert command_line.run("get", "/v1/customers/cus_none").stdout.count("resource_missing") == 1
