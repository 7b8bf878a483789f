"""python -m apps.knowledge.graph.language.process: answers each line with what was found in its passages.

In: {"language": "en", "texts": […]}. Out: a list, one of each text: names, statements and aliases, by their places
among the names. It ends with its input, and so with the worker that started it.
"""

import json
import os
import sys
from typing import Any

from apps.knowledge.graph.language import capitals
from apps.knowledge.graph.language.english import found_in
from apps.knowledge.graph.language.findings import Findings

LESS = 10  # urgent than answers and searches on the same machine


def main() -> None:
    os.nice(LESS)
    for line in sys.stdin:
        asked = json.loads(line)
        english = asked["language"] == "en"
        found = found_in(asked["texts"]) if english else capitals.found_in(asked["texts"], asked["language"])
        print(json.dumps([_told(one) for one in found]), flush=True)  # noqa: T201


def _told(found: Findings) -> dict[str, Any]:
    places = {name: place for place, name in enumerate(found.names)}
    return {
        "names": [[name.text, name.type] for name in found.names],
        "statements": [[places[one.subject], one.type, places[one.object], one.confidence] for one in found.statements],
        "aliases": [[places[alias], places[name]] for alias, name in found.aliases],
    }


if __name__ == "__main__":
    main()
