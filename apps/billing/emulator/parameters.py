"""What an endpoint accepts, declared as a table of parameters, and how each is read from a form's strings.

The messages and codes are Stripe's own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from apps.billing.emulator import form
from apps.billing.emulator.errors import InvalidParameter, missing, unknown

Fields = dict[str, Any]
URL = re.compile(r"^https?://[^\s/?#]+\S*$")
EMAIL = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$|^[^@\s]+@localhost$")
MOST_METADATA = 50
LONGEST_METADATA_NAME = 40
LONGEST_METADATA_VALUE = 500
LATEST = 253_402_300_799
LARGEST_AMOUNT = 99_999_999


class Parameter(Protocol):
    @property
    def required(self) -> bool: ...

    @property
    def clears(self) -> bool:
        """Whether an empty string unsets the field."""

    def read(self, name: str, value: Any) -> Any:
        """The value as Python knows it; raises InvalidParameter."""


def read_all(table: Mapping[str, Parameter], given: Fields, *, within: str = "") -> Fields:
    """The given fields, checked; those not given are absent from the result."""
    found: Fields = {}
    for name, value in given.items():
        full = f"{within}[{name}]" if within else name
        if name not in table:
            raise unknown(full)
        found[name] = _read(table[name], full, value)
    for name, parameter in table.items():
        if parameter.required and name not in found:
            raise missing(f"{within}[{name}]" if within else name)
    return found


def _read(parameter: Parameter, name: str, value: Any) -> Any:
    if value == "" or value is None:
        if parameter.clears:
            return None
        raise InvalidParameter(
            f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; "
            f"however '{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty "
            "value.",
            code="parameter_invalid_empty",
            param=name,
        )
    return parameter.read(name, value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidParameter("Invalid string: " + str(value)[:100], param=name)
    return value


@dataclass(frozen=True)
class Text:
    required: bool = False
    clears: bool = False
    longest: int = 5000

    def read(self, name: str, value: Any) -> str:
        text = _text(name, value)
        if len(text) > self.longest:
            raise InvalidParameter(
                f"Invalid string: {text[:12]}…; must be at most {self.longest} characters",
                code="parameter_invalid_string_too_long",
                param=name,
            )
        return text


@dataclass(frozen=True)
class Url:
    required: bool = False
    clears: bool = False

    def read(self, name: str, value: Any) -> str:
        text = _text(name, value)
        if not URL.match(text) or len(text) > 5000:
            raise InvalidParameter("Not a valid URL", code="url_invalid", param=name)
        return text


@dataclass(frozen=True)
class Email:
    required: bool = False
    clears: bool = False

    def read(self, name: str, value: Any) -> str:
        text = _text(name, value)
        if not EMAIL.match(text) or len(text) > 512:
            raise InvalidParameter(f"Invalid email address: {text[:100]}", code="email_invalid", param=name)
        return text


@dataclass(frozen=True)
class Choice:
    words: tuple[str, ...]
    required: bool = False
    clears: bool = False

    def read(self, name: str, value: Any) -> str:
        text = _text(name, value)
        if text not in self.words:
            raise InvalidParameter(f"Invalid {name}: must be {_either(self.words)}", param=name)
        return text


def _either(words: tuple[str, ...]) -> str:
    if len(words) == 1:
        return words[0]
    return f"one of {', '.join(words[:-1])}{',' if len(words) > 2 else ''} or {words[-1]}"


@dataclass(frozen=True)
class Whole:
    required: bool = False
    clears: bool = False
    least: int = 0
    most: int = LATEST

    def read(self, name: str, value: Any) -> int:
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(name, value)
        if not re.fullmatch(r"-?\d{1,18}", text):
            raise InvalidParameter(f"Invalid integer: {text[:100]}", code="parameter_invalid_integer", param=name)
        number = int(text)
        if number < self.least:
            bound = "greater than or equal to " + str(self.least)
            raise InvalidParameter(f"This value must be {bound}.", code="parameter_invalid_integer", param=name)
        if number > self.most:
            bound = "less than or equal to " + str(self.most)
            raise InvalidParameter(f"This value must be {bound}.", code="parameter_invalid_integer", param=name)
        return number


@dataclass(frozen=True)
class Fraction:
    """A decimal number with at most 12 places, kept as Stripe writes it: a string."""

    required: bool = False
    clears: bool = False
    places: int = 12

    def read(self, name: str, value: Any) -> str:
        text = _text(name, value)
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or abs(number) > 10**15:
            raise InvalidParameter(f"Invalid decimal: {text[:100]}", param=name)
        normal = number.normalize()
        exponent = normal.as_tuple().exponent
        if isinstance(exponent, int) and -exponent > self.places:
            raise InvalidParameter(
                f"Invalid decimal: {text[:100]}; must contain at maximum {self.places} decimal places.", param=name
            )
        return format(normal, "f")


@dataclass(frozen=True)
class Flag:
    required: bool = False
    clears: bool = False

    def read(self, name: str, value: Any) -> bool:
        text = str(value).lower()
        if text not in ("true", "false"):
            raise InvalidParameter(f"Invalid boolean: {str(value)[:100]}", param=name)
        return text == "true"


@dataclass(frozen=True)
class Word:
    """One of some words, or else what another parameter reads: `trial_end` is `now` or a time."""

    words: tuple[str, ...]
    otherwise: Parameter
    required: bool = False
    clears: bool = False

    def read(self, name: str, value: Any) -> Any:
        return value if value in self.words else self.otherwise.read(name, value)


@dataclass(frozen=True)
class Group:
    fields: Mapping[str, Parameter]
    required: bool = False
    clears: bool = False

    def read(self, name: str, value: Any) -> Fields:
        if not isinstance(value, dict):
            raise InvalidParameter("Invalid object", param=name)
        return read_all(self.fields, value, within=name)


@dataclass(frozen=True)
class Many:
    each: Parameter
    required: bool = False
    clears: bool = False
    most: int = 500

    def read(self, name: str, value: Any) -> list[Any]:
        value = form.listed(value)
        if not isinstance(value, list):
            raise InvalidParameter("Invalid array", param=name)
        if len(value) > self.most:
            raise InvalidParameter(f"Array too long: at most {self.most}", param=name)
        return [_read(self.each, f"{name}[{number}]", one) for number, one in enumerate(value)]


@dataclass(frozen=True)
class Names:
    """An object of strings under names of the caller's choice, such as a meter event's payload."""

    required: bool = False
    clears: bool = False

    def read(self, name: str, value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise InvalidParameter("Invalid object", param=name)
        return {key: _text(f"{name}[{key}]", one) for key, one in value.items()}


@dataclass(frozen=True)
class Metadata:
    """Merged with what is there: a name with an empty value is unset, an empty string in its place unsets all."""

    required: bool = False
    clears: bool = True

    def read(self, name: str, value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise InvalidParameter("Invalid object", param=name)
        for key, one in value.items():
            full = f"{name}[{key}]"
            if len(key) > LONGEST_METADATA_NAME:
                raise InvalidParameter(f"Metadata keys can be at most {LONGEST_METADATA_NAME} characters", param=full)
            if not isinstance(one, str):
                raise InvalidParameter("Metadata values must be strings", param=full)
            if len(one) > LONGEST_METADATA_VALUE:
                raise InvalidParameter(
                    f"Metadata values can have up to {LONGEST_METADATA_VALUE} characters, but you passed in a value "
                    f"that is {len(one)} characters.",
                    param=full,
                )
        return dict(value)


def merge_metadata(present: dict[str, str], given: dict[str, str] | None) -> dict[str, str]:
    """Raises InvalidParameter when there would be too many."""
    if given is None:
        return {}
    merged = {name: value for name, value in {**present, **given}.items() if value != ""}
    if len(merged) > MOST_METADATA:
        raise InvalidParameter(f"Metadata can have at most {MOST_METADATA} keys", param="metadata")
    return merged


ADDRESS = Group(
    {name: Text(clears=True) for name in ("city", "country", "line1", "line2", "postal_code", "state")},
    clears=True,
)
EXPAND = Many(Text())
METADATA = Metadata()
CURRENCY = Choice(("usd", "eur", "gbp", "chf", "cad", "aud", "sek", "nok", "dkk", "pln", "jpy"))
CURRENCY_REQUIRED = Choice(CURRENCY.words, required=True)
TIME = Whole(most=LATEST)


@dataclass(frozen=True)
class Times:
    """An exact time, or a range of times."""

    required: bool = False
    clears: bool = False
    bounds: Group = field(default_factory=lambda: Group(dict.fromkeys(("gt", "gte", "lt", "lte"), TIME)))

    def read(self, name: str, value: Any) -> dict[str, int]:
        if isinstance(value, dict):
            return self.bounds.read(name, value)
        exact = TIME.read(name, value)
        return {"gte": exact, "lte": exact}
