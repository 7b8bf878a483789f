"""What the management API answers. Money in nano-dollars (1e-9 USD), prices in nano-dollars a million tokens."""

from typing import Any

from rest_framework import serializers

from apps.catalog.contracts import ModelFacts


class Output(serializers.Serializer[Any]):
    """Only ever written, from a frozen dataclass."""


def texts(**options: Any) -> Any:
    return serializers.ListField(child=serializers.CharField(), **options)


class AccountSerializer(Output):
    slug = serializers.CharField()
    name = serializers.CharField()
    role = serializers.CharField(help_text="Yours: owner, admin, developer, billing or viewer")
    permissions = serializers.SerializerMethodField()
    monthly_budget_nano_usd = serializers.IntegerField(source="monthly_budget", allow_null=True)
    total_budget_nano_usd = serializers.IntegerField(source="total_budget", allow_null=True)
    budget_is_hard = serializers.BooleanField(help_text="Whether its budgets stop calls, or only warn")
    suspended = serializers.BooleanField()
    suspension_reason = serializers.CharField()

    def get_permissions(self, account: Any) -> list[str]:
        return sorted(account.permissions)


class ProjectSerializer(Output):
    slug = serializers.CharField()
    name = serializers.CharField()
    monthly_budget_nano_usd = serializers.IntegerField(source="monthly_budget", allow_null=True)
    total_budget_nano_usd = serializers.IntegerField(source="total_budget", allow_null=True)
    budget_is_hard = serializers.BooleanField(help_text="Whether its budgets stop calls, or only warn")
    archived = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class KeySerializer(Output):
    id = serializers.CharField(source="public_id")
    name = serializers.CharField()
    project = serializers.CharField(source="project_slug")
    status = serializers.CharField(help_text="active, disabled, expired or revoked")
    hints = texts(help_text="Start and end of each secret that works")
    allowed_models = texts(source="policy.allowed_models", help_text="Empty: all")
    allowed_endpoints = texts(source="policy.allowed_endpoints", help_text="Empty: all but organization")
    ip_allow_list = texts(source="policy.ip_allow_list", help_text="CIDR; empty: from anywhere")
    requests_per_minute = serializers.IntegerField(
        source="policy.rpm_limit", allow_null=True, help_text="null: default"
    )
    tokens_per_minute = serializers.IntegerField(source="policy.tpm_limit", allow_null=True)
    tokens_per_day = serializers.IntegerField(source="policy.tpd_limit", allow_null=True)
    parallel_requests = serializers.IntegerField(
        source="policy.parallel_limit", allow_null=True, help_text="null: default"
    )
    monthly_budget_nano_usd = serializers.IntegerField(source="policy.monthly_budget", allow_null=True)
    total_budget_nano_usd = serializers.IntegerField(source="policy.total_budget", allow_null=True)
    budget_is_hard = serializers.BooleanField(source="policy.budget_is_hard")
    expires_at = serializers.DateTimeField(source="policy.expires_at", allow_null=True)
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    rotating_until = serializers.DateTimeField(allow_null=True, help_text="Until then an old secret works, too")


class NewKeySerializer(KeySerializer):
    key = serializers.CharField(help_text="The key itself, sk-art-…: shown this once, and never again")


class TotalsSerializer(Output):
    requests = serializers.IntegerField()
    failed_requests = serializers.IntegerField()
    input_tokens = serializers.IntegerField(help_text="Cached ones included")
    cached_input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField(help_text="Thoughts included")
    reasoning_tokens = serializers.IntegerField()
    searches = serializers.IntegerField(help_text="Of rerankings: queries with up to a hundred documents")
    cost_nano_usd = serializers.IntegerField(source="cost")


class BucketSerializer(Output):
    start = serializers.SerializerMethodField(help_text="An hour's beginning, or a day; UTC")
    group = serializers.CharField(source="identifier", help_text="A model's name, a key's id or a project's slug")
    name = serializers.CharField(source="label", help_text="The group's name for people")
    totals = TotalsSerializer()

    def get_start(self, bucket: Any) -> str:
        return str(bucket.start.isoformat())


