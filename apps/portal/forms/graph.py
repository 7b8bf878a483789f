"""How a store's graph is built, and what of it is shown."""

from collections.abc import Sequence
from typing import Any

from django import forms

from apps.knowledge.graph.contracts import TYPES

OFFLINE = "offline"
SURE = (("0", "All"), ("0.3", "Stated"), ("0.6", "Rather sure"), ("0.8", "Very sure"))
"""Confidences: standing in one sentence has less than what is stated."""


class BuildForm(forms.Form):
    by = forms.ChoiceField(
        label="Names and relations are found by",
        help_text="A language model finds more and better, reads each passage once, and costs what its tokens cost.",
    )

    def __init__(self, *args: Any, models: Sequence[str], built_by: str = "", **options: Any) -> None:
        """`built_by`: the model of the graph that there is; with another one it is built anew."""
        super().__init__(*args, **options)
        self.initial["by"] = built_by or OFFLINE
        offline = (OFFLINE, "The platform itself, offline (English; free)")
        self.fields["by"].choices = [offline, *((name, name) for name in models)]  # type: ignore[attr-defined]


class EntitiesForm(forms.Form):
    q = forms.CharField(label="Name", required=False, max_length=200, strip=True)
    kind = forms.ChoiceField(
        label="Type", required=False, choices=[("", "All types"), *((kind, kind.capitalize()) for kind in TYPES)]
    )
    sure = forms.ChoiceField(label="Relations", required=False, choices=SURE)

    def least(self) -> float:
        return float(self.cleaned_data["sure"] or 0) if self.is_valid() else 0.0
