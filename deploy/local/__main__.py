"""`make run`: the platform on one machine, until Ctrl-C."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from deploy.local.platform import ROOT, Platform, PlatformError, only_one
from inference.environments.install import InstallError
from inference.process import ProcessError
from inference.selection import UnknownEngineError

BLOCK = """
  Artemis is running.

  Portal     {portal_url}
  Admin      {admin_email}
  Password   {password}
  API key    {api_key}

  Try it:

  curl {base_url}/chat/completions \\
    -H "Authorization: Bearer {api_key}" \\
    -H "Content-Type: application/json" \\
    -d '{{"model": "{model}", "temperature": 0,
         "messages": [{{"role": "user", "content": "What is the moon? Answer in one sentence."}}]}}'

  The same in {file}. Stop with Ctrl-C.
"""


async def run() -> None:
    home = Path(os.environ.get("ARTEMIS_HOME", ROOT / ".artemis")).expanduser().resolve()
    given = os.environ.get("ARTEMIS_PORT", "8000")
    if not given.isdecimal() or not 0 < int(given) < 2**16:
        raise PlatformError(f"ARTEMIS_PORT is {given!r}: give a port's number, such as 8000.")
    port = int(given)
    platform = Platform(home, port=port, bind=os.environ.get("ARTEMIS_BIND", "127.0.0.1"))
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    with only_one(home):
        try:
            start = asyncio.create_task(platform.start())
            stop = asyncio.create_task(stopping.wait())
            await asyncio.wait({start, stop}, return_when=asyncio.FIRST_COMPLETED)
            if start.done():
                await start
                show(platform)
                await stop
            else:
                start.cancel()
                await asyncio.gather(start, return_exceptions=True)
            platform.say("stopping")
        finally:
            await platform.stop()
    platform.say("stopped")


def show(platform: Platform) -> None:
    facts = json.loads(platform.quickstart_file.read_text())
    password = facts["admin_password"] or "(the one you chose)"
    print(BLOCK.format(**facts, password=password, file=platform.quickstart_file), flush=True)


def main() -> int:
    os.umask(0o077)  # the children inherit it: what they write is their owner's alone
    try:
        asyncio.run(run())
    except (PlatformError, ProcessError, InstallError, UnknownEngineError, RuntimeError) as error:
        print(f"\nArtemis could not start. {error}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
