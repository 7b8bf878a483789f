"""What was found for a question, told in a stream: the search before the answer, the citations at its end."""

from collections.abc import Iterator
from typing import Any

from apps.responses.contracts import Found, Item

Event = dict[str, Any]
BEGINS = frozenset({"response.created", "response.queued", "response.in_progress"})


def annotated(item: Item, found: Found) -> Item:
    """An output item with the citations of its texts."""
    if item.get("type") != "message":
        return item
    return {**item, "content": [annotated_part(part, found) for part in item.get("content") or ()]}


def annotated_part(part: Any, found: Found) -> Any:
    if not isinstance(part, dict) or part.get("type") != "output_text":
        return part
    return {**part, "annotations": [*(part.get("annotations") or ()), *found.annotations(part.get("text") or "")]}


class CitedEvents:
    """Numbers the events anew: there are more of them than the engine sent, and one item more before its own."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._number = -1
        self._has_begun = False

    def of(self, event: Event) -> list[Event]:
        told = list(self._told(event))
        for one in told:
            self._number += 1
            one["sequence_number"] = self._number
        return told

    def _told(self, event: Event) -> Iterator[Event]:
        kind = event["type"]
        if kind not in BEGINS and not self._has_begun:
            self._has_begun = True
            yield from self._search()
        if isinstance(event.get("output_index"), int):
            event["output_index"] += 1
        if kind == "response.output_text.done":
            yield from self._annotations(event)
        elif kind == "response.content_part.done":
            event["part"] = annotated_part(event.get("part"), self._found)
        elif kind == "response.output_item.done":
            event["item"] = annotated(event.get("item") or {}, self._found)
        yield event

    def _search(self) -> Iterator[Event]:
        item = self._found.item
        at = {"output_index": 0, "item_id": item["id"]}
        begun = {**item, "status": "in_progress", "queries": [], "results": None}
        yield {"type": "response.output_item.added", "output_index": 0, "item": begun}
        for state in ("in_progress", "searching", "completed"):
            yield {"type": f"response.file_search_call.{state}", **at}
        yield {"type": "response.output_item.done", "output_index": 0, "item": item}

    def _annotations(self, event: Event) -> Iterator[Event]:
        at: Event = {name: event[name] for name in ("item_id", "output_index", "content_index") if name in event}
        for place, annotation in enumerate(self._found.annotations(event.get("text") or "")):
            yield {
                "type": "response.output_text.annotation.added",
                **at,
                "annotation_index": place,
                "annotation": annotation,
            }
