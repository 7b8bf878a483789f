"""POST /v1/rerank: one form of answer, whichever engine or provider ranked."""

from typing import Any

import msgspec

from apps.api.answering import Endpoint
from apps.api.http import Response, json_response
from apps.api.schemas import RerankRequest
from apps.api.views import InferenceView
from apps.gateway.contracts import Answer


class RerankView(InferenceView):
    """Documents, by how well they answer a query: Jina's and Cohere's rerank."""

    takes = Endpoint(name="rerank", schema=RerankRequest, kind="rerank")

    def rendered(self, parsed: RerankRequest, answered: Answer) -> Response:
        """The documents are the caller's own: engines differ in whether, and how, they repeat them."""
        given: dict[str, Any] = msgspec.json.decode(answered.body)
        texts = parsed.texts
        results = []
        for one in given["results"]:
            if one["index"] < len(texts):
                result = {"index": one["index"], "relevance_score": one["relevance_score"]}
                if parsed.return_documents is not False:
                    result["document"] = {"text": texts[one["index"]]}
                results.append(result)
        results.sort(key=lambda one: -one["relevance_score"])
        body = {
            "id": given.get("id") or self.request_id,
            "model": parsed.model,
            "results": results[: parsed.top_n],
        }
        if total := (given.get("usage") or {}).get("total_tokens"):
            body["usage"] = {"total_tokens": total}
        return json_response(body, headers=answered.headers)
