"""/api/v1/graph/{vector_store_id}/…: entities, relations, what is round them, and the passages that say so."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.management.base import described, listed, shown
from apps.api.management.graph_inputs import (
    EntitiesQuery,
    NeighbourhoodQuery,
    PassagesQuery,
    PathQuery,
    PictureQuery,
    RelationsQuery,
)
from apps.api.management.graph_outputs import (
    EntityListSerializer,
    EntitySerializer,
    PathSerializer,
    PictureSerializer,
    RelationListSerializer,
    RelationSerializer,
    StatingPassageListSerializer,
    StatingPassageSerializer,
)
from apps.api.management.views.graph import TAGS, GraphBase
from apps.knowledge.graph import selectors

NAMES = {"type": "kind", "least_confidence": "least", "entity": "entity_id"}


def asked(values: dict[str, Any]) -> dict[str, Any]:
    """As selectors name it."""
    return {NAMES.get(name, name): value for name, value in values.items()}


class EntitiesView(GraphBase):
    @described(operation_id="list_entities", tags=TAGS, parameters=[EntitiesQuery], responses=EntityListSerializer)
    def get(self, request: Request, store: str) -> Response:
        """The entities that documents name, the most mentioned first."""
        found, more = selectors.entities_of_store(**self.of(store), **asked(self.checked(EntitiesQuery)))
        return listed(EntitySerializer, found, has_more=more)


class EntityView(GraphBase):
    @described(operation_id="get_entity", tags=TAGS, responses=EntitySerializer)
    def get(self, request: Request, store: str, entity: str) -> Response:
        """One entity; the id of one that was merged leads to the one that it was merged into."""
        return shown(EntitySerializer, selectors.entity_of_store(**self.of(store), entity_id=entity))


class NeighbourhoodView(GraphBase):
    @described(
        operation_id="get_neighbourhood", tags=TAGS, parameters=[NeighbourhoodQuery], responses=PictureSerializer
    )
    def get(self, request: Request, store: str, entity: str) -> Response:
        """What is round an entity, the nearest and surest first."""
        values = asked(self.checked(NeighbourhoodQuery))
        return shown(PictureSerializer, selectors.neighbourhood(**self.of(store), entity_id=entity, **values))


class EntityPassagesView(GraphBase):
    @described(
        operation_id="list_passages_of_entity",
        tags=TAGS,
        parameters=[PassagesQuery],
        responses=StatingPassageListSerializer,
    )
    def get(self, request: Request, store: str, entity: str) -> Response:
        """The passages that name an entity."""
        values = self.checked(PassagesQuery)
        found = selectors.passages_of_entity(**self.of(store), entity_id=entity, **values)
        return listed(StatingPassageSerializer, found)


class RelationsView(GraphBase):
    @described(operation_id="list_relations", tags=TAGS, parameters=[RelationsQuery], responses=RelationListSerializer)
    def get(self, request: Request, store: str) -> Response:
        """What documents say that entities have to do with each other, the surest first."""
        found, more = selectors.relations_of_store(**self.of(store), **asked(self.checked(RelationsQuery)))
        return listed(RelationSerializer, found, has_more=more)


class RelationView(GraphBase):
    @described(operation_id="get_relation", tags=TAGS, responses=RelationSerializer)
    def get(self, request: Request, store: str, relation: str) -> Response:
        """One relation."""
        return shown(RelationSerializer, selectors.relation_of_store(**self.of(store), relation_id=relation))


class RelationPassagesView(GraphBase):
    @described(
        operation_id="list_passages_of_relation",
        tags=TAGS,
        parameters=[PassagesQuery],
        responses=StatingPassageListSerializer,
    )
    def get(self, request: Request, store: str, relation: str) -> Response:
        """The passages that state a relation."""
        values = self.checked(PassagesQuery)
        found = selectors.passages_of_relation(**self.of(store), relation_id=relation, **values)
        return listed(StatingPassageSerializer, found)


class PathView(GraphBase):
    @described(operation_id="get_path", tags=TAGS, parameters=[PathQuery], responses=PathSerializer)
    def get(self, request: Request, store: str) -> Response:
        """The shortest way from one entity to another, along relations in either direction."""
        return shown(PathSerializer, selectors.path_between(**self.of(store), **asked(self.checked(PathQuery))))


class PictureView(GraphBase):
    @described(operation_id="get_picture", tags=TAGS, parameters=[PictureQuery], responses=PictureSerializer)
    def get(self, request: Request, store: str) -> Response:
        """The most mentioned entities and what they have to do with each other, to be drawn."""
        return shown(
            PictureSerializer, selectors.picture_of_store(**self.of(store), **asked(self.checked(PictureQuery)))
        )
