"""/api/v1/graph/{vector_store_id}: a store's graph, built, turned off, deleted; its merges. With an API key of the
store's project (decision 0025)."""

from typing import Any

from django.conf import settings
from django_ratelimit.core import get_usage
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.management.authentication import BearerAuthentication
from apps.api.management.base import ManagementView, described, listed, shown
from apps.api.management.graph_inputs import EstimateQuery, GraphDocumentsQuery, GraphInput, MergeInput, PassagesQuery
from apps.api.management.graph_outputs import (
    EstimateSerializer,
    GraphDeletedSerializer,
    GraphDocumentListSerializer,
    GraphDocumentSerializer,
    GraphSerializer,
    MergeListSerializer,
    MergeSerializer,
)
from apps.api.schemas.vector_stores import ENDPOINT
from apps.common.errors import LimitExceeded
from apps.gateway.services import check_endpoint
from apps.keys.contracts import KeyFacts
from apps.knowledge.graph import selectors, services

TAGS = ["graph"]


class GraphBase(ManagementView):
    """A key has as many requests a minute here as at /v1, counted by themselves."""

    authentication_classes = [BearerAuthentication]
    permission_classes = []

    @property
    def key(self) -> KeyFacts:
        facts: KeyFacts = self.request.auth  # type: ignore[assignment]
        return facts

    def limit(self, request: Request) -> None:
        check_endpoint(self.key, endpoint=ENDPOINT)
        rate = self.key.policy.rpm_limit or settings.GATEWAY_DEFAULT_RPM
        usage = get_usage(
            request._request,
            group="api.graph",
            key=lambda group, request: self.key.public_id,
            rate=f"{rate}/m",
            increment=True,
        )
        if usage and usage["should_limit"]:
            message = "This API key has reached its limit of requests a minute."
            raise LimitExceeded(message, code="rate_limit_exceeded", retry_after=max(1, usage["time_left"]))

    def of(self, store: str) -> dict[str, Any]:
        """Whose store, as selectors ask."""
        return {"account_id": self.key.account_id, "project_id": self.key.project_id, "store_id": store}


class GraphView(GraphBase):
    @described(operation_id="get_graph", tags=TAGS, responses=GraphSerializer)
    def get(self, request: Request, store: str) -> Response:
        """How the store's graph is built, and how far it is."""
        return shown(GraphSerializer, selectors.graph_of_store(**self.of(store)))

    @described(operation_id="build_graph", tags=TAGS, request=GraphInput, responses=GraphSerializer)
    def post(self, request: Request, store: str) -> Response:
        """Builds the graph of what is in the store, and of what comes later: offline, or by a language model, which
        each file's own key pays for; ask for the estimate first.

        By another method or model it is built anew. By the same one, files that failed are tried again. `off` ends
        that, and leaves what there is."""
        values = self.checked(GraphInput)
        if values["method"] == "off":
            return shown(GraphSerializer, services.turn_off(**self.of(store)))
        built = services.build_graph(key=self.key, store_id=store, method=values["method"], model=values["model"])
        return shown(GraphSerializer, built)

    @described(operation_id="delete_graph", tags=TAGS, responses=GraphDeletedSerializer)
    def delete(self, request: Request, store: str) -> Response:
        """Deletes the graph; the store and its files stay."""
        services.delete_graph(**self.of(store))
        return shown(GraphDeletedSerializer, {"vector_store_id": store, "deleted": True})


class EstimateView(GraphBase):
    @described(operation_id="estimate_graph", tags=TAGS, parameters=[EstimateQuery], responses=EstimateSerializer)
    def get(self, request: Request, store: str) -> Response:
        """What building the graph would take of tokens and money, of the files that are not in it yet."""
        name = self.checked(EstimateQuery)["model"]
        model = services.chat_model(self.key, name) if name else None
        return shown(EstimateSerializer, services.estimate(**self.of(store), model=model))


class GraphDocumentsView(GraphBase):
    @described(
        operation_id="list_graph_files",
        tags=TAGS,
        parameters=[GraphDocumentsQuery],
        responses=GraphDocumentListSerializer,
    )
    def get(self, request: Request, store: str) -> Response:
        """The store's files and how far each is in the graph, the newest first."""
        values = self.checked(GraphDocumentsQuery)
        return listed(GraphDocumentSerializer, selectors.documents_of_graph(**self.of(store), **values))


class MergesView(GraphBase):
    @described(operation_id="list_merges", tags=TAGS, parameters=[PassagesQuery], responses=MergeListSerializer)
    def get(self, request: Request, store: str) -> Response:
        """Which entities became one, and why; undone ones, too. The newest first."""
        return listed(MergeSerializer, selectors.merges_of_store(**self.of(store), **self.checked(PassagesQuery)))

    @described(operation_id="merge_entities", tags=TAGS, request=MergeInput, responses={201: MergeSerializer})
    def post(self, request: Request, store: str) -> Response:
        """Makes two entities one."""
        made = services.merge_entities(key=self.key, store_id=store, **self.checked(MergeInput))
        return shown(MergeSerializer, made, status=201)


class UndoView(GraphBase):
    @described(operation_id="undo_merge", tags=TAGS, request=None, responses=MergeSerializer)
    def post(self, request: Request, store: str, merge: str) -> Response:
        """Makes them two again. They stay two until somebody merges them by hand."""
        return shown(MergeSerializer, services.undo_merge(**self.of(store), merge_id=merge))
