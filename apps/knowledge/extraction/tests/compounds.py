"""Microsoft's compound files, as Office wrote them before 2007 (MS-CFB), and a workbook in one (MS-XLS)."""

import struct
from collections.abc import Mapping, Sequence

SECTOR, MINIMUM = 512, 4096
END, FREE, TABLE = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


def compound(streams: Mapping[str, bytes]) -> bytes:
    """At most three streams, none in the small ones' place."""
    padded = [content.ljust(MINIMUM, b"\0") for content in streams.values()]
    padded = [content.ljust(-(-len(content) // SECTOR) * SECTOR, b"\0") for content in padded]
    sectors, chain, begins = 2, [TABLE, END], []
    for content in padded:
        many = len(content) // SECTOR
        begins.append(sectors)
        chain += [*range(sectors + 1, sectors + many), END]
        sectors += many
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6xIIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, MINIMUM, END, 0, END, 0, 0)
    header += struct.pack("<108I", *[FREE] * 108)
    entries = [_entry("Root Entry", 5, END, 0, child=1 if streams else FREE)]
    for place, (name, content) in enumerate(zip(streams, padded, strict=True), 1):
        following = place + 1 if place < len(streams) else FREE
        entries.append(_entry(name, 2, begins[place - 1], len(content), right=following))
    directory = b"".join(entries).ljust(SECTOR, b"\0")
    table = struct.pack(f"<{SECTOR // 4}I", *chain, *[FREE] * (SECTOR // 4 - len(chain)))
    return header + table + directory + b"".join(padded)


def _entry(name: str, kind: int, begin: int, size: int, *, right: int = FREE, child: int = FREE) -> bytes:
    encoded = (name + "\0").encode("utf-16-le")
    fields = struct.pack("<HBBIII16xI16xIQ", len(encoded), kind, 1, FREE, right, child, 0, begin, size)
    return encoded.ljust(64, b"\0") + fields


def workbook(rows: Sequence[Sequence[str]]) -> bytes:
    """One sheet, called Engines; digits become numbers."""
    sheet = _record(0x809, struct.pack("<HHHHII", 0x600, 0x10, 0, 0, 0, 0))
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            if cell.isdecimal():
                sheet += _record(0x203, struct.pack("<HHHd", row, column, 0, float(cell)))
            else:
                sheet += _record(0x204, struct.pack("<HHHHB", row, column, 0, len(cell), 0) + cell.encode("latin-1"))
    sheet += _record(0x0A, b"")
    opening = _record(0x809, struct.pack("<HHHHII", 0x600, 0x05, 0, 0, 0, 0)) + _record(0x42, struct.pack("<H", 1200))
    name = b"Engines"
    listed = len(opening) + 4 + 8 + len(name) + 4
    opening += _record(0x85, struct.pack("<IBBBB", listed, 0, 0, len(name), 0) + name) + _record(0x0A, b"")
    return compound({"Workbook": opening + sheet})


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content
