"""Names: groups, readings, tokens, queries."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.archive.model import PersonName
from backend.archive.names import NameQuery, folded, parse_name, readings, tokens


def plain(kind: str, value: str) -> str:
    return f"{kind}:{value}"


def found(query: str, name: str, *, exact: bool = False) -> bool:
    """Whether the query finds the name: by its token, if it has one, and by the check."""
    asked, person = NameQuery(query, exact), parse_name(name)
    token = asked.lookup(plain)
    return asked.matches(person) and (not token or token in tokens(person, plain))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Zhang^XiaoDong=张^小东=", PersonName("Zhang^XiaoDong", "张^小东", "")),
        ("张^小东", PersonName("", "张^小东", "")),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", PersonName("Yamada^Tarou", "山田^太郎", "やまだ^たろう")),
        ("Wang^XiaoDong^^Dr.^^", PersonName("Wang^XiaoDong^^Dr.", "", "")),
        ("", PersonName()),
    ],
)
def test_groups(text: str, expected: PersonName) -> None:
    assert parse_name(text) == expected


@pytest.mark.parametrize(
    ("han", "reading"),
    [
        ("单小东", "shan xiao dong"), ("曾国藩", "zeng guo fan"), ("解晓东", "xie xiao dong"), ("仇英", "qiu ying"), ("区大年", "ou da nian"),
        ("查良镛", "zha liang yong"), ("任重", "ren zhong"), ("吕娜", "lv na"), ("吕娜", "lu na"), ("张䶮", "zhang yan"),
        ("重庆", "chong qing"),
    ],
)  # fmt: skip
def test_readings_of_surnames(han: str, reading: str) -> None:
    assert tuple(reading.split()) in readings(han)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("张", "张^晓东"), ("张*", "张晓东"), ("*晓*", "张晓东"), ("晓东", "张^晓东"), ("张晓东", "张^晓东"), ("张?东", "张晓东"),
        ("zhang", "张晓东"), ("zhangxiao", "张晓东"), ("ZhangXiaoDong", "张晓东"), ("zhang^xiao*", "张晓东"), ("zhang xiao dong", "张晓东"),
        ("zhangxiaod", "张晓东"), ("xiaodong", "张晓东"), ("zxd", "张晓东"), ("ZX", "张晓东"), ("lvna", "吕娜"), ("luna", "吕娜"),
        ("lüna", "吕娜"),
        ("shan", "单小东"), ("dan", "单小东"), ("阿依努尔·买买提", "阿依努尔·买买提"), ("阿依努尔买买提", "阿依努尔·买买提"),
        ("买买提", "阿依努尔·买买提"),
        ("ayinuer", "阿依努尔·买买提"), ("Zhang^XiaoDong", "Zhang^XiaoDong=张^小东"), ("XiaoDong", "Zhang^XiaoDong"), ("jerome", "Buc^Jérôme"),
        ("bj", "Buc^Jérôme"), ("陈䶮", "陈䶮"), ("王𬱖", "王𬱖"), ("欧阳*", "欧阳晓东"), ("*東", "單曉東"), ("zhang*dong", "张晓东"),
    ],
)  # fmt: skip
def test_names_are_found(query: str, name: str) -> None:
    assert found(query, name)


@pytest.mark.parametrize(
    ("query", "name", "exact"),
    [
        ("李", "张晓东", False), ("晓张", "张晓东", False), ("张", "张晓东", True), ("zhang", "张晓东", True), ("zhangd", "张晓东", False),
        ("zdx", "张晓东", False), ("张*李", "张晓东", False), ("*晓", "张晓东", False), ("ong", "张晓东", False),
    ],
)  # fmt: skip
def test_other_names_are_not(query: str, name: str, exact: bool) -> None:
    assert not found(query, name, exact=exact)


@settings(max_examples=200, deadline=None)
@given(st.text("张李王晓东娜单曾𬱖䶮", min_size=1, max_size=5), st.data())
def test_every_run_of_a_name_finds_it_and_tokens_stay_few(name: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(name) - 1))
    end = data.draw(st.integers(start + 1, len(name)))
    assert found(name[start:end], name) and found(f"*{name[start:end]}*", name)
    reading = data.draw(st.sampled_from(readings(name)))
    assert found("".join(reading), name) and found("".join(s[0] for s in reading), name)
    assert len(tokens(parse_name(name), plain)) < 300


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_taken(text: str) -> None:
    name = parse_name(text)
    assert name.shown is not None and len(tokens(name, plain)) < 1500
    NameQuery(text).lookup(plain)
    NameQuery(text).matches(name)
    assert folded(folded(text)) == folded(text)
