"""Why a page was not fetched, in words for whoever asked and a code for programs."""

from apps.common.errors import Invalid


def not_allowed(message: str) -> Invalid:
    return Invalid("url", message, code="url_not_allowed")


def unreachable(message: str) -> Invalid:
    return Invalid("url", message, code="url_unreachable")


def too_large(most: int) -> Invalid:
    return Invalid("url", f"A page of the web has at most {most / 2**20:g} MB.", code="url_too_large")


def not_a_document(message: str) -> Invalid:
    return Invalid("url", message, code="url_not_a_document")
