"""Starts the stand-in for Stripe: `python -m apps.billing.emulator --port N`. No real money."""

import argparse
import sys

import uvicorn

from apps.billing.emulator.settings import Settings


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    default = Settings()
    parser = argparse.ArgumentParser(prog="python -m apps.billing.emulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--public-url", help="under which people reach the pages; http://HOST:PORT where not given")
    parser.add_argument("--api-key", action="append", default=[], help="accept these only; none: any test key's shape")
    parser.add_argument("--state", help="a file in which the state outlives a restart")
    parser.add_argument("--display-name", default=default.display_name)
    parser.add_argument("--retry-seconds", type=float, default=default.retry_seconds)
    parser.add_argument("--delivery-attempts", type=int, default=default.delivery_attempts)
    parser.add_argument("--parallel-deliveries", type=int, default=default.parallel_deliveries)
    parser.add_argument("--dunning-days", type=int, nargs="*", default=default.dunning_days)
    parser.add_argument("--after-dunning", choices=("cancel", "unpaid", "past_due"), default=default.after_dunning)
    return parser.parse_args(arguments)


def settings(options: argparse.Namespace) -> Settings:
    return Settings(
        base_url=(options.public_url or f"http://{options.host}:{options.port}").rstrip("/"),
        api_keys=tuple(options.api_key),
        state_file=options.state,
        display_name=options.display_name,
        retry_seconds=options.retry_seconds,
        delivery_attempts=options.delivery_attempts,
        parallel_deliveries=options.parallel_deliveries,
        dunning_days=tuple(options.dunning_days),
        after_dunning=options.after_dunning,
    )


def main() -> int:
    options = parse()
    settings(options).to_environment()
    uvicorn.run(
        "apps.billing.emulator.app:app_from_environment",
        factory=True,
        workers=1,  # the state is one process's, whatever WEB_CONCURRENCY says
        host=options.host,
        port=options.port,
        access_log=False,
        log_level="warning",
        lifespan="on",
        server_header=False,
        proxy_headers=False,  # nothing may stand between the application and the transport
        timeout_graceful_shutdown=1,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
