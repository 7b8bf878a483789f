"""The models on offer, their prices over time, and where each is served."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from apps.accounts.models import Account
from apps.common.limits import RateLimited
from apps.common.models import TimestampedModel
from apps.common.money import NanoField


class ModelKind(models.TextChoices):
    CHAT = "chat", "Chat"
    EMBEDDING = "embedding", "Embedding"
    RERANK = "rerank", "Rerank"


class AIModel(RateLimited, TimestampedModel):
    """A model as callers name it; LiteLLM's "model group". Its limits are those of each account for this model."""

    public_name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=16, choices=ModelKind, default=ModelKind.CHAT)
    description = models.TextField(blank=True)
    owned_by = models.CharField(max_length=60, default="artemis")
    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="models",
        help_text="Empty: for all",
    )
    capabilities = ArrayField(models.CharField(max_length=40), default=list, blank=True)
    extensions = ArrayField(
        models.CharField(max_length=60),
        default=list,
        blank=True,
        help_text="Request fields of the engine, beyond OpenAI's, that callers may use (a.b for a nested one)",
    )
    context_length = models.PositiveIntegerField(default=8192, help_text="Tokens, prompt and answer together")
    max_output_tokens = models.PositiveIntegerField(default=4096, help_text="Used where the caller gives no limit")
    dimensions = models.PositiveIntegerField(null=True, blank=True, help_text="Of an embedding model")
    enabled = models.BooleanField(default=True)

    class Meta:
        verbose_name = "model"
        ordering = ["public_name"]

    def __str__(self) -> str:
        return self.public_name


class PriceVersion(models.Model):
    """Prices from a moment on, in nano-dollars: per million tokens and per search. A new price is a new row."""

    ai_model = models.ForeignKey(AIModel, on_delete=models.PROTECT, related_name="prices", verbose_name="model")
    valid_from = models.DateTimeField()
    input_price = NanoField(default=0)
    cached_input_price = NanoField(default=0)
    output_price = NanoField(default=0)
    reasoning_price = NanoField(null=True, blank=True, help_text="Of output tokens that are thoughts; else as output")
    search_price = NanoField(default=0, db_default=0, help_text="Of a reranking, for each hundred documents begun")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["ai_model", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["ai_model", "valid_from"], name="price_once_per_moment"),
            models.CheckConstraint(
                condition=models.Q(
                    input_price__gte=0, cached_input_price__gte=0, output_price__gte=0, search_price__gte=0
                )
                & (models.Q(reasoning_price=None) | models.Q(reasoning_price__gte=0)),
                name="price_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ai_model} from {self.valid_from:%Y-%m-%d %H:%M}"


class Duty(models.TextChoices):
    SERVING = "serving", "Serving"
    DRAINED = "drained", "Drained"
    RETURNING = "returning", "Returning"


class Deployment(TimestampedModel):
    """One place that serves a model; a member of LiteLLM's `model_list`.

    Drained: it gets no new request, until somebody has it return. Returning: it serves again once it has answered a
    request of ours.
    """

    ai_model = models.ForeignKey(AIModel, on_delete=models.CASCADE, related_name="deployments", verbose_name="model")
    name = models.CharField(max_length=120, unique=True, help_text="Its id towards LiteLLM and in metrics")
    provider_model = models.CharField(
        max_length=200, help_text='LiteLLM\'s "provider/model", such as hosted_vllm/qwen3-4b'
    )
    api_base = models.URLField(blank=True)
    api_key_env = models.CharField(max_length=120, blank=True, help_text="Environment variable that holds the key")
    api_key_sealed = models.TextField(blank=True, editable=False, help_text="The key, encrypted with SECRET_KEY")
    order = models.PositiveIntegerField(default=1, help_text="Lower is tried first")
    weight = models.PositiveIntegerField(default=1)
    rpm = models.PositiveIntegerField(null=True, blank=True)
    tpm = models.PositiveIntegerField(null=True, blank=True)
    timeout = models.FloatField(default=600, help_text="Seconds for a whole answer")
    stream_timeout = models.FloatField(default=60, help_text="Seconds to the first byte, and between bytes")
    model_info = models.JSONField(default=dict, blank=True)
    enabled = models.BooleanField(default=True)
    duty = models.CharField(max_length=16, choices=Duty, default=Duty.SERVING, db_default=Duty.SERVING, editable=False)
    duty_reason = models.CharField(max_length=300, blank=True, default="", db_default="", editable=False)
    duty_since = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["ai_model", "order", "name"]

    def __str__(self) -> str:
        return self.name


class EngineSpan(models.Model):
    """What one engine counted on one day between two looks at it, without a restart in between."""

    engine = models.CharField(max_length=200, help_text="Its address")
    deployments = ArrayField(models.CharField(max_length=120), help_text="Those that it served")
    day = models.DateField(help_text="UTC")
    from_at = models.DateTimeField(help_text="What was asked of it after this, and was answered before the next, is in")
    until_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="When the counters of the last look had come")
    goes_on = models.BooleanField(default=False, help_text="From the day before, without a restart")
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    prompt_counter = models.PositiveBigIntegerField(help_text="As the engine told it last")
    output_counter = models.PositiveBigIntegerField()
    process_started_at = models.PositiveBigIntegerField(null=True, help_text="Seconds since 1970, where it says so")

    class Meta:
        ordering = ["-until_at", "engine"]
        indexes = [
            models.Index(fields=["engine", "-until_at"], name="engine_span_newest"),
            models.Index(fields=["day"], name="engine_span_day"),
        ]

    def __str__(self) -> str:
        return f"{self.engine} from {self.from_at:%Y-%m-%d %H:%M}"


class RoutingPolicy(TimestampedModel):
    """LiteLLM's `router_settings` and `litellm_settings`: one row."""

    fallbacks = models.JSONField(default=dict, blank=True, help_text='{"model": ["next", "the one after"]}')
    context_window_fallbacks = models.JSONField(default=dict, blank=True)
    num_retries = models.PositiveIntegerField(default=2, help_text="On other deployments of the model")
    allowed_fails = models.PositiveIntegerField(default=3, help_text="Failures a minute before a cooldown")
    cooldown_time = models.FloatField(default=5, help_text="Seconds")
    routing_strategy = models.CharField(max_length=40, default="simple-shuffle")
    version = models.PositiveIntegerField(
        default=1, editable=False, help_text="Of the whole catalog: rises with each change"
    )

    class Meta:
        verbose_name_plural = "routing policy"
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="routing_policy_is_one_row")]

    def __str__(self) -> str:
        return "Routing policy"
