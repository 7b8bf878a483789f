"""What owners of documents are told where more than one reader has to say it."""

from apps.knowledge.extraction.contracts import UnreadableError

READABLE = "Upload PDF, DOCX, PPTX, XLSX, XLS, ODS, HTML, Markdown, CSV, JSON, text or source code."
MACROS = "The file contains macros. Save it without them (as .docx, .pptx or .xlsx) and upload that."
ENCRYPTED = "The file is protected by a password. Remove the password and upload it again."
BROKEN = "The file is damaged: its parts cannot be unpacked. Open it in its program, save it anew and upload that."
DECLARES = "The file declares entities of its own, which Office files never do. Save it anew and upload that."


def unsupported(message: str) -> UnreadableError:
    return UnreadableError("unsupported_file", message)


def invalid(message: str) -> UnreadableError:
    return UnreadableError("invalid_file", message)
