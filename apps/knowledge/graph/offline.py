"""Asks the process that knows language: spaCy and its model take 190 MB, which leave with it at a shift's end."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Sequence
from typing import Any

from apps.knowledge.graph.language.findings import Findings, Name, Statement

PROCESS = "apps.knowledge.graph.language.process"
LONGEST_LINE = 64 * 2**20
SECONDS = 120.0  # for a block of passages, the start of the process among them
ENGLISH = "en"


class LanguageFailedError(Exception):
    """The process ended, or took too long."""


class Offline:
    """One process, started when it is needed first. Blocks are asked one after the other."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def found_in(self, texts: Sequence[str], language: str) -> list[Findings]:
        """One of each text. Raises LanguageFailedError."""
        async with self._turn:
            try:
                async with asyncio.timeout(SECONDS):
                    return await self._asked({"texts": list(texts), "language": language})
            except (TimeoutError, OSError, ValueError) as error:
                await self.close()
                raise LanguageFailedError from error
            except asyncio.CancelledError:
                await self.close()  # half an answer may be on its way
                raise

    async def close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _asked(self, question: dict[str, Any]) -> list[Findings]:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", PROCESS),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=LONGEST_LINE,
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ValueError("no pipes")
        stdin.write(json.dumps(question).encode() + b"\n")
        await stdin.drain()
        line = await stdout.readline()
        if not line.endswith(b"\n"):
            raise ValueError("the process has ended")
        return [_findings(told) for told in json.loads(line)]


def _findings(told: dict[str, Any]) -> Findings:
    names = [Name(text, kind) for text, kind in told["names"]]
    return Findings(
        names=tuple(names),
        statements=tuple(
            Statement(names[subject], kind, names[other], confidence)
            for subject, kind, other, confidence in told["statements"]
        ),
        aliases=tuple((names[alias], names[name]) for alias, name in told["aliases"]),
    )
