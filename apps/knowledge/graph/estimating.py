"""What building a graph would take, before it does."""

from django.db.models import Count, Sum
from django.utils import timezone

from apps.catalog.contracts import ModelFacts, Price
from apps.common.money import token_cost
from apps.knowledge.graph.asking import LONGEST_ANSWER, TASK_TOKENS
from apps.knowledge.graph.contracts import Estimate
from apps.knowledge.models import Graph, GraphDocument, Method, Passage, Status, StoreFile
from apps.knowledge.selectors import own_store
from apps.knowledge.walls import within

ANSWER_SHARE, ANSWER_TOKENS = 0.4, 40  # of a passage's tokens; and those of an answer that finds nothing


def estimate(*, account_id: int, project_id: int, store_id: str, model: ModelFacts | None) -> Estimate:
    """`model`: None, offline. Of passages that a graph built so has not yet. Raises NotFound."""
    store = own_store(account_id, project_id, store_id)
    files = StoreFile.objects.filter(store=store, account_id=account_id, status=Status.COMPLETED, deleted_at=None)
    method = Method.MODEL if model else Method.OFFLINE
    graph = Graph.objects.filter(
        store=store, deleted_at=None, method=method, model=model.public_name if model else ""
    ).first()
    if graph is not None:
        read = GraphDocument.objects.filter(graph=graph, status=Status.COMPLETED)
        files = files.exclude(pk__in=read.values("document_id"))
    with within(account_id):
        passages = Passage.objects.filter(account_id=account_id, store=store, document__in=files)
        sums = passages.aggregate(count=Count("pk"), tokens=Sum("tokens", default=0))
    count, tokens = sums["count"], sums["tokens"]
    fresh = count * TASK_TOKENS + tokens if model else 0
    answers = int(tokens * ANSWER_SHARE) + count * ANSWER_TOKENS if model else 0
    most = count * min(LONGEST_ANSWER, model.max_output_tokens) if model else 0
    answers = min(answers, most)
    price = model.price_at(timezone.now()) if model else None
    return Estimate(
        method=method,
        model=model.public_name if model else "",
        documents=files.count(),
        passages=count,
        input_tokens=fresh,
        output_tokens=answers,
        cost=_cost(price, fresh, answers),
        cost_at_most=_cost(price, fresh, most),
        has_price=model is None or price is not None,
    )


def _cost(price: Price | None, fresh: int, answers: int) -> int:
    return token_cost((fresh, price.input), (answers, price.output)) if price else 0
