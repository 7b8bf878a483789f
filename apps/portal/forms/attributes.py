"""The attributes of a file in a vector store: names, and values of three kinds."""

import re
from math import isfinite
from typing import Any

from django import forms

from apps.knowledge.contracts import Attributes
from apps.portal.forms.knowledge import TRUTHS

NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
WHOLE = 1e15  # below, a float has each digit of a whole number
MOST, BLANK = 16, 3  # as OpenAI has it; rows that are offered beyond what is there
KINDS = {"text": "Text", "number": "Number", "truth": "True or false"}


class AttributeForm(forms.Form):
    """One of them; a row without a name and a value is none."""

    name = forms.CharField(max_length=64, required=False)
    kind = forms.ChoiceField(choices=list(KINDS.items()), required=False)
    value = forms.CharField(max_length=512, required=False, strip=False)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        name, kind, text = (values.get(field) or "" for field in ("name", "kind", "value"))
        if text and not name and "name" not in self.errors:
            self.add_error("name", "This value has no name.")
        if not name or self.errors:
            return values
        if kind == "number" and not _is_number(text):
            self.add_error("value", "Write a number, such as 2026 or -1.5.")
        elif kind == "truth" and text.strip().lower() not in TRUTHS:
            self.add_error("value", "Write true or false.")
        return values

    @property
    def read(self) -> str | float | bool:
        """The value, of a form that is valid."""
        text: str = self.cleaned_data["value"]
        match self.cleaned_data["kind"]:
            case "number":
                return float(text)
            case "truth":
                return TRUTHS[text.strip().lower()]
        return text


class AttributesFormSet(forms.BaseFormSet):  # type: ignore[type-arg]  # Django itself is not generic
    def clean(self) -> None:
        names = [form.cleaned_data["name"] for form in self.forms if form.is_valid() and form.cleaned_data.get("name")]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise forms.ValidationError(f"“{doubled[0]}” stands there twice; each name has one value.")
        if len(names) > MOST:
            raise forms.ValidationError(f"A file has at most {MOST} attributes.")


AttributesForm = forms.formset_factory(
    AttributeForm, formset=AttributesFormSet, extra=BLANK, max_num=MOST, absolute_max=MOST + BLANK
)


def attributes_of(rows: "forms.BaseFormSet[AttributeForm]") -> Attributes:
    """Of rows that are valid."""
    return {form.cleaned_data["name"]: form.read for form in rows.forms if form.cleaned_data.get("name")}


def initial_of(attributes: Attributes) -> list[dict[str, str]]:
    return [{"name": name, "kind": _kind(value), "value": _written(value)} for name, value in attributes.items()]


def _kind(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "truth"
    return "number" if isinstance(value, int | float) else "text"


def _written(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < WHOLE else str(value)


def _is_number(text: str) -> bool:
    return NUMBER.fullmatch(text.strip()) is not None and isfinite(float(text))
