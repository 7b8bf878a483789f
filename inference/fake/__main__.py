"""Starts the fake engine: `python -m inference.fake --port N`. No model, as every word of it shows."""

import argparse
import signal
import sys
import time
from types import FrameType

import uvicorn

from inference.fake.app import FakeApp
from inference.fake.script import Script
from inference.fake.settings import Settings


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m inference.fake", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, default=1, help="each has scripts, log and counters of its own")
    parser.add_argument("--model", action="append", default=[], help="served name; none given: any name is served")
    parser.add_argument("--api-key", help="refuse requests without it")
    parser.add_argument("--max-model-len", type=int, default=32_768)
    parser.add_argument("--max-running", type=int, default=256)
    parser.add_argument("--max-queued", type=int, default=1024)
    parser.add_argument(
        "--shutdown-timeout", type=float, default=0.0, help="seconds for what runs at SIGTERM; as vLLM's, by one worker"
    )
    parser.add_argument("--enable-sleep-mode", action="store_true", help="/sleep, /wake_up and /is_sleeping, as vLLM's")
    parser.add_argument("--slot", default="", help="a file that stands for a GPU with room for one that is awake")
    parser.add_argument("--wake-seconds", type=float, default=0.0)
    parser.add_argument("--dimensions", type=int, default=384)
    parser.add_argument("--output-tokens", type=int, default=16)
    parser.add_argument("--tokens-per-second", type=float)
    parser.add_argument("--header-delay", type=float, default=0.0)
    parser.add_argument("--first-token-delay", type=float, default=0.0)
    parser.add_argument("--cached-tokens", type=int, default=0)
    parser.add_argument("--coalesce", action="store_true", help="let chunks share a write")
    return parser.parse_args(arguments)


def settings(options: argparse.Namespace) -> Settings:
    return Settings(
        models=tuple(options.model),
        api_key=options.api_key,
        max_model_len=options.max_model_len,
        max_running=options.max_running,
        max_queued=options.max_queued,
        dimensions=options.dimensions,
        sleep_mode=options.enable_sleep_mode,
        slot=options.slot,
        wake_seconds=options.wake_seconds,
        script=Script(
            output_tokens=options.output_tokens,
            tokens_per_second=options.tokens_per_second,
            header_delay=options.header_delay,
            first_token_delay=options.first_token_delay,
            cached_tokens=options.cached_tokens,
            coalesce=options.coalesce,
        ),
    )


class Server(uvicorn.Server):
    """At SIGTERM it refuses what is new and ends with what runs, as vLLM does where --shutdown-timeout allows it."""

    def __init__(self, config: uvicorn.Config, app: FakeApp, shutdown_timeout: float) -> None:
        super().__init__(config)
        self._app = app
        self._shutdown_timeout = shutdown_timeout
        self._until: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM and self._shutdown_timeout and self._until is None:
            self._until = time.monotonic() + self._shutdown_timeout
            self._app.begin_to_stop()
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if self._until is not None and (self._app.is_idle or time.monotonic() > self._until):
            self.should_exit = True
        return await super().on_tick(counter)


def main() -> int:
    options = parse()
    uvicorn_options = {
        "host": options.host,
        "port": options.port,
        "access_log": False,
        "log_level": "critical",  # cut answers are on purpose
        "lifespan": "off",
        "server_header": False,
        "proxy_headers": False,  # nothing may stand between the application and the transport
        "timeout_keep_alive": 300,
        "timeout_graceful_shutdown": 1,
    }
    if options.workers == 1:
        app = FakeApp(settings(options))
        Server(uvicorn.Config(app, **uvicorn_options), app, options.shutdown_timeout).run()
    else:
        settings(options).to_environment()
        uvicorn.run("inference.fake.app:app_from_environment", factory=True, workers=options.workers, **uvicorn_options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
