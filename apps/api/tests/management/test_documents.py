"""The OpenAPI document is whole and valid, and its pages run under the strict policy."""

import json
from io import StringIO

from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, get_resolver

from apps.api.management.urls import urlpatterns


def test_the_document_is_valid_and_without_warnings() -> None:
    call_command("spectacular", "--fail-on-warn", "--validate", stdout=StringIO())


def test_the_document_names_every_endpoint_of_both_apis() -> None:
    document = json.loads(Client().get("/api/v1/schema").content)
    patterns = [*urlpatterns, *get_resolver("apps.api.urls").url_patterns]
    routes = {str(pattern.pattern) for pattern in patterns if isinstance(pattern, URLPattern)}
    hidden = {"schema", "docs", "", "<path:rest>", "healthz", "readyz", "metrics", "internal/authorize"}
    assert len(document["paths"]) >= len(routes - hidden)
    assert document["components"]["schemas"]["ChatRequest"]["properties"]["messages"]
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert all(operation.get("operationId") and operation.get("description") for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_the_pages_have_nothing_inline() -> None:
    text = Client().get("/api/v1/docs").content.decode()
    assert "<style" not in text and "style=" not in text and "<script>" not in text
