"""XLSX, XLS and ODS: each sheet a heading and a table."""

import datetime
import io
import re

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum

from apps.knowledge.extraction.collecting import Collector
from apps.knowledge.extraction.formats.archive import DECLARATION, Archive
from apps.knowledge.extraction.formats.office import OPEN_XML
from apps.knowledge.extraction.recognition import COMPOUND
from apps.knowledge.extraction.refusals import BROKEN, DECLARES, ENCRYPTED, invalid

XLSX = f"{OPEN_XML}spreadsheetml.sheet"
XLS = "application/vnd.ms-excel"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
SHEET = re.compile(r"xl/worksheets/[^/]+\.xml\Z")
CELL = re.compile(rb'<(?:\w+:)?c\b[^>]{0,200}?\br="([A-Z]{1,3})(\d{1,7})"')
SPREAD = (
    "A sheet spans more than {:,} cells, from its first to its last. Delete what stands far away from the rest, or "
    "split the sheet into smaller files."
)
Value = int | float | str | bool | datetime.time | datetime.date | datetime.datetime | datetime.timedelta


def read(content: bytes, *, filename: str, guess: str, out: Collector) -> tuple[str, int | None]:
    media_type = XLS if content.startswith(COMPOUND) else _looked_over(content, out)
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        names = [sheet.name for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
        for number, name in enumerate(names, 1):
            out.page = number
            rows = book.get_sheet_by_name(name)
            if rows.height * rows.width > out.limits.cells:
                raise invalid(SPREAD.format(out.limits.cells))
            if rows.height:
                out.heading(name, level=1)
                out.table([_shown(value) for value in row] for row in rows.iter_rows())
    except PasswordError as error:
        raise invalid(ENCRYPTED) from error
    except CalamineError as error:
        raise invalid(BROKEN) from error
    return media_type, len(names)


def _looked_over(content: bytes, out: Collector) -> str:
    """The reader takes room for every cell between a sheet's first and its last; so that is found out before."""
    archive = Archive(content, out.limits)
    for name in archive.names:
        if name.endswith((".xml", ".rels")):
            text = archive.read(name)
            if DECLARATION.search(text):
                raise invalid(DECLARES)
            if SHEET.match(name) and _span(text) > out.limits.cells:
                raise invalid(SPREAD.format(out.limits.cells))
    return XLSX if "[Content_Types].xml" in archive else ODS


def _span(sheet: bytes) -> int:
    columns = rows = 1
    for found in CELL.finditer(sheet):
        columns, rows = max(columns, _column(found[1])), max(rows, int(found[2]))
    return columns * rows


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number


def _shown(value: Value) -> str:
    """As a reader would write it: whole numbers without a point, moments in ISO 8601."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)
