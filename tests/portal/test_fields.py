"""Whatever is sent becomes a plain value of ours or is refused; nothing else passes."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.platform.errors import Invalid
from backend.web.fields import Fields

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("$ne"), inner, max_size=3),
    max_leaves=8,
)


def plain(read: Any) -> Any:
    """What a reading gives, or None where it refuses."""
    try:
        return read()
    except Invalid as error:
        assert error.details["field"] == "x"
        return None


@given(JSON)
def test_only_plain_values_pass(value: Any) -> None:
    fields = Fields({"x": value})
    text = plain(lambda: fields.text("x"))
    assert text is None or (type(text) is str and 1 <= len(text) <= 200 and text.encode() and "\n" not in text)
    number = plain(lambda: fields.integer("x", low=-5, high=1000))
    assert number is None or (type(number) is int and -5 <= number <= 1000)
    day = plain(lambda: fields.day("x"))
    assert day is None or type(day) is date
    assert plain(lambda: fields.choice("x", ("a", "b"))) in (None, "a", "b")


@pytest.mark.parametrize("value", [True, 1.0, "1.0", "１", "0x1", " 1", "9" * 40, [1], {"$gt": 1}])
def test_what_only_looks_like_a_number(value: Any) -> None:
    with pytest.raises(Invalid):
        Fields({"x": value}).integer("x", low=0, high=10)


def test_bounds_patterns_and_defaults() -> None:
    fields = Fields({"x": " 张三 ", "n": "7", "d": "20261124", "e": ""})
    assert fields.text("x") == "张三" and fields.integer("n", low=0, high=7) == 7
    assert fields.day("d") == date(2026, 11, 24) and fields.day("e") is None
    assert fields.optional_text("e") == "" and fields.integer("none", low=0, high=9, default=3) == 3
    for read in (
        lambda: fields.text("x", longest=1),
        lambda: fields.text("x", pattern="[a-z]+"),
        lambda: fields.text("e"),
        lambda: fields.integer("n", low=8, high=9),
        lambda: fields.integer("none", low=0, high=9),
    ):
        with pytest.raises(Invalid):
            read()


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(Invalid) as caught:
        Fields({"x": 1, "roles": ["province_admin"]}, ("x",))
    assert caught.value.details["field"] == "roles"
