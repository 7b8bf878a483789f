"""Adds /v1, whose views are not DRF's usual ones, to the OpenAPI document: from the very types that check requests."""

import re
from typing import Any, TypeVar

import msgspec
from django.urls import URLPattern

from apps.api.base import V1View
from apps.api.errors import ANTHROPIC
from apps.api.organization import BucketsView
from apps.api.schemas.files import BatchRequest, PageForm, UploadForm
from apps.api.urls import urlpatterns
from apps.api.views import InferenceView

Viewed = TypeVar("Viewed", bound=V1View)
REFERENCE = "#/components/schemas/{name}"
ERROR_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["message", "type", "param", "code", "request_id"],
    "properties": {
        "message": {"type": "string", "description": "A sentence for people"},
        "type": {"type": "string"},
        "param": {"type": ["string", "null"], "description": "What it is about"},
        "code": {"type": "string", "description": "Stable, for programs"},
        "request_id": {"type": "string"},
    },
}
ANTHROPIC_ERROR = {
    "type": "object",
    "required": ["type", "error", "request_id"],
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["type", "message", "code", "param", "details"],
            "properties": {
                **{name: ERROR_BODY["properties"][name] for name in ("type", "message", "code", "param")},
                "details": {"type": "object", "properties": {"error_code": {"type": "string"}}},
            },
        },
        "request_id": {"type": "string"},
    },
}
KEPT = "/v1/responses/{response_id}"
KEPT_OPERATIONS = {
    KEPT: {
        "get": ("get_response", "A response that was kept: for 30 days, unless it was made with store: false."),
        "delete": ("delete_response", "Deletes a response that was kept."),
    },
    f"{KEPT}/input_items": {"get": ("list_input_items", "What was asked of a response: limit, order and after.")},
    f"{KEPT}/cancel": {
        "post": ("cancel_response", "Stops a response in the background; one that has ended stays as it is.")
    },
}
FILE_FIELD = {"type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}}}
UPLOADS = (
    "Uploads a file or, by our own addition, fetches a page of the web from its url and keeps it as one; "
    "the file then tells its url, too."
)
BATCHES = "Answers the requests in a file within a day, at half the price."
ANY_OBJECT = {"type": "object", "additionalProperties": True}


def add_inference(result: Any, generator: Any, request: Any, public: bool) -> Any:
    """A hook of drf-spectacular (POSTPROCESSING_HOOKS)."""
    views = _views(InferenceView)
    types = [view.takes.schema for view in views.values()]
    _, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    result["components"]["schemas"].update(components)
    for path, view in views.items():
        result["paths"][path] = {"post": _operation(path, view)}
    _add_batches(result)
    _add_organization(result)
    result["paths"]["/v1/models"] = {"get": reading("list_models", "The models that this key may call.")}
    result["paths"]["/v1/models/{model}"] = {
        "get": {
            **reading("get_model", "One model."),
            "parameters": [in_path("model")],
        }
    }
    for path, operations in KEPT_OPERATIONS.items():
        result["paths"][path] = {
            method: {**reading(*described), "parameters": [in_path("response_id")]}
            for method, described in operations.items()
        }
    return result


def in_path(name: str) -> dict[str, Any]:
    return {"in": "path", "name": name, "required": True, "schema": {"type": "string"}}


def _add_batches(result: Any) -> None:
    """Files and batches."""
    _, components = msgspec.json.schema_components([BatchRequest, PageForm, UploadForm], ref_template=REFERENCE)
    result["components"]["schemas"].update(components)
    upload = {"allOf": [{"$ref": REFERENCE.format(name="UploadForm")}, FILE_FIELD]}
    page = {"$ref": REFERENCE.format(name="PageForm")}
    file = {"multipart/form-data": {"schema": upload}, "application/json": {"schema": page}}
    batch = {"$ref": REFERENCE.format(name="BatchRequest")}
    for path, method, name, description, body in (
        ("/v1/files", "get", "list_files", "The files of the key's project, newest first.", None),
        ("/v1/files", "post", "create_file", UPLOADS, file),
        ("/v1/files/{file_id}", "get", "get_file", "One file.", None),
        ("/v1/files/{file_id}", "delete", "delete_file", "Deletes a file.", None),
        ("/v1/files/{file_id}/content", "get", "get_file_content", "What is in a file.", None),
        ("/v1/batches", "get", "list_batches", "The batches of the key's project, newest first.", None),
        ("/v1/batches", "post", "create_batch", BATCHES, {"application/json": {"schema": batch}}),
        ("/v1/batches/{batch_id}", "get", "get_batch", "One batch.", None),
        ("/v1/batches/{batch_id}/cancel", "post", "cancel_batch", "Ends a batch, and keeps what was answered.", None),
    ):
        operation = reading(name, description)
        if body:
            operation["requestBody"] = {"required": True, "content": body}
        if parameter := re.search(r"{(\w+)}", path):
            text = {"type": "string"}
            operation["parameters"] = [{"in": "path", "name": parameter[1], "required": True, "schema": text}]
        result["paths"].setdefault(path, {})[method] = operation


def _add_organization(result: Any) -> None:
    """Usage and costs."""
    for path, view in _views(BucketsView).items():
        of = path.rpartition("/")[2]
        described = f"By hours or days (UTC): {of} of the account. The key must name the endpoint organization."
        fields = msgspec.json.schema_components([view.takes])[1][view.takes.__name__]
        result["paths"][path] = {
            "get": {
                **reading(f"get_organization_{of}", described),
                "parameters": [_in_query(view, name, fields) for name in view.takes.__struct_fields__],
            }
        }


def _in_query(view: type[BucketsView], name: str, fields: Any) -> dict[str, Any]:
    schema = fields["properties"][name]
    if name == "group_by":
        schema["items"] = {"enum": list(view.takes.GROUPS)}
    elif name == "bucket_width":
        schema["enum"] = list(view.takes.WIDTHS)
    is_list = name in view.takes.LISTS
    told = {"in": "query", "name": f"{name}[]" if is_list else name, "schema": schema}
    return {**told, "required": name in fields["required"]}


def _views(base: type[Viewed]) -> dict[str, type[Viewed]]:
    found = {}
    for pattern in urlpatterns:
        view = getattr(pattern.callback, "view_class", None) if isinstance(pattern, URLPattern) else None
        if view is not None and issubclass(view, base):
            found[f"/{pattern.pattern}"] = view
    return found


def _operation(path: str, view: type[InferenceView]) -> dict[str, Any]:
    name = view.takes.schema.__name__
    whose, error = ("Anthropic's", _error("AnthropicError")) if view.dialect is ANTHROPIC else ("OpenAI's", _error())
    body = {"application/json": {"schema": {"$ref": REFERENCE.format(name=name)}}}
    content: dict[str, Any] = {"application/json": {"schema": ANY_OBJECT}}
    if "stream" in view.takes.schema.__struct_fields__:
        content["text/event-stream"] = {"schema": {"type": "string"}}
    return {
        **reading(path.removeprefix("/v1/").replace("/", "_"), view.__doc__ or f"{whose} {path.removeprefix('/v1/')}."),
        "requestBody": {"required": True, "content": body},
        "responses": {"200": {"description": f"{whose} answer", "content": content}, "4XX": error, "5XX": error},
    }


def reading(operation_id: str, description: str) -> dict[str, Any]:
    answer = {"description": "OpenAI's answer", "content": {"application/json": {"schema": ANY_OBJECT}}}
    return {
        "operationId": operation_id,
        "description": description,
        "tags": ["inference"],
        "security": [{"apiKey": []}],
        "responses": {"200": answer, "4XX": _error()},
    }


def _error(name: str = "Error") -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": REFERENCE.format(name=name)}}}
    return {"description": "What was wrong", "content": content}


def add_errors(result: Any, generator: Any, request: Any, public: bool) -> Any:
    """A hook as well: each operation may answer with an error, in one form."""
    error = {"type": "object", "required": ["error"], "properties": {"error": ERROR_BODY}}
    result["components"]["schemas"] |= {"Error": error, "AnthropicError": ANTHROPIC_ERROR}
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"].setdefault("4XX", _error())
    return result
