"""The routes of the /v1 plane."""

from typing import Any

from django.urls import path

from apps.api import views
from apps.api.health import healthz, readyz
from apps.api.metrics import metrics
from apps.api.rerank import RerankView

healthy: Any = healthz  # Django's types know only its own answers
ready: Any = readyz
measured: Any = metrics

urlpatterns = [
    path("v1/chat/completions", views.ChatCompletionsView.as_view()),
    path("v1/completions", views.CompletionsView.as_view()),
    path("v1/embeddings", views.EmbeddingsView.as_view()),
    path("v1/rerank", RerankView.as_view()),
    path("v1/models", views.ModelsView.as_view()),
    path("v1/models/<path:name>", views.ModelView.as_view()),
    path("healthz", healthy),
    path("readyz", ready),
    path("metrics", measured),
]
