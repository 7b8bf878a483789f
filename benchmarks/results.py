"""Everything one run found out, to be looked up by who, what and how many at once."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.contestants import engine
from benchmarks.measure import Row
from benchmarks.open_streams import OpenStreams


@dataclass
class Results:
    rows: list[Row] = field(default_factory=list)
    open_streams: list[OpenStreams] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    """Who was left out, and what failed."""

    def row(self, contestant: str, case: str, connections: int) -> Row | None:
        wanted = (contestant, case, connections)
        return next((row for row in self.rows if (row.contestant, row.case, row.connections) == wanted), None)

    def pairs(self, one: str, other: str, case: str) -> Iterable[tuple[Row, Row]]:
        """The rows of two contestants, side by side, for each number of connections that both have."""
        for row in self.rows:
            if row.contestant == one and row.case == case:
                beside = self.row(other, case, row.connections)
                if beside is not None:
                    yield row, beside

    def streams_of(self, contestant: str) -> OpenStreams | None:
        return next((one for one in self.open_streams if one.contestant == contestant), None)

    def added_first_byte_ms(self, row: Row) -> float | None:
        """Against the engine asked straight; at one connection, since more of them queue in the engine itself."""
        straight = self.row(engine.NAME, row.case, row.connections)
        if straight is None or row.connections != 1 or straight is row:
            return None
        return row.first_byte_ms - straight.first_byte_ms
