"""The Native DICOM Model in XML against dcmtk's."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from xml.etree import ElementTree

from backend.dicomweb.native_xml import native_xml
from tests.dicomweb.house import DicomWebHouse, parts_of, tiny
from tests.dicomweb.test_wado import received

XML = 'multipart/related; type="application/dicom+xml"'


def leaves(root: ElementTree.Element) -> dict[str, tuple[str, list[str]]]:
    """Tag path -> (vr, values) of everything that holds text; numbers are compared as numbers."""
    found: dict[str, tuple[str, list[str]]] = {}

    def walk(parent: ElementTree.Element, path: str) -> None:
        for attribute in parent.findall("DicomAttribute"):
            here = f"{path}/{attribute.get('tag')}{attribute.get('privateCreator', '')}"
            vr = attribute.get("vr", "")
            for item in attribute.findall("Item"):
                walk(item, f"{here}/{item.get('number')}")
            texts = [e.text or "" for e in attribute.iter() if e.tag in ("Value", "FamilyName", "GivenName")]
            if vr in ("DS", "IS", "FD", "FL"):
                texts = [f"{float(text):.6g}" for text in texts if text]
            if vr not in ("SQ", "OW", "OB", "UN") and any(texts):
                found[here] = (vr, texts)

    walk(root, "")
    return found


async def test_the_same_as_dcmtk(house: DicomWebHouse, slices: list[Path]) -> None:
    _, _, path = await received(house, slices[0])
    response = await house.ask(f"{path}/metadata", await house.token(), Accept=XML)
    ((head, body),) = parts_of(response)
    assert head["Content-Type"] == "application/dicom+xml"
    ours = ElementTree.fromstring(body)
    assert ours.tag == "NativeDicomModel"
    command = ["dcm2xml", "--native-format", "-q", str(slices[0])]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=True)
    theirs = leaves(ElementTree.fromstring(done.stdout))
    mine = leaves(ours)
    shared = {key for key in theirs if not key.startswith("/0002")}
    assert len(shared) > 60
    assert {key: mine.get(key) for key in shared} == {key: theirs[key] for key in shared}
    pixels = next(e for e in ours if e.get("keyword") == "PixelData")
    assert pixels[0].tag == "BulkData"
    assert pixels[0].get("uri", "").endswith("/bulkdata/7FE00010")


async def test_searches_in_xml(house: DicomWebHouse) -> None:
    await house.store([tiny(1, PatientName="张^三"), tiny(2)])
    token = await house.token()
    parts = parts_of(await house.ask("/studies?PatientID=P00001", token, Accept=XML))
    (root,) = [ElementTree.fromstring(body) for _, body in parts]
    names = [e.text for e in root.iter() if e.tag in ("FamilyName", "GivenName")]
    assert "张" in names
    assert len(parts_of(await house.ask("/studies", token, Accept=XML))) == 2
    assert (await house.ask("/studies?PatientID=nobody", token, Accept=XML)).code == 204


def test_what_xml_cannot_hold() -> None:
    text = native_xml(
        {"00081030": {"vr": "LO", "Value": ["a\x1bb<&>\ud800"]}, "00091001": {"vr": "UN", "InlineBinary": "AAA="}}
    )
    root = ElementTree.fromstring(text)
    assert root[0][0].text == "a\ufffdb<&>\ufffd"
    assert root[1][0].text == "AAA="
