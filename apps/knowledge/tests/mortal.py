"""Workers that kill themselves, reading documents or, where `graph` is the argument, for graphs. Each line on the
standard input, PATTERN, N and WHEN by tabs, is one: it dies at the Nth statement of SQL that has PATTERN in it, before
or after that is done; the answer is how it ended."""

import asyncio
import os
import signal
import sys
from itertools import count
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "artemis_site.settings")
django.setup()

from django.db.backends.signals import connection_created  # noqa: E402

from apps.knowledge.graph.running import run_waiting_graphs  # noqa: E402
from apps.knowledge.services import remove_leftovers  # noqa: E402
from apps.knowledge.services.running import run_waiting_documents, run_waiting_reembeddings  # noqa: E402
from apps.knowledge.tests.graphs import reader  # noqa: E402
from apps.knowledge.tests.world import Model  # noqa: E402


class Death:
    def __init__(self, pattern: str, number: int, when: str) -> None:
        self._pattern, self._left, self._when = pattern, count(1), when
        self._number = number

    def attach(self, connection: Any, **_: Any) -> None:
        connection.execute_wrappers.append(self)

    def __call__(self, execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        is_it = self._pattern in str(sql) and next(self._left) == self._number
        if is_it and self._when == "before":
            self._die()
        result = execute(sql, params, many, context)
        if is_it:
            self._die()
        return result

    @staticmethod
    def _die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def live(pattern: str, number: str, when: str) -> None:
    connection_created.connect(Death(pattern, int(number), when).attach, weak=False)
    if sys.argv[1:] == ["graph"]:
        asyncio.run(run_waiting_graphs(reader, seconds=60))
        return
    asyncio.run(run_waiting_documents(Model(), lambda *, name: None, seconds=60))
    asyncio.run(run_waiting_reembeddings(Model(), seconds=60))
    remove_leftovers()


def main() -> None:
    for line in sys.stdin:
        child = os.fork()  # Django is set up once; neither threads nor connections are open here
        if not child:
            live(*line.rstrip("\n").split("\t"))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
