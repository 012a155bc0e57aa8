"""Query parameters: each form of matching, each bound, and errors that name the parameter."""

import pytest

from backend.dicomweb.model import Function, Level, Search, Viewport, Window
from backend.dicomweb.parameters import parse_frames, parse_rendering, parse_search
from backend.platform.errors import Invalid


def search(query: dict[str, str | list[str]], level: Level = Level.STUDY) -> Search:
    return parse_search(level, {k: v if isinstance(v, list) else [v] for k, v in query.items()})


def test_keyword_and_tag_are_the_same() -> None:
    assert search({"00100020": "A1"}).matches == search({"PatientID": "A1"}).matches
    assert search({"PatientID": "A1"}).matches[0].values == ("A1",)


def test_path_into_a_sequence() -> None:
    (match,) = search({"RequestAttributesSequence.00400009": "S1"}, Level.SERIES).matches
    assert match.attribute.path == ("00400275", "00400009")


def test_lists_of_uids() -> None:
    (match,) = search({"StudyInstanceUID": ["1.2,1.3", "1.4\\1.5"]}).matches
    assert match.values == ("1.2", "1.3", "1.4", "1.5")
    (match,) = search({"ModalitiesInStudy": "CT,MR"}).matches
    assert match.values == ("CT", "MR")


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("20260102", "20260102", "20260102"),
        ("20260102-", "20260102", None),
        ("-20260102", None, "20260102"),
        ("20260101-20260131", "20260101", "20260131"),
    ],
)
def test_dates(text: str, low: str | None, high: str | None) -> None:
    (match,) = search({"StudyDate": text}).matches
    assert (match.low, match.high) == (low, high)


def test_times_given_in_part_cover_it_whole() -> None:
    (match,) = search({"StudyTime": "10-1130"}).matches
    assert (match.low, match.high) == ("100000.000000", "113059.999999")


@pytest.mark.parametrize("value", ["", "*"])
def test_universal_matching_selects_nothing(value: str) -> None:
    asked = search({"PatientName": value})
    assert asked.matches == ()
    assert asked.include[0].keyword == "PatientName"


def test_wild_cards_and_names() -> None:
    assert search({"StudyDescription": "胸部*"}).matches[0].pattern == "胸部*"
    assert search({"PatientName": "zhangsan", "fuzzymatching": "true"}).fuzzy


def test_includefield() -> None:
    asked = search({"includefield": ["StudyDescription,00081060", "all"]})
    assert [a.tag for a in asked.include] == ["00081030", "00081060"]
    assert asked.include_all


def test_what_is_not_done_is_said() -> None:
    asked = search({"PatientWeight": "70", "limit": "5000"})
    assert asked.matches == ()
    assert asked.limit == 500
    assert len(asked.warnings) == 2
    assert "PatientWeight" in asked.warnings[0]


def test_relational_matching_reaches_upwards_only() -> None:
    assert search({"PatientID": "1"}, Level.INSTANCE).matches
    assert not search({"SOPInstanceUID": "1.2"}, Level.STUDY).matches


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"PatientNmae": "x"}, "PatientNmae"),
        ({"includefield": "NoSuch"}, "includefield"),
        ({"StudyDate": "2026-01-01"}, "StudyDate"),
        ({"StudyDate": "20260230"}, "StudyDate"),
        ({"StudyDate": "20260202-20260101"}, "StudyDate"),
        ({"StudyDate": "-"}, "StudyDate"),
        ({"StudyTime": "2560"}, "StudyTime"),
        ({"StudyInstanceUID": "abc"}, "StudyInstanceUID"),
        ({"StudyInstanceUID": "1." * 40 + "1"}, "StudyInstanceUID"),
        ({"limit": "0"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"offset": "100001"}, "offset"),
        ({"fuzzymatching": "yes"}, "fuzzymatching"),
        ({"PatientID": ["a", "b"]}, "PatientID"),
        ({"PatientName": "x" * 2000}, "PatientName"),
        ({"$where": "1"}, "$where"),
    ],
)
def test_errors_name_the_parameter(query: dict[str, str | list[str]], parameter: str) -> None:
    with pytest.raises(Invalid) as error:
        search(query)
    assert error.value.details["parameter"] == parameter
    assert "参数" in error.value.text


def test_rendering() -> None:
    asked = parse_rendering({"window": ["40,400,sigmoid"], "viewport": ["256,128,10,20,-30,40"], "quality": ["70"]})
    assert asked.window == Window(40, 400, Function.SIGMOID)
    assert asked.viewport == Viewport(256, 128, 10, 20, -30, 40)
    assert asked.quality == 70
    assert parse_rendering({"viewport": ["256,128,,,,"]}).viewport == Viewport(256, 128)
    assert "annotation" in parse_rendering({"annotation": ["patient"]}).warnings[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("window", "40"),
        ("window", "40,0,linear"),
        ("window", "nan,400"),
        ("window", "40,1e99"),
        ("window", "40,400,cubic"),
        ("viewport", "100"),
        ("viewport", "0,100"),
        ("viewport", "100,9999"),
        ("viewport", "100,100,-1,0,10,10"),
        ("viewport", "100,100,0,0,0,10"),
        ("quality", "0"),
        ("quality", "101"),
        ("quality", "high"),
    ],
)
def test_rendering_errors_name_the_parameter(name: str, value: str) -> None:
    with pytest.raises(Invalid) as error:
        parse_rendering({name: [value]})
    assert error.value.details["parameter"] == name


def test_frames() -> None:
    assert parse_frames("1,3,2") == [1, 3, 2]
    for wrong in ("0", "", "a", "1,,2", ",".join(["1"] * 1001)):
        with pytest.raises(Invalid):
            parse_frames(wrong)
