"""Forms with brackets in their names."""

from typing import Any

import pytest

from apps.billing.emulator import form
from apps.billing.emulator.errors import InvalidParameter
from apps.billing.emulator.parameters import Many, Metadata, Text, read_all


@pytest.mark.parametrize(
    ("encoded", "found"),
    [
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a[b][c]=1&a[d]=2", {"a": {"b": {"c": "1"}, "d": "2"}}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("a[1]=y&a[0]=x", {"a": ["x", "y"]}),
        ("a[0][b]=1&a[1][b]=2&a[0][c]=3", {"a": [{"b": "1", "c": "3"}, {"b": "2"}]}),
        ("a[][b]=1&a[][c]=2&a[][b]=3", {"a": [{"b": "1", "c": "2"}, {"b": "3"}]}),
        ("a%5Bb%5D=%C3%BC", {"a": {"b": "ü"}}),
    ],
)
def test_what_is_read(encoded: str, found: dict[str, Any]) -> None:
    assert form.readable(form.parse(encoded)) == found


@pytest.mark.parametrize("encoded", ["[a]=1", "a[b=1", "a=1&a[b]=2", "a" + "[b]" * 9 + "=1", "a[[b]]=1"])
def test_what_cannot_be_read(encoded: str) -> None:
    with pytest.raises(InvalidParameter):
        form.parse(encoded)


def test_only_the_parameter_knows_whether_numbers_are_places() -> None:
    given = form.parse("metadata[7]=x&types[1]=b&types[0]=a")
    assert read_all({"metadata": Metadata(), "types": Many(Text())}, given) == {
        "metadata": {"7": "x"},
        "types": ["a", "b"],
    }
