"""Zero downtime: everything is replaced under steady load, and no caller notices.

A real nginx, two gateways, two engines. Under at least two thousand calls, half of them streams: the gateways are
replaced one after the other, then the engines, the database is migrated, nginx is reloaded, an engine is killed. Each
answer must be whole, and each is billed once.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from artemis_site.tests.desk import Desk
from artemis_site.tests.edges import CHAT_PATH, bearer
from artemis_site.tests.errands import Key, counted
from artemis_site.tests.planes import Plane
from artemis_site.tests.platform import Platform
from artemis_site.tests.report import TABLES, aligned
from artemis_site.tests.test_failover import numbered
from artemis_site.tests.test_limits import wait_for
from deploy.edge.tests.edge import NGINXES, Edge, fixed_port, version
from deploy.edge.tests.name_server import NameServer
from deploy.local.platform import ROOT
from inference.fake.control import FakeServer

NEWER = [nginx for nginx in NGINXES if version(nginx) >= (1, 27, 3)]
pytestmark = pytest.mark.skipif(not NEWER, reason="there is no nginx of 1.27.3 or later, which follows names")
HOSTS = ("127.0.0.2", "127.0.0.3")
MODEL, TOKENS, TOKENS_PER_SECOND = "steady", 24, 30
# Not by a script: calls come to one that starts again before it could be told.
ENGINE = (
    *("--shutdown-timeout", "30"),
    *("--output-tokens", str(TOKENS), "--tokens-per-second", str(TOKENS_PER_SECOND)),
)
DRAIN_SECONDS, MIN_READY_SECONDS = 8, 6  # nginx asks for names every five; in production they are 15 and 10
CALLERS, ENOUGH = 24, 2000
LATE_MIGRATIONS = {
    "0001_initial": """
from django.db import migrations

class Migration(migrations.Migration):
    operations = [
        migrations.RunSQL(
            "ALTER TABLE keys_apikey ADD COLUMN late text NOT NULL DEFAULT ''",
            "ALTER TABLE keys_apikey DROP COLUMN late",
        )
    ]
""",
    "0002_index": """
from django.db import migrations

class Migration(migrations.Migration):
    atomic = False
    dependencies = [("late", "0001_initial")]
    operations = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY late ON keys_apikey (late)", "DROP INDEX CONCURRENTLY late"
        )
    ]
