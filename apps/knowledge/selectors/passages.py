"""What was read of files."""

from apps.knowledge.contracts import PassageFacts
from apps.knowledge.models import Passage
from apps.knowledge.selectors.documents import own_document
from apps.knowledge.selectors.stores import own_store
from apps.knowledge.walls import within


def text_of_document(*, account_id: int, project_id: int, store_id: str, file_id: str) -> list[str]:
    """What was read of a file, passage by passage. Raises NotFound."""
    row = own_document(own_store(account_id, project_id, store_id), file_id)
    with within(account_id):
        passages = Passage.objects.filter(account_id=account_id, document=row)
        return list(passages.order_by("position").values_list("text", flat=True))


def passages_of_document(
    *, account_id: int, project_id: int, store_id: str, file_id: str, since: int, limit: int
) -> list[PassageFacts]:
    """In order, from the one at the position `since` on. Raises NotFound."""
    row = own_document(own_store(account_id, project_id, store_id), file_id)
    with within(account_id):
        passages = Passage.objects.filter(account_id=account_id, document=row, position__gte=since)
        return [
            PassageFacts(
                position=one.position, text=one.text, headings=tuple(one.headings), page=one.page, tokens=one.tokens
            )
            for one in passages.order_by("position")[:limit]
        ]
