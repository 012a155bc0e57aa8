"""The Native DICOM Model in XML (PS3.19 A.1), made of the DICOM JSON model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as Xml

from pydicom.datadict import keyword_for_tag

from .matching import DataSet

_NAME_PARTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
# XML 1.0 2.2 knows no other control characters, not even escaped.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def native_xml(dataset: DataSet) -> bytes:
    """The data set as an XML document in UTF-8. Characters that XML cannot hold become U+FFFD."""
    root = Xml.Element("NativeDicomModel", {"xml:space": "preserve"})
    _fill(root, dataset)
    text: str = Xml.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _fill(parent: Xml.Element, dataset: DataSet) -> None:
    for tag, held in dataset.items():
        attribute = Xml.SubElement(parent, "DicomAttribute", _named(dataset, tag, held["vr"]))
        if "BulkDataURI" in held:
            Xml.SubElement(attribute, "BulkData", {"uri": held["BulkDataURI"]})
        if "InlineBinary" in held:
            Xml.SubElement(attribute, "InlineBinary").text = held["InlineBinary"]
        for number, value in enumerate(held.get("Value", ()), 1):
            _value(attribute, held["vr"], str(number), value)


def _named(dataset: DataSet, tag: str, vr: str) -> dict[str, str]:
    """Tag, VR and keyword; of a private element its creator, and the tag without the block that was reserved for it (PS3.19 Table A.1.6-1)."""
    if int(tag[:4], 16) % 2 and tag[4:6] != "00":
        creator = dataset.get(f"{tag[:4]}00{tag[4:6]}", {}).get("Value", [None])[0]
        if creator:
            return {"tag": f"{tag[:4]}00{tag[6:]}", "vr": vr, "privateCreator": _UNWRITABLE.sub("\ufffd", str(creator))}
    keyword = keyword_for_tag(int(tag, 16))
    return {"tag": tag, "vr": vr, **({"keyword": keyword} if keyword else {})}


def _value(attribute: Xml.Element, vr: str, number: str, value: Any) -> None:
    if vr == "SQ":
        _fill(Xml.SubElement(attribute, "Item", {"number": number}), value or {})
    elif isinstance(value, Mapping):
        name = Xml.SubElement(attribute, "PersonName", {"number": number})
        for group, text in value.items():
            parts = Xml.SubElement(name, group)
            for part, component in zip(_NAME_PARTS, text.split("^"), strict=False):
                if component:
                    Xml.SubElement(parts, part).text = _UNWRITABLE.sub("\ufffd", component)
    elif value is not None:
        Xml.SubElement(attribute, "Value", {"number": number}).text = _UNWRITABLE.sub("\ufffd", str(value))
