"""The lists of a page, in one another: items with their marks, collected until the outermost ends."""

from apps.knowledge.extraction.collecting import Collector

MOST_INDENT = 8


class Lists:
    def __init__(self, out: Collector) -> None:
        self._out = out
        self._numbers: list[int | None] = []
        self._items: list[str] = []
        self._mark = ""

    def begin(self, *, ordered: bool) -> None:
        self._numbers.append(0 if ordered else None)

    def end(self) -> None:
        """Of one list; of all, outside of any."""
        if self._numbers:
            self._numbers.pop()
        if not self._numbers:
            self.put_out()

    def item(self) -> None:
        if not self._numbers:
            self._numbers.append(None)  # an item without a list
        number = self._numbers[-1]
        if number is not None:
            self._numbers[-1] = number = number + 1
        self._mark = "- " if number is None else f"{number}. "

    def take(self, text: str) -> bool:
        """Whether there is a list for it."""
        if not self._numbers:
            return False
        indent = "  " * min(len(self._numbers) - 1, MOST_INDENT)
        self._items.append(indent + (self._mark or "  ") + text.replace("\n", f"\n{indent}  "))
        self._mark = ""
        return True

    def put_out(self) -> None:
        """Also in the middle of a list, before what is no item."""
        self._out.list(self._items)
        self._items = []
