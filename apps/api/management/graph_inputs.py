"""What may be sent to the operations of graphs."""

from typing import Any

from rest_framework import serializers

from apps.api.management.inputs import LARGEST_PAGE, PAGE, Strict
from apps.knowledge.graph.contracts import DEEPEST, LONGEST_PATH, METHODS, TYPES

MOST_NODES = 500
MOST_SKIPPED = 100_000


def page(default: int = PAGE, most: int = LARGEST_PAGE) -> Any:
    return serializers.IntegerField(default=default, min_value=1, max_value=most)


def identifier(help_text: str, **options: Any) -> Any:
    return serializers.CharField(max_length=60, help_text=help_text, **options)


def sureness() -> Any:
    return serializers.FloatField(
        default=0.0, min_value=0, max_value=1, help_text="Leaves out relations of less confidence"
    )


class GraphInput(Strict):
    method = serializers.ChoiceField(choices=[*METHODS, "off"], help_text="off: what is there stays")
    model = serializers.CharField(default="", max_length=200, help_text="Name of a chat model, of the method model")


class EstimateQuery(Strict):
    model = serializers.CharField(default="", max_length=200, help_text="Name of a chat model; none: offline")


class EntitiesQuery(Strict):
    search = serializers.CharField(default="", max_length=120, help_text="A name, or a part of one")
    type = serializers.ChoiceField(choices=list(TYPES), default="")
    limit = page()
    after = identifier("The id of the last one of the page before", default="")


class RelationsQuery(Strict):
    entity = identifier("The id of an entity: its relations alone", default="")
    type = serializers.CharField(default="", max_length=80)
    least_confidence = sureness()
    limit = page()
    after = identifier("The id of the last one of the page before", default="")


class NeighbourhoodQuery(Strict):
    depth = serializers.IntegerField(default=1, min_value=1, max_value=DEEPEST, help_text="In relations")
    least_confidence = sureness()
    limit = page(100, MOST_NODES)


class PictureQuery(Strict):
    type = serializers.ChoiceField(choices=list(TYPES), default="")
    least_confidence = sureness()
    limit = page(100, MOST_NODES)


class PathQuery(Strict):
    start = identifier("The id of an entity")
    end = identifier("The id of another one")
    longest = serializers.IntegerField(default=4, min_value=1, max_value=LONGEST_PATH, help_text="In relations")
    least_confidence = sureness()


class PassagesQuery(Strict):
    limit = page(20, 100)
    since = serializers.IntegerField(default=0, min_value=0, max_value=MOST_SKIPPED, help_text="So many are left out")


class GraphDocumentsQuery(PassagesQuery):
    status = serializers.ChoiceField(choices=["in_progress", "completed", "failed", "cancelled"], default="")


class MergeInput(Strict):
    kept = identifier("The id of the entity whose name is shown")
    gone = identifier("The id of the one that becomes part of it")
