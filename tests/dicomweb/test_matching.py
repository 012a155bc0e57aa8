"""Attribute matching on DICOM JSON."""

import fnmatch
import re
import time

from hypothesis import given
from hypothesis import strategies as st

from backend.dicomweb.matching import fulfils, whole_time, wildcard
from backend.dicomweb.model import Level
from backend.dicomweb.parameters import parse_search

DATASET = {
    "00080020": {"vr": "DA", "Value": ["20260115"]},
    "00080030": {"vr": "TM", "Value": ["101500.5"]},
    "00081030": {"vr": "LO", "Value": ["胸部CT平扫"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Zhang^San", "Ideographic": "张^三"}]},
    "00200010": {"vr": "SH"},
    "00200011": {"vr": "IS", "Value": [3]},
    "00400275": {"vr": "SQ", "Value": [{}, {"00400009": {"vr": "SH", "Value": ["STEP7"]}}]},
}


def meets(**query: str) -> bool:
    asked = parse_search(Level.SERIES, {k.replace("__", "."): [v] for k, v in query.items()})
    assert asked.matches
    return fulfils(DATASET, asked.matches)


def test_forms_of_matching() -> None:
    assert meets(StudyDate="20260101-20260131")
    assert not meets(StudyDate="20260116-")
    assert meets(StudyTime="10-11")
    assert meets(StudyTime="1015")
    assert not meets(StudyTime="1016-")
    assert meets(StudyDescription="*CT*")
    assert not meets(StudyDescription="CT*")
    assert meets(PatientName="zhang*")
    assert meets(PatientName="张*")
    assert not meets(PatientName="李*")
    assert meets(SeriesNumber="3")
    assert not meets(SeriesNumber="4")
    assert meets(RequestAttributesSequence__ScheduledProcedureStepID="STEP7")
    assert not meets(RequestAttributesSequence__ScheduledProcedureStepID="STEP8")


def test_absent_and_empty_attributes_match_nothing() -> None:
    assert not meets(StudyID="1")
    assert not meets(AccessionNumber="A*")


def test_times() -> None:
    assert whole_time("10") == "100000.000000"
    assert whole_time("10:15:30.25") == "101530.250000"


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=10))
def test_wildcards_equal_regular_expressions(pattern: str, text: str) -> None:
    assert wildcard(pattern, text) == bool(re.fullmatch(fnmatch.translate(pattern), text))


def test_hostile_patterns_end_soon() -> None:
    begun = time.process_time()
    assert not wildcard("*a" * 500 + "*b", "a" * 1000)
    assert time.process_time() - begun < 1
