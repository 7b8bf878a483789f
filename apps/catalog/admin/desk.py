"""The base of the catalog's pages: whatever is saved or deleted raises the catalog's revision with it."""

from typing import Any

from django.db import models, transaction
from django.http import HttpRequest

from apps.catalog.services import raise_catalog_revision
from apps.common.desk import Desk


class CatalogDesk(Desk):
    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        raise_catalog_revision()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with transaction.atomic():
            super().delete_model(request, obj)
            raise_catalog_revision()

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        with transaction.atomic():
            super().delete_queryset(request, queryset)
            raise_catalog_revision()
