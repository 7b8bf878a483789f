"""What the commands of this room have in common."""

from apps.common.errors import Invalid, NotFound
from apps.knowledge.contracts import StoreFacts
from apps.knowledge.selectors import stores_by_name


def one_store(*, account_id: int, name: str) -> StoreFacts:
    """By its id or its name. Raises NotFound, and Invalid for a name that several have."""
    found = stores_by_name(account_id=account_id, name=name)
    if not found:
        raise NotFound(f"This account has no vector store {name[:100]!r}.", code="vector_store_not_found")
    if len(found) > 1:
        raise Invalid("store", f"{len(found)} vector stores have this name; give an id, such as {found[0].public_id}.")
    return found[0]
