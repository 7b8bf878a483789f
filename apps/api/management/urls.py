"""The routes of the management API, below /api/v1."""

from django.urls import path

from apps.api.management.documents import docs, schema
from apps.api.management.views import accounts, graph, graph_reading, keys, nowhere, own_key, projects, usage

app_name = "management"
ACCOUNT = "accounts/<slug:slug>"
PROJECT = f"{ACCOUNT}/projects/<slug:project>"
KEY = f"{ACCOUNT}/keys/<slug:key>"
GRAPH = "graph/<slug:store>"
ENTITY, RELATION = f"{GRAPH}/entities/<slug:entity>", f"{GRAPH}/relations/<slug:relation>"

urlpatterns = [
    path("schema", schema, name="schema"),
    path("docs", docs, name="docs"),
    path("key", own_key.OwnKeyView.as_view()),
    path("accounts", accounts.AccountsView.as_view()),
    path(ACCOUNT, accounts.AccountDetailView.as_view()),
    path(f"{ACCOUNT}/models", accounts.ModelsView.as_view()),
    path(f"{ACCOUNT}/projects", projects.ProjectsView.as_view()),
    path(PROJECT, projects.ProjectView.as_view()),
    path(f"{PROJECT}/archive", projects.ArchiveView.as_view()),
    path(f"{PROJECT}/restore", projects.RestoreView.as_view()),
    path(f"{ACCOUNT}/keys", keys.KeysView.as_view()),
    path(KEY, keys.KeyView.as_view()),
    path(f"{KEY}/disable", keys.DisableView.as_view()),
    path(f"{KEY}/enable", keys.EnableView.as_view()),
    path(f"{KEY}/revoke", keys.RevokeView.as_view()),
    path(f"{KEY}/rotate", keys.RotateView.as_view()),
    path(f"{ACCOUNT}/usage", usage.TotalsView.as_view()),
    path(f"{ACCOUNT}/usage/series", usage.SeriesView.as_view()),
    path(f"{ACCOUNT}/usage/requests", usage.RequestsView.as_view()),
    path(GRAPH, graph.GraphView.as_view()),
    path(f"{GRAPH}/estimate", graph.EstimateView.as_view()),
    path(f"{GRAPH}/files", graph.GraphDocumentsView.as_view()),
    path(f"{GRAPH}/merges", graph.MergesView.as_view()),
    path(f"{GRAPH}/merges/<slug:merge>/undo", graph.UndoView.as_view()),
    path(f"{GRAPH}/entities", graph_reading.EntitiesView.as_view()),
    path(ENTITY, graph_reading.EntityView.as_view()),
    path(f"{ENTITY}/neighbourhood", graph_reading.NeighbourhoodView.as_view()),
    path(f"{ENTITY}/passages", graph_reading.EntityPassagesView.as_view()),
    path(f"{GRAPH}/relations", graph_reading.RelationsView.as_view()),
    path(RELATION, graph_reading.RelationView.as_view()),
    path(f"{RELATION}/passages", graph_reading.RelationPassagesView.as_view()),
    path(f"{GRAPH}/path", graph_reading.PathView.as_view()),
    path(f"{GRAPH}/picture", graph_reading.PictureView.as_view()),
    path("", nowhere.NowhereView.as_view()),
    path("<path:rest>", nowhere.NowhereView.as_view()),
]
