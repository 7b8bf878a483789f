"""Documents that the tests make themselves, each with the makers of its own format."""

import io
import zipfile
from collections.abc import Mapping

import docx
import pptx
import xlsxwriter
from pptx.util import Inches
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

ODS = "application/vnd.oasis.opendocument.spreadsheet"
TABLE = [["Engine", "GPUs"], ["vLLM", "8"], ["llama.cpp", "0"]]
ROWS = "| Engine | GPUs |\n| --- | --- |\n| vLLM | 8 |\n| llama.cpp | 0 |"


def pdf(*pages: str, password: str = "", outline: Mapping[str, int] | None = None) -> bytes:
    """`outline`: titles and the numbers of their pages."""
    held = io.BytesIO()
    canvas = Canvas(held, encrypt=StandardEncryption(password) if password else None)
    for number, page in enumerate(pages, 1):
        for title, at in (outline or {}).items():
            if at == number:
                canvas.bookmarkPage(title)
                canvas.addOutlineEntry(title, title, level=0)
        for place, line in enumerate(page.split("\n")):
            canvas.drawString(72, 760 - 16 * place, line)
        canvas.showPage()
    canvas.save()
    return held.getvalue()


def word() -> bytes:
    document = docx.Document()
    document.add_heading("Handbook", 0)
    document.add_paragraph("Welcome to the platform.")
    document.add_heading("Engines", 1)
    document.add_paragraph("Bring GPUs", style="List Bullet")
    document.add_paragraph("Start them", style="List Number")
    document.add_paragraph("Stop them", style="List Number")
    table = document.add_table(0, 2)
    for row in TABLE:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    document.add_paragraph("After the table.")
    document.sections[0].footer.paragraphs[0].text = "Confidential"
    return saved(document)


def slides() -> bytes:
    show = pptx.Presentation()
    first = show.slides.add_slide(show.slide_layouts[1])
    first.shapes.title.text = "Why Artemis"
    first.placeholders[1].text = "It is fast\nIt is yours"
    first.notes_slide.notes_text_frame.text = "Smile here."
    second = show.slides.add_slide(show.slide_layouts[6])
    table = second.shapes.add_table(3, 2, Inches(1), Inches(1), Inches(5), Inches(2)).table
    for row, texts in enumerate(TABLE):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    return saved(show)


def sheets() -> bytes:
    held = io.BytesIO()
    book = xlsxwriter.Workbook(held)
    for name in ("Engines", "More"):
        sheet = book.add_worksheet(name)
        for number, row in enumerate(TABLE):
            sheet.write_row(number, 0, [int(cell) if cell.isdecimal() else cell for cell in row])
    book.close()
    return held.getvalue()


def open_sheets(rows: list[list[str]] = TABLE, *, repeat: int = 1) -> bytes:
    cells = ""
    for row in rows:
        cells += f'<table:table-row table:number-rows-repeated="{repeat}">'
        for cell in row:
            cells += f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
        cells += "</table:table-row>"
    name = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<office:document-content xmlns:office="{name}:office:1.0" xmlns:table="{name}:table:1.0" '
        f'xmlns:text="{name}:text:1.0"><office:body><office:spreadsheet><table:table table:name="Engines">{cells}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    manifest = '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>'
    return zipped({"mimetype": ODS, "content.xml": content, "META-INF/manifest.xml": manifest})


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return held.getvalue()


def unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_members(content: bytes, members: Mapping[str, str | bytes]) -> bytes:
    """An Office file with parts put in or changed."""
    return zipped({**unzipped(content), **members})


def saved(document) -> bytes:
    held = io.BytesIO()
    document.save(held)
    return held.getvalue()
