"""Names that people give, and the slugs made of them."""

import secrets
import unicodedata
from typing import Any

from django.db.models import QuerySet
from django.utils.text import slugify

from apps.common.errors import Invalid

MAX_NAME = 120
SLUG_LENGTH = 50


def clean_name(name: str) -> str:
    """Raises Invalid for a name that is empty, too long, or has characters that cannot be seen."""
    name = " ".join(name.split())
    if not name:
        raise Invalid("name", "Give a name.")
    if len(name) > MAX_NAME:
        raise Invalid("name", f"Give a name of at most {MAX_NAME} characters.")
    if any(unicodedata.category(character).startswith("C") for character in name):
        raise Invalid("name", "Give a name without control characters.")
    return name


def free_slug(taken: QuerySet[Any], name: str, *, fallback: str) -> str:
    """A slug of the name that no row of `taken` has; random letters are added where it is not free."""
    base = slugify(name)[:SLUG_LENGTH].strip("-") or fallback
    slug = base
    while taken.filter(slug=slug).exists():
        slug = f"{base}-{secrets.token_hex(3)}"
    return slug
