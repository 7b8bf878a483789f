"""The routes of the /v1 plane."""

from typing import Any

from django.urls import path

from apps.api import organization, responses, store_files, vector_stores, views
from apps.api.batches import BatchCancelView, BatchesView, BatchView
from apps.api.files import FileContentView, FilesView, FileView
from apps.api.health import healthz, readyz
from apps.api.internal import authorize
from apps.api.metrics import metrics
from apps.api.rerank import RerankView

healthy: Any = healthz  # Django's types know only its own answers
ready: Any = readyz
measured: Any = metrics
authorized: Any = authorize

urlpatterns = [
    path("v1/chat/completions", views.ChatCompletionsView.as_view()),
    path("v1/completions", views.CompletionsView.as_view()),
    path("v1/responses", responses.ResponsesView.as_view()),
    path("v1/responses/<str:public_id>", responses.ResponseView.as_view()),
    path("v1/responses/<str:public_id>/input_items", responses.InputItemsView.as_view()),
    path("v1/responses/<str:public_id>/cancel", responses.CancelView.as_view()),
    path("v1/embeddings", views.EmbeddingsView.as_view()),
    path("v1/messages", views.MessagesView.as_view()),
    path("v1/messages/count_tokens", views.CountTokensView.as_view()),
    path("v1/rerank", RerankView.as_view()),
    path("v1/files", FilesView.as_view()),
    path("v1/files/<str:file_id>", FileView.as_view()),
    path("v1/files/<str:file_id>/content", FileContentView.as_view()),
    path("v1/batches", BatchesView.as_view()),
    path("v1/batches/<str:batch_id>", BatchView.as_view()),
    path("v1/batches/<str:batch_id>/cancel", BatchCancelView.as_view()),
    path("v1/vector_stores", vector_stores.StoresView.as_view()),
    path("v1/vector_stores/<str:store_id>", vector_stores.StoreView.as_view()),
    path("v1/vector_stores/<str:store_id>/search", vector_stores.SearchView.as_view()),
    path("v1/vector_stores/<str:store_id>/files", store_files.StoreFilesView.as_view()),
    path("v1/vector_stores/<str:store_id>/files/<str:file_id>", store_files.StoreFileView.as_view()),
    path("v1/vector_stores/<str:store_id>/files/<str:file_id>/content", store_files.StoreFileContentView.as_view()),
    path("v1/vector_stores/<str:store_id>/file_batches", store_files.FileBatchesView.as_view()),
    path("v1/vector_stores/<str:store_id>/file_batches/<str:batch_id>", store_files.FileBatchView.as_view()),
    path(
        "v1/vector_stores/<str:store_id>/file_batches/<str:batch_id>/cancel", store_files.FileBatchCancelView.as_view()
    ),
    path("v1/vector_stores/<str:store_id>/file_batches/<str:batch_id>/files", store_files.FilesOfBatchView.as_view()),
    path("v1/organization/usage/completions", organization.CompletionsView.as_view()),
    path("v1/organization/usage/embeddings", organization.EmbeddingsView.as_view()),
    path("v1/organization/usage/rerank", organization.RerankView.as_view()),
    path("v1/organization/costs", organization.CostsView.as_view()),
    path("v1/models", views.ModelsView.as_view()),
    path("v1/models/<path:name>", views.ModelView.as_view()),
    path("healthz", healthy),
    path("readyz", ready),
    path("metrics", measured),
    path("internal/authorize", authorized),
]