class RequestSerializer(Output):
    id = serializers.CharField(source="request_id")
    started_at = serializers.DateTimeField()
    key = serializers.CharField(source="key_public_id")
    project = serializers.CharField(source="project_name")
    model = serializers.CharField()
    deployment = serializers.CharField()
    endpoint = serializers.CharField()
    outcome = serializers.CharField(help_text="completed, cancelled or failed")
    error_code = serializers.CharField()
    streamed = serializers.BooleanField()
    input_tokens = serializers.IntegerField()
    cached_input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField(help_text="Thoughts included")
    reasoning_tokens = serializers.IntegerField()
    searches = serializers.IntegerField(help_text="Of rerankings: queries with up to a hundred documents")
    service_tier = serializers.CharField(help_text="default, or batch: at half the price")
    estimated = serializers.BooleanField(help_text="The engine gave no count; these are estimates")
    cost_nano_usd = serializers.IntegerField(source="cost")
    duration_ms = serializers.IntegerField()
    first_token_ms = serializers.IntegerField(allow_null=True)


class PriceSerializer(Output):
    valid_from = serializers.DateTimeField()
    input = serializers.IntegerField()
    cached_input = serializers.IntegerField()
    output = serializers.IntegerField()
    reasoning = serializers.IntegerField(source="of_reasoning")
    search = serializers.IntegerField(help_text="Nano-dollars a search")


class ModelSerializer(Output):
    id = serializers.CharField(source="public_name")
    kind = serializers.CharField(help_text="chat, embedding or rerank")
    description = serializers.CharField()
    owned_by = serializers.CharField()
    capabilities = texts()
    extensions = serializers.SerializerMethodField(help_text="Request fields beyond OpenAI's")
    context_length = serializers.IntegerField()
    max_output_tokens = serializers.IntegerField()
    dimensions = serializers.IntegerField(allow_null=True)
    prices = PriceSerializer(many=True, help_text="Nano-dollars a million tokens, the newest first")

    def get_extensions(self, model: ModelFacts) -> list[str]:
        return sorted(model.extensions)


class LimitsSerializer(Output):
    requests_per_minute = serializers.IntegerField()
    tokens_per_minute = serializers.IntegerField()
    tokens_per_day = serializers.IntegerField(allow_null=True)
    parallel_requests = serializers.IntegerField()


class BudgetSerializer(Output):
    month = serializers.CharField(help_text="Calendar month, UTC")
    monthly_budget_nano_usd = serializers.IntegerField(allow_null=True)
    is_hard = serializers.BooleanField(help_text="Whether it stops calls, or only warns")
    spent_nano_usd = serializers.IntegerField()
    held_nano_usd = serializers.IntegerField(help_text="For requests in flight")
    remaining_nano_usd = serializers.IntegerField(allow_null=True, help_text="null: the key has no budget of its own")


class OwnKeySerializer(Output):
    id = serializers.CharField()
    allowed_models = texts(help_text="Empty: all")
    allowed_endpoints = texts(help_text="Empty: all but organization")
    ip_allow_list = texts(help_text="Empty: from anywhere")
    expires_at = serializers.DateTimeField(allow_null=True)
    limits = LimitsSerializer()
    budget = BudgetSerializer()
    usage = TotalsSerializer(help_text="This month's, a few seconds old")


class AccountListSerializer(Output):
    object = serializers.CharField()
    data = AccountSerializer(many=True)  # type: ignore[assignment]


class ProjectListSerializer(Output):
    object = serializers.CharField()
    data = ProjectSerializer(many=True)  # type: ignore[assignment]


class KeyListSerializer(Output):
    object = serializers.CharField()
    data = KeySerializer(many=True)  # type: ignore[assignment]


class ModelListSerializer(Output):
    object = serializers.CharField()
    data = ModelSerializer(many=True)  # type: ignore[assignment]


class BucketListSerializer(Output):
    object = serializers.CharField()
    data = BucketSerializer(many=True)  # type: ignore[assignment]


class RequestListSerializer(Output):
    object = serializers.CharField()
    data = RequestSerializer(many=True)  # type: ignore[assignment]
    next_cursor = serializers.CharField(allow_null=True, help_text="For `cursor`, to go on; null: that was the end")
