"""The staff's page of prices: a new price is a new version, an old one is never changed."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from apps.catalog.admin.desk import CatalogDesk
from apps.catalog.models import PriceVersion
from apps.catalog.services import beginning_of_price
from apps.common.desk import Desk, ReadOnlyInline, usd
from apps.common.errors import Invalid

UNIT = "US dollars a million tokens"
PRICES = ("input_price", "cached_input_price", "output_price", "reasoning_price", "search_price")


class PriceForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = PriceVersion
        fields = ("ai_model", "valid_from", *PRICES)
        help_texts = {
            **dict.fromkeys(PRICES, UNIT),
            "reasoning_price": f"{UNIT}; left empty, thoughts cost what other output does",
            "search_price": "US dollars a search: a query with up to a hundred documents",
        }

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or self.cleaned_data
        model = given.get("ai_model") or getattr(self.instance, "ai_model", None)
        if model is not None and model.pk and given.get("valid_from"):
            try:
                given["valid_from"] = beginning_of_price(model_id=model.pk, asked=given["valid_from"])
            except Invalid as error:
                self.add_error("valid_from", error.message)
        return given


class ShownInUsd:
    @admin.display(description="input", ordering="input_price")
    def input(self, price: PriceVersion) -> str:
        return usd(price.input_price)

    @admin.display(description="cached input", ordering="cached_input_price")
    def cached_input(self, price: PriceVersion) -> str:
        return usd(price.cached_input_price)

    @admin.display(description="output", ordering="output_price")
    def output(self, price: PriceVersion) -> str:
        return usd(price.output_price)

    @admin.display(description="reasoning", ordering="reasoning_price")
    def reasoning(self, price: PriceVersion) -> str:
        return "as output" if price.reasoning_price is None else usd(price.reasoning_price)

    @admin.display(description="a search", ordering="search_price")
    def search(self, price: PriceVersion) -> str:
        return usd(price.search_price)


SHOWN = ("input", "cached_input", "output", "reasoning", "search")


class PriceInline(ShownInUsd, ReadOnlyInline):
    """What is and was; a new version is added beside it."""

    model = PriceVersion
    verbose_name_plural = f"prices ({UNIT})"
    fields = readonly_fields = ("valid_from", *SHOWN)
    ordering = ("-valid_from",)


class NewPriceInline(admin.TabularInline):  # type: ignore[type-arg]
    model = PriceVersion
    form = PriceForm
    verbose_name = "new price"
    verbose_name_plural = f"new prices ({UNIT})"
    fields = ("valid_from", *PRICES)
    formfield_overrides = Desk.formfield_overrides
    extra = 0
    can_delete = False

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).none()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request, obj)


@admin.register(PriceVersion)
class PriceAdmin(ShownInUsd, CatalogDesk):
    form = PriceForm
    list_display = ("ai_model", "valid_from", *SHOWN, "created_at")
    list_select_related = ("ai_model",)
    list_filter = ("valid_from",)
    date_hierarchy = "valid_from"
    search_fields = ("ai_model__public_name",)
    autocomplete_fields = ("ai_model",)
    ordering = ("-valid_from",)

    def get_fields(self, request: HttpRequest, obj: PriceVersion | None = None) -> Any:
        return ("ai_model", "valid_from", *SHOWN, "created_at") if obj else ("ai_model", "valid_from", *PRICES)

    def get_readonly_fields(self, request: HttpRequest, obj: PriceVersion | None = None) -> Any:
        return self.get_fields(request, obj) if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: PriceVersion | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: PriceVersion | None = None) -> bool:
        return False
