"""Which pages can be documents, by what their servers call them, and what a file of one is named."""

from pathlib import PurePosixPath

import aiohttp
from yarl import URL

from apps.files.web.errors import not_a_document

SUFFIXES = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/csv": ".csv",
    "text/xml": ".xml",
    "application/xml": ".xml",
    "application/json": ".json",
    "application/yaml": ".yaml",
    "application/pdf": ".pdf",
    "application/rtf": ".rtf",
    "text/rtf": ".rtf",
    "application/epub+zip": ".epub",
    "application/msword": ".doc",
    "application/vnd.ms-excel": ".xls",
    "application/vnd.ms-powerpoint": ".ppt",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.presentation": ".odp",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
}
NO_DOCUMENTS = ("text/css", "text/javascript", "text/event-stream")
LONGEST = 240  # before its ending
UNSAID = ("", "application/octet-stream", "binary/octet-stream")
KNOWN = {*SUFFIXES.values(), ".htm", ".text", ".log", ".rst", ".tsv", ".yaml", ".yml"}


def name_of_page(answer: aiohttp.ClientResponse, url: URL) -> str:
    """With an ending that fits. Raises Invalid for what can be no document."""
    media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    said = answer.content_disposition.filename if answer.content_disposition else None
    name = said or PurePosixPath(url.path).name or url.host or "page"
    ending = PurePosixPath(name).suffix.lower() if said or url.path.strip("/") else ""
    if media_type in UNSAID and ending in KNOWN:
        return name
    if not _can_be_a_document(media_type):
        raise not_a_document(f"This is no document: its server calls it {media_type[:80] or 'nothing'!r}.")
    if ending in KNOWN:
        return name
    return name[:LONGEST] + SUFFIXES.get(media_type, ".txt")


def _can_be_a_document(media_type: str) -> bool:
    if media_type.startswith("text/"):
        return media_type not in NO_DOCUMENTS
    is_structured = media_type.startswith("application/") and media_type.endswith(("+json", "+xml"))
    return is_structured or media_type in SUFFIXES
