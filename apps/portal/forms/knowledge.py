"""Vector stores, the files that go into them, and what is searched for."""

import re
from collections.abc import Sequence
from typing import Any

from django import forms

from apps.keys.contracts import KeyRow
from apps.knowledge.contracts import AUTO, NONE, Wanted, Weights

MOST_AT_ONCE = 50
NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,15})?")
TRUTHS = {"true": True, "false": False}
OPERATORS = {
    "eq": "is",
    "ne": "is not",
    "gt": "is more than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
    "in": "is one of",
    "nin": "is none of",
}
LEANINGS = {
    "both": ("Both", Weights()),
    "meaning": ("Meaning", Weights(embedding=1.0, text=0.0)),
    "words": ("Words", Weights(embedding=0.0, text=1.0)),
}


class ChangeStoreForm(forms.Form):
    """What of a store can be changed."""

    name = forms.CharField(max_length=256, help_text="What is in it: “Manuals”, “Contracts of 2026”.")
    description = forms.CharField(max_length=512, required=False)
    expires_days = forms.IntegerField(
        label="Expires after days without use",
        required=False,
        min_value=1,
        max_value=365,
        widget=forms.NumberInput(attrs={"placeholder": "Never"}),
        help_text="A search or a new file puts it off.",
    )


class StoreForm(ChangeStoreForm):
    """Its key says to which project it belongs."""

    key = forms.ChoiceField(
        label="Key that pays",
        help_text="The store belongs to this key's project. The key's budget and limits hold for what is embedded.",
    )
    embedding_model = forms.ChoiceField(
        label="Embedding model", help_text="With another one later, all that is in it is embedded anew."
    )

    def __init__(
        self, *args: Any, keys: Sequence[KeyRow], models: Sequence[str], project: str | None = None, **options: Any
    ) -> None:
        own = [key for key in keys if key.project_slug == project]
        super().__init__(*args, **options)
        self.initial["key"] = own[0].public_id if own else None
        self.fields["key"].choices = _by_project(keys)  # type: ignore[attr-defined]
        self.fields["embedding_model"].choices = [(name, name) for name in models]  # type: ignore[attr-defined]


class ModelForm(forms.Form):
    embedding_model = forms.ChoiceField(
        label="Another model",
        help_text="All passages are embedded anew, paid by the store's key; until then searches use the present model.",
    )

    def __init__(self, *args: Any, models: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["embedding_model"].choices = [(name, name) for name in models]  # type: ignore[attr-defined]


def _by_project(keys: Sequence[KeyRow]) -> list[tuple[str, Any]]:
    """Under their projects' names, where there are several."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for key in keys:
        groups.setdefault(key.project_name, []).append((key.public_id, key.name))
    return list(groups.items()) if len(groups) > 1 else [one for group in groups.values() for one in group]


class SeveralFiles(forms.FileField):
    """Files that are chosen together."""

    widget = type("SeveralFilesInput", (forms.ClearableFileInput,), {"allow_multiple_selected": True})

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        files = list(data) if isinstance(data, list | tuple) else [data]
        return [super(SeveralFiles, self).clean(file, initial) for file in files or [None]]


class UploadForm(forms.Form):
    chosen = SeveralFiles(label="Files to add", allow_empty_file=True, max_length=255)

    def clean_chosen(self) -> list[Any]:
        files: list[Any] = self.cleaned_data["chosen"]
        if len(files) > MOST_AT_ONCE:
            raise forms.ValidationError(f"At most {MOST_AT_ONCE} files at once; take the rest after them.")
        return files


class SearchForm(forms.Form):
    q = forms.CharField(label="Question", max_length=1000)
    most = forms.TypedChoiceField(
        label="Results", coerce=int, choices=[(5, "5"), (10, "10"), (20, "20"), (50, "50")], initial=10, required=False
    )
    by = forms.ChoiceField(
        label="What counts",
        choices=[(slug, label) for slug, (label, _) in LEANINGS.items()],
        initial="both",
        required=False,
    )
    ranker = forms.ChoiceField(
        label="Reranking",
        initial=AUTO,
        required=False,
        help_text="By a model that reads the question with each passage.",
    )
    widens = forms.BooleanField(
        label="Go on along the graph",
        required=False,
        help_text="A quarter of the results may be passages that what was found leads to.",
    )
    key = forms.CharField(label="Attribute", max_length=64, required=False)
    operator = forms.ChoiceField(label="Comparison", choices=list(OPERATORS.items()), required=False)
    value = forms.CharField(label="Value", max_length=512, required=False, help_text="Several: with commas between.")

    def __init__(self, *args: Any, rankers: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        choices = [(AUTO, "The platform's choice"), (NONE, "None"), *((name, name) for name in rankers)]
        self.fields["ranker"].choices = choices  # type: ignore[attr-defined]

    def wanted(self) -> Wanted:
        values = self.cleaned_data
        _, weights = LEANINGS[values["by"] or "both"]
        return Wanted(
            filters=filter_of(values["key"], values["operator"] or "eq", values["value"]) if values["key"] else None,
            most=values["most"] or 10,
            weights=weights,
            ranker=values["ranker"] or AUTO,
            widens=values["widens"],
        )


def filter_of(key: str, operator: str, text: str) -> dict[str, Any]:
    """OpenAI's filter. What can be read as a number or a truth value is looked for as that and as a text."""
    if operator in ("eq", "ne", "in", "nin"):
        listed = text.split(",") if operator in ("in", "nin") else [text]
        values = [value for one in listed for value in _readings(one.strip())]
        return {"type": "in" if operator in ("eq", "in") else "nin", "key": key, "value": values}
    return {"type": operator, "key": key, "value": float(text) if NUMBER.fullmatch(text) else text}


def _readings(text: str) -> list[Any]:
    if NUMBER.fullmatch(text):
        return [text, float(text)]
    return [text, TRUTHS[text.lower()]] if text.lower() in TRUTHS else [text]
