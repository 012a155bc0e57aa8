"""Broken, truncated, oversized and hostile input: a typed error, in bounded time and memory."""

import json
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest

import render
from tests.images import ROOT
from tests.render import corpus
from tests.render.made import dataset, file_of

MUTATIONS = 2400
BATCHES = 2
SECONDS = 2.0
"""Of the processor, for the machine may be busy; a wait without end is stopped by the time limit of the child."""
MEGABYTES = 400


def run_mutations(first: int, count: int) -> list[dict[str, object]]:
    """Lines of the child that opens damaged files; a crash shows as a return code and a case without outcome."""
    paths = "\n".join(str(corpus.path_of(e)) for e in corpus.sample_of_each_form() if e["bytes"] < 1_200_000)
    command = [sys.executable, "-m", "tests.render.mutate", str(first), str(count)]
    child = subprocess.run(command, input=paths, capture_output=True, text=True, cwd=ROOT, timeout=120)
    lines = [json.loads(line) for line in child.stdout.splitlines()]
    assert child.returncode == 0, f"died with {child.returncode} at {lines[-1:]}: {child.stderr[-500:]}"
    return [line for line in lines if "outcome" in line]


@pytest.mark.parametrize("batch", range(BATCHES))
def test_damaged_files_give_typed_errors_in_bounded_time_and_memory(batch: int) -> None:
    count = MUTATIONS // BATCHES
    told = run_mutations(batch * count, count)
    assert len(told) == count
    assert [line for line in told if str(line["outcome"]).startswith("escaped")] == []
    assert [line for line in told if float(str(line["seconds"])) > SECONDS] == []
    assert max(int(str(line["rss"])) for line in told) < MEGABYTES * 1024
    assert {"shown", "corrupt_image", "not_an_image", "unsupported_syntax"} <= {line["outcome"] for line in told}


@corpus.each([e for e in corpus.entries() if e["file"].startswith("odd_files/")])
def test_odd_files_show_or_say_why(entry: corpus.Entry) -> None:
    began = time.process_time()
    try:
        image = render.open_image(corpus.path_of(entry).read_bytes())
        stored = image.decode(0)
        render.window_pixels(stored, image.transform(0), render.default_window(image, stored))
    except render.RenderError as error:
        assert error.code in ("unsupported_syntax", "corrupt_image", "limit_exceeded", "not_an_image")
    assert time.process_time() - began < 2


@corpus.each(corpus.sample_of_each_form()[:40])
def test_a_file_cut_anywhere_is_no_picture_or_a_typed_error(entry: corpus.Entry) -> None:
    data = corpus.path_of(entry).read_bytes()
    for share in (0, 0.001, 0.01, 0.3, 0.9, 0.999):
        try:
            image = render.open_image(data[: int(len(data) * share)])
            image.decode(image.frame_count - 1)
        except render.RenderError:
            continue
        assert share > 0.5, "a third of a file cannot be a whole picture"


@pytest.mark.parametrize("source", [b"", b"\0" * 200, b"hello" * 100, b"\x08\x00" + b"\xff" * 50, bytes(128) + b"DICM"])
def test_what_is_not_dicom_is_not_an_image(source: bytes) -> None:
    with pytest.raises((render.NotAnImage, render.CorruptImage)):
        render.open_image(source)


@pytest.mark.parametrize("side", [46341, 65535])
def test_kilobytes_that_declare_gigapixels_allocate_nothing(side: int) -> None:
    made = dataset(np.zeros((8, 8), np.uint16), Rows=side, Columns=side)
    with pytest.raises(render.LimitExceeded):
        render.open_image(file_of(made))
    with pytest.raises(render.CorruptImage):
        render.open_image(file_of(made), render.Limits(max_pixels=1 << 33, max_frame_bytes=1 << 40))


def test_a_deflate_bomb_is_refused() -> None:
    engine = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = engine.compress(bytes(50_000_000)) + engine.flush()
    made = file_of(dataset(np.zeros((2, 2), np.uint8), "1.2.840.10008.1.2.1.99"))
    meta = 132 + 12 + struct.unpack_from("<I", made, 140)[0]
    with pytest.raises(render.LimitExceeded):
        render.open_image(made[:meta] + bomb, render.Limits(max_inflated_bytes=10_000_000))


def test_sequences_nested_without_end_are_refused_quickly() -> None:
    plain = file_of(dataset(np.zeros((2, 2), np.uint8)))
    start = plain.index(b"\x08\x00\x16\x00")
    nested = (b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * 50_000
    began = time.process_time()
    with pytest.raises(render.CorruptImage):
        render.open_image(plain[:start] + nested)
    assert time.process_time() - began < 5


def test_errors_carry_no_attribute_values() -> None:
    """A patient's name must never reach a log through an error."""
    made = dataset(np.zeros((8, 8), np.uint16), PatientName="ZHANG^SAN", PatientID="210102", NumberOfFrames=9)
    with pytest.raises(render.RenderError) as caught:
        render.open_image(made)
    assert "ZHANG" not in str(caught.value) and "210102" not in str(caught.value)
