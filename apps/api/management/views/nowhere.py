"""Paths below /api/v1 at which there is nothing."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from rest_framework.request import Request

from apps.api.management.base import ManagementView, described
from apps.common.errors import NotFound


@described(exclude=True)
class NowhereView(ManagementView):
    authentication_classes = []
    permission_classes = []

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if kwargs.get("rest", "").endswith("/") and not request.path.endswith("//"):
            return redirect(request.path.rstrip("/"), preserve_request=True)
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound(f"There is no {request.path[:100]!r} here; GET /api/v1/docs shows what there is.")