""",
}


@dataclass
class House:
    """What stands between the callers and the models, and how each part of it is replaced."""

    platform: Platform
    gateways: list[Plane]
    engines: list[FakeServer]
    edge: Edge
    names: NameServer
    late: Path

    def replace_gateways(self) -> None:
        """As a cluster does: a pod that ends is in no name any more, drains, and stops; one that is ready is."""
        everywhere = self.names.addresses
        for gateway in self.gateways:
            self.names.addresses = tuple(address for address in everywhere if address != gateway.host)
            environment = {**gateway.environment(), "DRAIN_SECONDS": str(DRAIN_SECONDS)}
            subprocess.run([sys.executable, "-m", "deploy.drain"], cwd=ROOT, env=environment, check=True)
            gateway.__exit__()
            gateway.__enter__()
            self.names.addresses = everywhere
            time.sleep(MIN_READY_SECONDS)

    def replace_engines(self) -> None:
        for engine in self.engines:
            assert engine.drain() == 0
            engine.start()
            time.sleep(2)  # what a real one takes much longer for: the gateways find that it is back

    def migrate(self, *arguments: str) -> None:
        environment = {
            **self.platform.environment(),
            "DJANGO_SETTINGS_MODULE": "late_settings",
            "PYTHONPATH": str(self.late),
        }
        command = [sys.executable, "manage.py", "migrate", "late", *arguments]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)

    def reload_nginx(self) -> None:
        for _ in range(3):
            before = self.edge.workers()
            self.edge.reload()
            self.edge.wait_for(lambda known=before: self.edge.workers() - known)
            time.sleep(1)

    def kill_an_engine(self) -> None:
        self.engines[0].kill()
        time.sleep(2)
        self.engines[0].start()
        time.sleep(1)


@dataclass
class Callers:
    """Each asks one call after another, streams and whole ones in turns, on connections that are kept."""

    edge: Edge
    key: Key
    phase: str = "steady"
    done: bool = False
    calls: Counter[str] = field(default_factory=Counter)
    went_on: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)

    async def ask_on(self, session: aiohttp.ClientSession, number: int) -> None:
        for turn in itertools.count(number):
            if self.done:
                return
            phase, stream = self.phase, bool(turn % 2)
            try:
                problem = await self.ask(session, stream=stream)
            except (aiohttp.ClientError, TimeoutError) as error:
                problem = repr(error)
            self.calls[phase] += 1
            if problem:
                self.failures.append((phase, problem))

    async def ask(self, session: aiohttp.ClientSession, *, stream: bool) -> str:
        """What is wrong with the answer; nothing where it is whole."""
        tokens = TOKENS if stream else TOKENS // 4
        messages = [{"role": "user", "content": "Hello"}]
        body = {"model": MODEL, "messages": messages, "max_tokens": tokens, "stream": stream}
        async with session.post(CHAT_PATH, json=body) as answer:
            text = await answer.text()
        if answer.status != 200:
            return f"{answer.status} {text}"
        said = _text_of(text) if stream else json.loads(text)["choices"][0]["message"]["content"]
        if stream and '"deployments"' in text:
            self.went_on[self.phase] += 1
        return "" if said == numbered(tokens) else f"it said {said!r}"

    async def during(self, work: Callable[[], Awaitable[None]]) -> None:
        connector = aiohttp.TCPConnector(limit=CALLERS, ssl=self.edge.context())
        async with aiohttp.ClientSession(
            self.edge.url, headers=bearer(self.key), connector=connector, timeout=aiohttp.ClientTimeout(60)
        ) as session:
            asking = [asyncio.create_task(self.ask_on(session, number)) for number in range(CALLERS)]
            await work()
            self.done = True
            await asyncio.gather(*asking)


def _text_of(stream: str) -> str:
    """Of a stream that came to its end; otherwise what is missing."""
    events = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: ")]
    if not events or events[-1] != "[DONE]":
        return f"(no end) {stream[-200:]}"
    choices = [choice for event in events[:-1] for choice in json.loads(event).get("choices", ())]
    ended = any(choice.get("finish_reason") in ("stop", "length") for choice in choices)
    return "".join(choice["delta"].get("content") or "" for choice in choices) if ended else "(no finish_reason)"


@pytest.fixture
def house(platform: Platform, tmp_path: Path) -> Iterator[House]:
    (tmp_path / "late" / "migrations").mkdir(parents=True)
    for package in ("late", "late/migrations"):
        (tmp_path / package / "__init__.py").touch()
    for name, text in LATE_MIGRATIONS.items():
        (tmp_path / "late" / "migrations" / f"{name}.py").write_text(text)
    (tmp_path / "late_settings.py").write_text(
        "from artemis_site.settings import *\nINSTALLED_APPS = [*INSTALLED_APPS, 'late']\n"
    )
    with ExitStack() as stack:
        engines = [stack.enter_context(FakeServer(*ENGINE)) for _ in range(2)]
        _offer(platform, engines, tmp_path / "steady.yaml")
        port = fixed_port()
        gateways = [stack.enter_context(Plane(platform, "gateway", host, tmp_path / host, port)) for host in HOSTS]
        names = stack.enter_context(NameServer(*HOSTS))
        settings = {"ADDRESS_RATE": "10000", "KEY_RATE": "10000", "ADDRESS_BURST": "1000", "KEY_BURST": "1000"}
        name = f"gateway.artemis.svc:{port}"
        edge = Edge(tmp_path, name, name, settings | {"RESOLVER": names.address}, nginx=NEWER[-1])
        edge.start()
        stack.callback(edge.stop)
        yield House(platform, gateways, engines, edge, names, tmp_path)
    platform.manage("load_models", str(platform.home / "models.yaml"), "--prune")


def _offer(platform: Platform, engines: list[FakeServer], file: Path) -> None:
    """Beside what the platform offers. It falls back to nobody: who fails, fails."""
    document = json.loads((platform.home / "models.yaml").read_text())
    document["model_list"] += [
        {
            "model_name": MODEL,
            "litellm_params": {
                "model": f"hosted_vllm/{MODEL}",
                "api_base": f"{engine.base_url}/v1",
                "api_key": "engine-key",
                "stream_timeout": 5,
            },
            "model_info": {"id": f"{MODEL}-{number}", "routing_strategy": "least-busy"},
        }
        for number, engine in enumerate(engines)
    ]
    file.write_text(json.dumps(document))
    platform.manage("load_models", str(file))


def test_everything_is_replaced_and_nobody_notices(house: House, desk: Desk) -> None:
    key = desk.key(rpm_limit=1_000_000, tpm_limit=10**9, parallel_limit=1000)
    callers = Callers(house.edge, key)
    phases: dict[str, Callable[[], None]] = {
        "steady": lambda: time.sleep(3),
        "gateways replaced, one by one": house.replace_gateways,
        "engines replaced, one by one": house.replace_engines,
        "database migrated": house.migrate,
        "nginx reloaded, three times": house.reload_nginx,
        "an engine killed (SIGKILL)": house.kill_an_engine,
    }
    took: dict[str, float] = {}

    async def work() -> None:
        for phase, change in phases.items():
            callers.phase, began = phase, time.monotonic()
            await asyncio.to_thread(change)
            took[phase] = time.monotonic() - began
        callers.phase = "afterwards"
        while sum(callers.calls.values()) < ENOUGH:
            await asyncio.sleep(0.1)

    try:
        asyncio.run(callers.during(work))
    finally:
        house.migrate("zero")
    failed = Counter(phase for phase, _ in callers.failures)
    rows = [
        (phase, f"{took.get(phase, 0):.1f}", calls, failed[phase], callers.went_on[phase])
        for phase, calls in callers.calls.items()
    ]
    total = ("in all", "", sum(callers.calls.values()), len(callers.failures), sum(callers.went_on.values()))
    heads = ("while", "seconds", "calls", "failed or cut", "went on at another engine")
    TABLES["zero downtime: calls through nginx while everything is replaced"] = aligned([heads, *rows, total])

    assert Counter((phase, problem[:300]) for phase, problem in callers.failures) == {}
    assert sum(callers.calls.values()) >= ENOUGH
    assert callers.went_on["an engine killed (SIGKILL)"], "nobody was in the middle of an answer"
    assert not callers.went_on["gateways replaced, one by one"]
    calls = sum(callers.calls.values())
    wait_for(lambda: sum(desk.call(counted, key.public_id).values()) == calls, 30)
    assert set(desk.call(counted, key.public_id)) == {("completed", TOKENS), ("completed", TOKENS // 4)}
