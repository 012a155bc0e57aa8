"""The series index: everything comes back, thousands of frames open in a moment, nonsense is refused."""

from __future__ import annotations

import time

import numpy as np
import pytest

import render
from backend.viewing.index import IndexBroken, IndexedFrame, IndexReader, lead_document, lead_from, pack_index
from backend.viewing.ordering import Place
from backend.viewing.series import FrameRef, SeriesView
from render import Lut, Transform, Window


def frames(count: int) -> list[IndexedFrame]:
    lut = Lut(-10, 12, np.arange(300, dtype="<u2").tobytes(), "骨")
    transforms = [
        Transform(
            dtype="int16", signed=True, intercept=-1024.0, windows=(Window(40, 400, "纵隔"),), padding=(-2000, -2000)
        ),
        Transform(dtype="uint16", voi_luts=(lut,), slope=0.5),
    ]
    made = []
    for n in range(count):
        digest = f"{n:064x}"
        ref = FrameRef(
            original=f"original/{digest[:2]}/{digest}",
            frame=0,
            rows=512,
            columns=512,
            stream=f"stream/{digest[:2]}/{digest}",
            start=0,
            ends=(200, 900, 4000, 15000, 60000, 190000 + n),
            overview=(n * 4000, n * 4000 + 4000),
            transform=transforms[n % 2],
        )
        geometry = render.Geometry(
            position=(0.1, -3.25, 1.25 * n),
            orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
            pixel_spacing=(0.7, 0.7),
            spacing_source="PixelSpacing",
            slice_thickness=1.25,
            spacing_between_slices=None,
            frame_of_reference_uid="1.2.3",
            instance_number=n,
            temporal_position=None,
            stack_position=None,
            stack_id="",
        )
        made.append(IndexedFrame(ref, Place(geometry, f"1.2.{n}", 0)))
    return made


VIEW = SeriesView("H1/1.2.3", {"frames": 7, "rows": 512}, (), Window(40, 400), "overview/aa/b", 2)


def test_everything_comes_back() -> None:
    made = frames(7)
    reader = IndexReader(pack_index(VIEW, made))
    assert [reader.indexed(n) for n in range(7)] == made
    assert reader.view.frames[-1] == made[-1].ref
    assert list(reader.view.frames) == [one.ref for one in made]
    assert (reader.view.entry, reader.view.default_window, reader.view.overview) == (
        VIEW.entry,
        VIEW.default_window,
        "overview/aa/b",
    )
    with pytest.raises(IndexError):
        reader.view.frames[7]


def test_two_thousand_frames_open_in_milliseconds() -> None:
    data = pack_index(VIEW, frames(2000))
    best = min(_seconds(lambda: IndexReader(data).view.frames[1000]) for _ in range(5))
    assert best < 0.05, f"{best * 1000:.1f} ms"
    assert len(data) < 400_000


def _seconds(work) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


@pytest.mark.parametrize("cut", [0, 5, 9, 40, -1])
def test_bytes_that_are_no_index_are_refused(cut: int) -> None:
    data = pack_index(VIEW, frames(3))
    with pytest.raises(IndexBroken):
        IndexReader(data[:cut])
    with pytest.raises(IndexBroken):
        IndexReader(b"x" + data)


def test_the_lead_needs_no_index() -> None:
    lead = frames(2)[1].ref
    entry, ref = lead_from(lead_document(VIEW, lead))
    assert entry == dict(VIEW.entry)
    assert (ref.original, ref.ends, ref.transform) == (lead.original, lead.ends, lead.transform)
