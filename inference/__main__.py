"""`python -m inference install|serve|exec|lock|list`: engines without the rest of the platform."""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from inference.environments.install import InstallError
from inference.environments.lock import OVERRIDES, relock
from inference.launcher import become, launch, prepare
from inference.process import ProcessError
from inference.profiles import PROFILES
from inference.selection import UnknownEngineError, engine_home, names, profile

BEGAN = time.monotonic()


def say(line: str) -> None:
    sys.stdout.write(f"[{time.monotonic() - BEGAN:6.1f} s] {line}\n")
    sys.stdout.flush()


async def serve(options: argparse.Namespace) -> int:
    """Run in the foreground until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.create_task(
        launch(
            profile(options.profile),
            home=options.home,
            host=options.host,
            port=options.port,
            api_key=os.environ.get("ARTEMIS_ENGINE_KEY"),
            threads=options.threads,
            progress=say,
            report=lambda name, event: say(f"{name} {event}"),
        )
    )
    asked = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return 130
    engine = await starting
    await asked
    say("stopping")
    await engine.stop()
    return 0


async def run_in_place(options: argparse.Namespace) -> NoReturn:
    """For an image, which brought the environment along: who started this process watches over the engine."""
    become(
        profile(options.profile),
        home=options.home,
        host=options.host,
        port=options.port,
        api_key=os.environ.get("ARTEMIS_ENGINE_KEY"),
        threads=options.threads,
    )


async def install(options: argparse.Namespace) -> int:
    await prepare(profile(options.profile), home=options.home, progress=say)
    return 0


async def lock(options: argparse.Namespace) -> int:
    for name in options.names or OVERRIDES:
        say(f"wrote {relock(name).name}")
    return 0


async def show(options: argparse.Namespace) -> int:
    for one in PROFILES.values():
        sys.stdout.write(f"{one.name:30} {one.kind:10} {one.model:24} {one.memory_mib:6} MiB\n")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m inference", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, run in (("install", install), ("serve", serve), ("exec", run_in_place)):
        command = commands.add_parser(name)
        command.add_argument("profile", help=", ".join(names()))
        command.add_argument("--home", type=Path, default=engine_home(Path(os.environ.get("ARTEMIS_HOME", ".artemis"))))
        command.set_defaults(run=run)
        if run is not install:
            command.add_argument("--host", default="127.0.0.1")
            command.add_argument("--port", type=int, required=True)
            command.add_argument(
                "--threads", type=int, help="all of the machine's by default, whatever a container may use"
            )
    command = commands.add_parser("lock")
    command.add_argument("names", nargs="*", metavar="NAME")
    command.set_defaults(run=lock)
    commands.add_parser("list").set_defaults(run=show)
    options = parser.parse_args(arguments)
    try:
        status: int = asyncio.run(options.run(options))
    except (UnknownEngineError, InstallError, ProcessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
