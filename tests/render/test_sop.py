"""What an instance can be shown as."""

import pydicom.uid
import pytest

import render
from render.sop import _STORAGE, _TABLE
from tests.render import corpus

CT, US_CINE, PDF, SR, ECG = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2", "3.1", "104.1", "88.33", "9.1.1"))


@pytest.mark.parametrize(
    ("uid", "syntax", "frames", "shown"),
    [
        (CT, "", 1, render.Shown.IMAGE),
        (CT, "", 3, render.Shown.CINE),
        (US_CINE, "1.2.840.10008.1.2.4.50", 30, render.Shown.CINE),
        (US_CINE, "1.2.840.10008.1.2.4.50", 1, render.Shown.IMAGE),
        (US_CINE, "1.2.840.10008.1.2.4.102", 300, render.Shown.VIDEO),
        (PDF, "", 1, render.Shown.PDF),
        (SR, "", 1, render.Shown.REPORT),
        (ECG, "", 1, render.Shown.WAVEFORM),
        ("1.2.840.10008.5.1.4.1.1.481.5", "", 1, render.Shown.NONE),
        ("1.2.3.4", "", 1, render.Shown.NONE),
        ("", "", 1, render.Shown.NONE),
    ],
)
def test_how_it_is_shown(uid: str, syntax: str, frames: int, shown: render.Shown) -> None:
    found = render.sop_class(uid, syntax, frames)
    assert found.shown == shown and found.name


def test_every_row_is_a_storage_class_of_the_standard() -> None:
    newer_than_pydicom = {"66.7"}  # Label Map Segmentation, 2024c
    for end in _TABLE.keys() - newer_than_pydicom:
        assert pydicom.uid.UID(_STORAGE + end).name != _STORAGE + end, end


@corpus.each(corpus.sample_of_each_form())
def test_every_image_of_the_corpus_has_a_class_that_is_shown(entry: corpus.Entry) -> None:
    image = corpus.opened(entry)
    found = render.sop_class(image.format.sop_class_uid, image.format.transfer_syntax_uid, image.frame_count)
    assert found.shown in (render.Shown.IMAGE, render.Shown.CINE)
