"""Starts everything that one machine's Artemis consists of, in the order in which it is needed, and stops it again."""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psycopg
import redis.asyncio
from psycopg import sql

from deploy import alive
from deploy.local import postgres
from deploy.local import redis as embedded_redis
from deploy.local.catalog_file import write_catalog
from deploy.local.ports import is_free
from deploy.local.state import State, write_private
from inference.launcher import launch
from inference.probes import http_get, http_ready
from inference.process import ManagedProcess, ProcessSpec
from inference.profiles import EngineProfile
from inference.selection import default_embedding_engine, default_engine, engine_home, profile

ROOT = Path(__file__).resolve().parents[2]
NO_ENGINE = NO_PAYMENTS = "none"
PRIVATE_FOLDERS = ("logs", "mail", "files")


class PlatformError(Exception):
    """The platform cannot start; the message says why and what to do."""


class Platform:
    """One start of the platform, from nothing to answering, and its end."""

    def __init__(self, home: Path, *, port: int, bind: str) -> None:
        self.home = home
        self.port = port
        self.bind = bind
        self.began = time.monotonic()
        self.processes: list[ManagedProcess] = []
        self.engines: list[tuple[EngineProfile, int]] = []
        self.models_file: Path | None = None

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.began:6.1f} s] {text}", flush=True)

    def report(self, name: str, event: str) -> None:
        self.say(f"{name} {event}")

    async def start(self) -> None:
        """Raises PlatformError, ProcessError or InstallError where anything does not start."""
        if not is_free(self.port, self.bind):
            raise PlatformError(f"Port {self.port} is taken. Stop what uses it, or set ARTEMIS_PORT to another one.")
        self.state = State.load(self.home)
        self.choose_engines()
        engines = [asyncio.create_task(self.start_engine(*engine)) for engine in self.engines]
        try:
            await self.start_servers()
            await self.make_ready()
            await asyncio.gather(self.start_web(), self.start_worker())
            await asyncio.gather(*engines)
        except BaseException:
            for engine in engines:
                engine.cancel()
            await asyncio.gather(*engines, return_exceptions=True)
            raise
        await self.check_answers()

    def choose_engines(self) -> None:
        """By ENGINE and EMBEDDING_ENGINE; MODELS_FILE, a LiteLLM YAML, adds engines that run elsewhere."""
        if file := os.environ.get("MODELS_FILE"):
            self.models_file = Path(file).resolve()
            if not self.models_file.is_file():
                raise PlatformError(f"MODELS_FILE: there is no file {file}.")
        wanted: list[EngineProfile] = []
        if os.environ.get("ENGINE") != NO_ENGINE:
            wanted.append(profile(default_engine(), kind="chat"))
        if os.environ.get("EMBEDDING_ENGINE") != NO_ENGINE:
            wanted.append(profile(default_embedding_engine(), kind="embedding"))
        if not wanted and not self.models_file:
            raise PlatformError("ENGINE and EMBEDDING_ENGINE are none: then MODELS_FILE must name a LiteLLM YAML.")
        ports = {"chat": self.state.chat_port, "embedding": self.state.embedding_port}
        self.engines = [(engine, ports[engine.kind]) for engine in wanted]

    async def start_engine(self, engine: EngineProfile, port: int) -> None:
        started = await launch(
            engine,
            home=engine_home(self.home),
            log_path=self.home / "logs" / f"engine-{engine.name}.log",
            port=port,
            progress=self.say,
            api_key=self.state.engine_key,
            report=self.report,
        )
        self.processes.append(started.process)

    async def start_servers(self) -> None:
        environment = {
            "SECRET_KEY": os.environ.get("SECRET_KEY") or self.state.secret_key,
            "ARTEMIS_PORT": str(self.port),
            "PUBLIC_URL": os.environ.get("PUBLIC_URL") or f"http://127.0.0.1:{self.port}",
        }
        starts = []
        if given := os.environ.get("DATABASE_URL"):
            environment["DATABASE_URL"] = given
        else:
            environment["DATABASE_URL"] = postgres.url(
                port=self.state.postgres_port, password=self.state.database_password
            )
            starts.append(self.start_postgres())
        if given := os.environ.get("REDIS_URL"):
            environment["REDIS_URL"] = given
        else:
            environment["REDIS_URL"] = embedded_redis.url(
                port=self.state.redis_port, password=self.state.redis_password
            )
            starts.append(self.start_redis(environment["REDIS_URL"]))
        if given := os.environ.get("STRIPE_SECRET_KEY", ""):
            environment["STRIPE_SECRET_KEY"] = given
        elif os.environ.get("PAYMENTS") != NO_PAYMENTS:
            key = f"sk_test_{hashlib.sha256(self.state.secret_key.encode()).hexdigest()[:32]}"
            environment["STRIPE_SECRET_KEY"] = key
            environment["STRIPE_API_HOST"] = f"http://127.0.0.1:{self.state.stripe_port}"
            starts.append(self.start_stand_in_for_stripe(key))
        self.environment = environment
        lines = "".join(f"{name}={value}\n" for name, value in environment.items())
        write_private(self.home / "platform.env", lines)
        await asyncio.gather(*starts)

    async def start_postgres(self) -> None:
        data = self.home / "postgres"
        if not (data / "PG_VERSION").exists():
            self.say("making a PostgreSQL database")
        await asyncio.to_thread(postgres.initialise, data, password=self.state.database_password)
        url = postgres.url(port=self.state.postgres_port, password=self.state.database_password, database="postgres")

        async def answers() -> bool:
            try:
                async with await psycopg.AsyncConnection.connect(url, connect_timeout=2):
                    return True
            except psycopg.OperationalError:
                return False

        await self.run(
            ProcessSpec(
                name="postgres",
                argv=postgres.command(data, port=self.state.postgres_port),
                user=postgres.user(data),
                cwd=Path("/"),
                log_path=self.home / "logs" / "postgres.log",
                ready=answers,
                stop_signal=signal.SIGINT,  # PostgreSQL's fast shutdown
                signal_group=False,
            )
        )
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            found = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", ["artemis"])
            if await found.fetchone() is None:
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier("artemis")))

    async def start_stand_in_for_stripe(self, key: str) -> None:
        """No real money: see apps/billing/emulator."""
        port, host = self.state.stripe_port, "127.0.0.1"
        await self.run(
            ProcessSpec(
                name="stripe-stand-in",
                argv=[
                    *(sys.executable, "-m", "apps.billing.emulator", "--host", host, "--port", str(port)),
                    *("--state", str(self.home / "stripe.json"), "--display-name", "Artemis"),
                    *("--api-key", key),
                ],
                cwd=ROOT,
                log_path=self.home / "logs" / "stripe-stand-in.log",
                ready=http_ready(f"http://{host}:{port}/_emulator/health"),
            )
        )

    async def start_redis(self, url: str) -> None:
        client = redis.asyncio.Redis.from_url(url)

        async def answers() -> bool:
            try:
                return bool(await client.ping())
            except redis.RedisError:
                return False

        await self.run(
            ProcessSpec(
                name="redis",
                argv=embedded_redis.command(
                    self.home / "redis", port=self.state.redis_port, password=self.state.redis_password
                ),
                log_path=self.home / "logs" / "redis.log",
                ready=answers,
            )
        )
        await client.aclose()

    async def make_ready(self) -> None:
        """Migrates, loads the models, makes the administrator and the first key."""
        self.say("bringing the database up to date")
        catalog = self.home / "engines.yaml"
        write_catalog(catalog, self.engines, engine_key=self.state.engine_key)
        files = [catalog] if self.engines else []
        files += [self.models_file] if self.models_file else []
        arguments = [word for file in files for word in ("--models-file", str(file))]
        command = [sys.executable, "manage.py", "quickstart", "--file", str(self.quickstart_file), *arguments]
        log = self.home / "logs" / "quickstart.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=self.child_environment(), stdout=output, stderr=output
            )
            if await process.wait():
                raise PlatformError(f"The database could not be made ready:\n{log.read_text()[-3000:]}")
        facts = json.loads(self.quickstart_file.read_text())
        names = {engine.kind: engine.model for engine, _ in self.engines}
        own = {"model": names.get("chat"), "embedding_model": names.get("embedding")}
        facts |= {name: model for name, model in own.items() if model}
        write_private(self.quickstart_file, json.dumps(facts, indent=2) + "\n")

    async def start_web(self) -> None:
        self.say("starting the gateway and the portal")
        host = "127.0.0.1" if self.bind == "0.0.0.0" else self.bind  # noqa: S104
        await self.run(
            ProcessSpec(
                name="web",
                argv=[sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.py"],
                env=self.child_environment(
                    ARTEMIS_BIND=self.bind, GRACEFUL_TIMEOUT="8", LITELLM_LOCAL_MODEL_COST_MAP="True"
                ),
                cwd=ROOT,
                log_path=self.home / "logs" / "web.log",
                ready=http_ready(f"http://{host}:{self.port}/readyz"),
                signal_group=False,
            )
        )

    async def start_worker(self) -> None:
        self.say("starting the worker")
        metrics = self.home / "metrics-worker"  # settings.WORKER_METRICS_DIR
        metrics.mkdir(exist_ok=True)
        for file in metrics.glob("*.db"):
            file.unlink()
        await self.run(
            ProcessSpec(
                name="worker",
                argv=[
                    *(sys.executable, "-m", "celery", "--quiet", "-A", "artemis_site", "worker", "--beat"),
                    *("--concurrency", "6", "--loglevel", "WARNING", "--without-gossip", "--without-mingle"),
                ],
                env=self.child_environment(PROMETHEUS_MULTIPROC_DIR=str(metrics)),
                cwd=ROOT,
                log_path=self.home / "logs" / "worker.log",
                signal_group=False,
                alive=self.worker_works,
                alive_seconds=alive.STALE_SECONDS / 2,
                alive_failures=3,  # what the first find old may be of the start before, or from before Redis was away
            )
        )

    async def worker_works(self) -> bool:
        """And its beat."""
        files = (self.home / f"{name}.alive" for name in ("worker", "beat"))
        return all([(await asyncio.to_thread(alive.look, file, self.environment["REDIS_URL"]))[0] for file in files])

    async def check_answers(self) -> None:
        """The key works, from the outside, and the models are on offer."""
        facts = json.loads(self.quickstart_file.read_text())
        headers = {"Authorization": f"Bearer {facts['api_key']}"}
        host = "127.0.0.1" if self.bind == "0.0.0.0" else self.bind  # noqa: S104
        answer = await http_get(f"http://{host}:{self.port}/v1/models", headers=headers, timeout=10)
        if answer.status != 200:
            raise PlatformError(f"The gateway answered {answer.status} to the first key: {answer.body.decode()}")

    async def run(self, spec: ProcessSpec) -> None:
        process = ManagedProcess(spec, report=self.report)
        self.processes.append(process)
        await process.start()
        await process.wait_ready()

    def child_environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "ARTEMIS_HOME": str(self.home), **self.environment, **more}

    @property
    def quickstart_file(self) -> Path:
        return self.home / "quickstart.json"

    async def stop(self) -> None:
        """First what takes requests, last what keeps data."""
        keepers = [process for process in self.processes if process.spec.name in ("postgres", "redis")]
        others = [process for process in self.processes if process not in keepers]
        await asyncio.gather(*(process.stop(grace_seconds=15) for process in others))
        await asyncio.gather(*(process.stop(grace_seconds=15) for process in keepers))


@contextlib.contextmanager
def only_one(home: Path) -> Iterator[IO[str]]:
    """Holds the lock of this home. Raises PlatformError where it is running already."""
    made = [folder for folder in (home, *home.parents) if not folder.exists()]
    home.mkdir(parents=True, exist_ok=True)
    for folder in {home, *made}:
        folder.chmod(0o711)  # PostgreSQL, started as nobody by root, must be able to pass through
    for name in PRIVATE_FOLDERS:
        (home / name).mkdir(exist_ok=True)
        (home / name).chmod(0o700)  # earlier versions left them open
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlatformError(f"Artemis is running already with {home}. Set ARTEMIS_HOME for a second one.") from None
        yield lock
