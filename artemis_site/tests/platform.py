"""A whole platform, as `make run` starts it, in front of fake engines; for journeys and fault tests."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import httpx
from openai import OpenAI

from deploy.local.platform import ROOT
from inference.fake.control import FakeServer
from inference.process import tie_to_parent

MODEL, EMBEDDING_MODEL, SMALL_MODEL = "moon", "moon-embed", "moon-small"
RERANK_MODEL = "moon-rank"
CLAUDE = "claude-haiku-4-5"


def models_yaml(primary: FakeServer, second: FakeServer, claude: FakeServer) -> str:
    """`moon`: two deployments in order, then Claude. The others: one each, without fallback."""

    def entry(name: str, engine: FakeServer, identifier: str, **more: Any) -> dict[str, Any]:
        params = {
            "model": f"hosted_vllm/{name}",
            "api_base": f"{engine.base_url}/v1",
            "api_key": "engine-key",
            "stream_timeout": 2,
            "timeout": 20,
            **more.pop("params", {}),
        }
        info = {
            "id": identifier,
            "max_input_tokens": 32_768,
            "max_output_tokens": 64,
            "input_cost_per_token": "1e-6",
            "cache_read_input_token_cost": "1e-7",
            "output_cost_per_token": "2e-6",
            "extensions": ["top_k", "chat_template_kwargs.enable_thinking"],
            **more,
        }
        return {"model_name": name, "litellm_params": params, "model_info": info}

    return json.dumps(
        {
            "model_list": [
                entry(MODEL, primary, "moon-a", params={"order": 1}, continuous_usage_stats=True),
                entry(MODEL, second, "moon-b", params={"order": 2}),
                entry(
                    SMALL_MODEL,
                    primary,
                    "small-a",
                    priority_scheduling=True,
                    output_cost_per_reasoning_token="3e-6",
                ),
                entry(EMBEDDING_MODEL, primary, "embed-a", mode="embedding"),
                entry(RERANK_MODEL, primary, "rank-a", mode="rerank", input_cost_per_query="5e-4"),
                {
                    "model_name": CLAUDE,
                    "litellm_params": {
                        "model": f"anthropic/{CLAUDE}",
                        "api_base": claude.base_url,
                        "api_key": "os.environ/ANTHROPIC_API_KEY",
                    },
                    "model_info": {"id": "claude"},
                },
            ],
            "router_settings": {
                "allowed_fails": 3,
                "cooldown_time": 1,
                "routing_strategy": "simple-shuffle",
            },
            "litellm_settings": {"fallbacks": [{MODEL: [CLAUDE]}]},
        }
    )


@dataclass
class RunningPlatform:
    """What `make run` starts, whatever its engines: where it is, and how to ask it."""

    START_SECONDS: ClassVar[float] = 90

    home: Path
    port: int
    facts: dict[str, str] = field(default_factory=dict, kw_only=True)
    process: "subprocess.Popen[bytes] | None" = field(default=None, kw_only=True)
    clients: list[OpenAI] = field(default_factory=list, kw_only=True)

    @property
    def base_url(self) -> str:
        """Without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def api_key(self) -> str:
        return self.facts["api_key"]

    def client(self, api_key: str | None = None, **options: Any) -> OpenAI:
        options = {"max_retries": 0, "timeout": 30, **options}
        made = OpenAI(base_url=f"{self.base_url}/v1", api_key=api_key or self.api_key, **options)
        self.clients.append(made)
        return made

    def close_clients(self) -> None:
        while self.clients:
            self.clients.pop().close()

    def post(self, path: str, *, api_key: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {api_key or self.api_key}", **options.pop("headers", {})}
        return httpx.post(self.base_url + path, headers=headers, timeout=30, **options)

    def manage(self, *arguments: str, check: bool = True) -> Any:
        """What a command prints with --json. Raises CalledProcessError where it fails and `check` is on."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments, "--json"],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{arguments} failed: {done.stdout} {done.stderr}")
        return json.loads(done.stdout)

    def create_key(self, **options: Any) -> dict[str, str]:
        arguments = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        issued: dict[str, str] = self.manage(
            "create_key", "--account", self.facts["account"], "--name", "test", *arguments
        )
        return issued

    def usage(self, **options: str) -> dict[str, int]:
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        totals: dict[str, int] = self.manage("usage", *arguments)
        return totals

    def settled_usage(self, key_id: str, *, requests: int, seconds: float = 10) -> dict[str, int]:
        """The key's usage once so many requests are recorded and none is in flight."""
        deadline = time.monotonic() + seconds
        while True:
            totals = self.usage(key=key_id)
            if totals["requests"] == requests and totals["open_holds"] == 0:
                return totals
            if time.monotonic() > deadline:
                raise AssertionError(f"expected {requests} requests and no hold, found {totals}")

    def environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in ("DATABASE_URL", "REDIS_URL", "ARTEMIS_ENV", "DJANGO_SETTINGS_MODULE")
        }
        return {
            **inherited,
            "ARTEMIS_HOME": str(self.home),
            "ARTEMIS_PORT": str(self.port),
        }

    def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "run.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "deploy.local"],
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=log,
                preexec_fn=tie_to_parent(signal.SIGINT),
            )
        deadline = time.monotonic() + self.START_SECONDS
        while "Stop with Ctrl-C" not in self.run_log():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the platform did not start:\n{self.run_log()}")
            time.sleep(0.1)
        self.facts = json.loads((self.home / "quickstart.json").read_text())

    def run_log(self) -> str:
        return (self.home / "run.log").read_text()

    def logs(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in (self.home / "logs").glob("*.log"))

    def child(self, name: str) -> int:
        """The pid of the supervisor's child whose command says this."""
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return next(int(pid) for pid in children if name.encode() in Path(f"/proc/{pid}/cmdline").read_bytes())

    def workers(self) -> list[int]:
        """The pids of the celery masters that the supervisor has started."""
        assert self.process
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self.process.pid and b"celery" in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except (OSError, ValueError):
                continue
        return found

    def stop(self) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@dataclass
class Platform(RunningPlatform):
    """A platform in front of fake engines, and how to fiddle with them."""

    primary: FakeServer
    second: FakeServer
    claude: FakeServer

    def reset_engines(self) -> None:
        for engine in (self.primary, self.second, self.claude):
            engine.reset()

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "ENGINE": "none",
            "EMBEDDING_ENGINE": "none",
            "MODELS_FILE": str(self.home / "models.yaml"),
            "ANTHROPIC_API_KEY": "sk-ant-only-for-tests",
            "WEB_CONCURRENCY": "2",
            "PORTAL_MAX_UPLOAD_BYTES": str(8 * 2**20),
            "FILES_WEB_NETWORKS": "127.0.0.1/32",  # where tests have their pages
            "GATEWAY_HOLD_LEASE_SECONDS": "6",  # ninety in production
            "WORKER_CANARY_SECONDS": "1",  # twenty in production
        }

    def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "models.yaml").write_text(models_yaml(self.primary, self.second, self.claude))
        super().start()
