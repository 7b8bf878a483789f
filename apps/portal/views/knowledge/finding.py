"""What the pages of a vector store are found by, and lead to."""

from apps.accounts import selectors as accounts
from apps.accounts.contracts import ProjectRow
from apps.keys import selectors as keys
from apps.keys.contracts import KeyRow
from apps.knowledge import selectors
from apps.knowledge.contracts import DocumentFacts, StoreFacts
from apps.portal.access import MemberRequest


def store_of_request(request: MemberRequest, store: str) -> StoreFacts:
    """Raises NotFound for a store that is not the account's."""
    return selectors.store_of_account(account_id=request.account.id, public_id=store)


def document_of_request(request: MemberRequest, store: StoreFacts, file: str) -> DocumentFacts:
    """Raises NotFound."""
    return selectors.document_of_store(
        account_id=request.account.id, project_id=store.project_id, store_id=store.public_id, file_id=file
    )


def key_of_store(request: MemberRequest, store: StoreFacts) -> KeyRow:
    """Which pays for what is embedded."""
    return keys.key_by_id(account_id=request.account.id, key_id=store.api_key_id)


def keys_of_store(request: MemberRequest, store: StoreFacts) -> list[KeyRow]:
    """The active ones of its project, which may pay for what is asked of it; its own comes first."""
    project = project_of_store(request, store)
    found = keys.keys_of_account(account_id=request.account.id, project_slug=project.slug)
    own = key_of_store(request, store).public_id
    return sorted((key for key in found if key.status == "active"), key=lambda key: key.public_id != own)


def project_of_store(request: MemberRequest, store: StoreFacts) -> ProjectRow:
    found = accounts.projects_of_account(account_id=request.account.id, archived=True)
    return next(project for project in found if project.id == store.project_id)


def address_of(request: MemberRequest) -> str:
    """The person's: a key's networks hold on the portal as well."""
    return str(request.META.get("REMOTE_ADDR", ""))
