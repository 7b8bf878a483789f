"""What the operations of graphs answer."""

from rest_framework import serializers

from apps.api.management.outputs import Output, texts


class GraphProgressSerializer(Output):
    in_progress = serializers.IntegerField(help_text="Files")
    completed = serializers.IntegerField(help_text="Files")
    failed = serializers.IntegerField(help_text="Files")
    passages_total = serializers.IntegerField()
    passages_done = serializers.IntegerField()
    passages_skipped = serializers.IntegerField(help_text="Of which the model's answer was of no use")


class GraphSerializer(Output):
    vector_store_id = serializers.CharField(source="store_id")
    method = serializers.CharField(help_text="offline, model, or off: later files do not follow")
    built_by = serializers.CharField(help_text="The method of what there is; empty where there is nothing")
    model = serializers.CharField()
    status = serializers.CharField(help_text="none, in_progress, completed, or failed where all files have")
    progress = GraphProgressSerializer()
    created_at = serializers.DateTimeField(allow_null=True)


class GraphDeletedSerializer(Output):
    vector_store_id = serializers.CharField()
    deleted = serializers.BooleanField()


class EstimateSerializer(Output):
    method = serializers.CharField()
    model = serializers.CharField()
    documents = serializers.IntegerField(help_text="That are not in the graph yet")
    passages = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost_nano_usd = serializers.IntegerField(source="cost", help_text="What is likely; an estimate, no promise")
    cost_at_most_nano_usd = serializers.IntegerField(
        source="cost_at_most", help_text="Were each answer as long as it may be"
    )
    has_price = serializers.BooleanField(help_text="false: the model has no price, and costs nothing")


class GraphDocumentSerializer(Output):
    file_id = serializers.CharField()
    filename = serializers.CharField()
    status = serializers.CharField()
    passages_total = serializers.IntegerField()
    passages_done = serializers.IntegerField()
    passages_skipped = serializers.IntegerField()
    error_message = serializers.CharField()
    waits_for = serializers.CharField(help_text="Why it does not go on at the moment")
    note = serializers.CharField(help_text="What its owner should know of what was found")


class EntityRefSerializer(Output):
    id = serializers.CharField()
    name = serializers.CharField()
    type = serializers.CharField()


class EntitySerializer(EntityRefSerializer):
    aliases = texts(help_text="Other words by which passages name it")
    mentions = serializers.IntegerField(help_text="How often passages name it, each wording of a passage once")
    documents = serializers.IntegerField()


class RelationSerializer(Output):
    id = serializers.CharField()
    subject = EntityRefSerializer()
    type = serializers.CharField(help_text="“appears with” says only that both stand in one sentence")
    object = EntityRefSerializer()
    confidence = serializers.FloatField(help_text="From 0 to 1, of all that states it together")
    passages = serializers.IntegerField(help_text="That state it")


class PictureSerializer(Output):
    nodes = EntitySerializer(many=True)
    edges = RelationSerializer(many=True)
    is_cut = serializers.BooleanField(help_text="There was more than was asked for")


class PathSerializer(Output):
    entities = EntityRefSerializer(many=True, help_text="Empty: there is no path within the bounds")
    relations = RelationSerializer(many=True, help_text="One less than entities; each may point either way")


class StatingPassageSerializer(Output):
    file_id = serializers.CharField()
    filename = serializers.CharField()
    passage = serializers.IntegerField(source="position")
    page = serializers.IntegerField(allow_null=True)
    headings = texts()
    text = serializers.CharField()
    confidence = serializers.FloatField(allow_null=True, help_text="Of a relation, by this passage")


class MergeSerializer(Output):
    id = serializers.CharField()
    kept = EntityRefSerializer()
    gone = EntityRefSerializer()
    reason = serializers.CharField(help_text="alias, short_name, near or by_hand")
    merged_at = serializers.DateTimeField()
    undone_at = serializers.DateTimeField(allow_null=True)


class ListOutput(Output):
    object = serializers.CharField(help_text="list")


class GraphDocumentListSerializer(ListOutput):
    data = GraphDocumentSerializer(many=True)  # type: ignore[assignment]


class EntityListSerializer(ListOutput):
    data = EntitySerializer(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()


class RelationListSerializer(ListOutput):
    data = RelationSerializer(many=True)  # type: ignore[assignment]
    has_more = serializers.BooleanField()


class StatingPassageListSerializer(ListOutput):
    data = StatingPassageSerializer(many=True)  # type: ignore[assignment]


class MergeListSerializer(ListOutput):
    data = MergeSerializer(many=True)  # type: ignore[assignment]
