"""/v1/organization: what the key's account used and what it cost, in the form of OpenAI's admin API.

A project is named by its slug, a person by the e-mail address of whoever made the key.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from msgspec import Raw

from apps.accounts.selectors import projects_of_account
from apps.api.base import V1View
from apps.api.buckets import Bucket, Page, page_of
from apps.api.http import Request, Response, json_response
from apps.api.parsing import query_of
from apps.api.schemas.organization import BucketsQuery, CompletionsQuery, CostsQuery, UsageQuery
from apps.catalog.selectors import model_names
from apps.common.database import in_thread
from apps.common.errors import Invalid, NotFound
from apps.common.money import plain_usd
from apps.gateway import services
from apps.keys.contracts import KeyFacts
from apps.keys.selectors import keys_of_others
from apps.usage.contracts import TIERS, UsageSlice, UsageTotals
from apps.usage.selectors import TIER, slices

BATCH = "batch"
MOST_RESULTS = 5000


class BucketsView(V1View):
    """Hours or days, each with a result for each group in which something was used."""

    takes: ClassVar[type[BucketsQuery]]
    result: ClassVar[str]

    async def get(self, request: Request, key: KeyFacts) -> Response:
        key = await services.permitted(key, endpoint="organization", address=request.caller)
        query = query_of(request.query, self.takes, lists=self.takes.LISTS)
        return await in_thread(lambda: json_response(self._answer(key.account_id, query)))

    def _answer(self, account_id: int, query: BucketsQuery) -> dict[str, Any]:
        page = page_of(query, now=datetime.now(UTC))
        groups = _checked_groups(query)
        only = _filters(account_id, query)
        read = partial(
            slices,
            account_id=account_id,
            by_day=query.bucket_width == "1d",
            group_by=tuple(dict.fromkeys(groups.values())),
            **self.models(only),
        )
        page, found = filled(page, read)
        results: dict[datetime, list[dict[str, Any]]] = defaultdict(list)
        for one in found:
            results[one.start].append(self._result(one, groups))
        return {
            "object": "page",
            "data": [_bucket(bucket, results[bucket.start]) for bucket in page.buckets],
            "has_more": page.next_page is not None,
            "next_page": page.next_page,
        }

    def models(self, only: dict[str, list[str]]) -> dict[str, Any]:
        """Which use is told of, as `slices` takes it, given what it is held to."""
        return {"only": only}

    def _result(self, one: UsageSlice, groups: dict[str, str]) -> dict[str, Any]:
        told: dict[str, Any] = {name: one.group[groups[name]] if name in groups else None for name in self.takes.GROUPS}
        if BATCH in groups:
            told[BATCH] = told[BATCH] == BATCH
        return {"object": self.result, **self.sums(one.totals), **told}

    def sums(self, totals: UsageTotals) -> dict[str, Any]:
        raise NotImplementedError


class CompletionsView(BucketsView):
    """Of whatever is neither an embedding nor a reranking: chat, completions, responses, messages."""

    route = "/v1/organization/usage/completions"
    takes = CompletionsQuery
    result = "organization.usage.completions.result"

    def models(self, only: dict[str, list[str]]) -> dict[str, Any]:
        return {"only": only, "except_models": model_names(kinds=("embedding", "rerank"))}

    def sums(self, totals: UsageTotals) -> dict[str, Any]:
        """No request here has sound in it, nor has an answer."""
        return {
            "input_tokens": totals.input_tokens,
            "output_tokens": totals.output_tokens,
            "input_cached_tokens": totals.cached_input_tokens,
            "input_audio_tokens": 0,
            "output_audio_tokens": 0,
            "num_model_requests": totals.requests,
        }


class KindView(BucketsView):
    """Of the models of one kind."""

    takes = UsageQuery
    kind: ClassVar[str]

    def models(self, only: dict[str, list[str]]) -> dict[str, Any]:
        names = model_names(kinds=(self.kind,))
        return {"only": {**only, "model": [name for name in names if name in only.get("model", names)]}}


class EmbeddingsView(KindView):
    route = "/v1/organization/usage/embeddings"
    result = "organization.usage.embeddings.result"
    kind = "embedding"

    def sums(self, totals: UsageTotals) -> dict[str, Any]:
        return {"input_tokens": totals.input_tokens, "num_model_requests": totals.requests}


class RerankView(KindView):
    """Which OpenAI does not have."""

    route = "/v1/organization/usage/rerank"
    result = "organization.usage.rerank.result"
    kind = "rerank"

    def sums(self, totals: UsageTotals) -> dict[str, Any]:
        return {
            "input_tokens": totals.input_tokens,
            "num_searches": totals.searches,
            "num_model_requests": totals.requests,
        }


class CostsView(BucketsView):
    """A line item is a model: a request's tokens are priced together, and rounded once."""

    route = "/v1/organization/costs"
    takes = CostsQuery
    result = "organization.costs.result"

    def sums(self, totals: UsageTotals) -> dict[str, Any]:
        return {"amount": {"value": Raw(plain_usd(totals.cost).encode()), "currency": "usd"}, "quantity": None}


def filled(page: Page, read: Callable[..., list[UsageSlice]]) -> tuple[Page, list[UsageSlice]]:
    """The page and what was used in it. One of very many results ends earlier, behind its first bucket at least."""
    if not page.buckets:
        return page, []
    first, last = page.buckets[0], page.buckets[-1]
    found = read(since=first.start, until=last.end, most=MOST_RESULTS + 1)
    if len(found) <= MOST_RESULTS:
        return page, found
    cut = max(found[-1].start, first.end)
    return page.until(cut) if cut < last.end else page, read(since=first.start, until=cut)


def _bucket(bucket: Bucket, results: list[dict[str, Any]]) -> dict[str, Any]:
    start, end = int(bucket.start.timestamp()), int(bucket.end.timestamp())
    return {"object": "bucket", "start_time": start, "end_time": end, "results": results}


def _checked_groups(query: BucketsQuery) -> dict[str, str]:
    """What is grouped by, and what usage calls it."""
    unknown = [name for name in query.group_by if name not in query.GROUPS]
    if unknown:
        known = ", ".join(query.GROUPS)
        raise Invalid("group_by", f"There is no group {unknown[0][:60]!r}: give {known}, a parameter for each.")
    return {name: query.GROUPS[name] for name in query.group_by}


def _filters(account_id: int, query: BucketsQuery) -> dict[str, list[str]]:
    """What use is held to. Raises NotFound for a project or a key that is not the account's."""
    named = {dimension: getattr(query, name, []) for name, dimension in query.FILTERS.items()}
    only = {dimension: values for dimension, values in named.items() if values}
    batch = getattr(query, BATCH, None)
    if batch is not None:
        only[TIER] = [tier for tier in TIERS if (tier == BATCH) == batch]
    own = (
        {row.slug for row in projects_of_account(account_id=account_id, archived=True)} if query.project_ids else set()
    )
    for project in query.project_ids:
        if project not in own:
            raise NotFound(f"There is no project {project[:60]!r} in this account.", param="project_ids")
    for key in keys_of_others(account_id=account_id, public_ids=query.api_key_ids):
        raise NotFound(f"There is no key {key[:60]!r} in this account.", param="api_key_ids")
    return only
