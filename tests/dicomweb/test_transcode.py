"""Every syntax of the real images as Explicit VR Little Endian, bit for bit."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from backend.dicomweb.transcode import explicit_little, little_endian_frame, progressive_syntax
from render import CorruptImage, RenderError, open_image, pack_frame
from tests.images import shared_dicom

SYNTAXES = {
    "1.2.840.10008.1.2": "ILE",
    "1.2.840.10008.1.2.1": "ELE",
    "1.2.840.10008.1.2.1.99": "deflated",
    "1.2.840.10008.1.2.2": "EBE",
    "1.2.840.10008.1.2.5": "RLE",
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
    "1.2.840.10008.1.2.4.51": "JPEG extended",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless SV1",
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "HTJ2K lossless",
}


def images() -> dict[str, list[Path]]:
    """Up to four small decodable files of each syntax."""
    found: dict[str, list[Path]] = {syntax: [] for syntax in SYNTAXES}
    for folder in ("ts_ladder", "mr_enhanced", "odd_files", "cine_multiframe", "non_image"):
        for path in sorted(shared_dicom(folder).rglob("*")):
            if not path.is_file() or path.stat().st_size > 1_500_000:
                continue
            try:
                image = open_image(path.read_bytes())
                image.decode(0)
            except RenderError:
                continue
            kept = found.get(image.format.transfer_syntax_uid)
            if kept is not None and len(kept) < 4:
                kept.append(path)
    return found


@pytest.fixture(scope="module")
def by_syntax() -> dict[str, list[Path]]:
    return images()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("syntax", SYNTAXES, ids=SYNTAXES.values())
def test_transcoded_pixels_are_the_same(syntax: str, by_syntax: dict[str, list[Path]]) -> None:
    assert by_syntax[syntax]
    for path in by_syntax[syntax]:
        source = path.read_bytes()
        before, made = open_image(source), explicit_little(source)
        after = open_image(made)
        assert after.format.transfer_syntax_uid == "1.2.840.10008.1.2.1"
        for index in {0, before.frame_count - 1}:
            assert np.array_equal(before.decode(index), after.decode(index)), path
            frame = little_endian_frame(before, index)
            assert len(frame) % 2 == 0
            assert frame[: len(after.frame_bytes(index))] == after.frame_bytes(index), path
        assert dcmread(BytesIO(made)).SOPInstanceUID == dcmread(path, stop_before_pixels=True).SOPInstanceUID


def test_what_cannot_be_written_is_a_typed_error() -> None:
    with pytest.raises(RenderError):
        explicit_little(b"not DICOM" * 100)


def test_the_progressive_syntax_is_claimed_only_where_it_holds() -> None:
    noise = np.random.default_rng(1).integers(0, 4096, (300, 500)).astype("uint16")
    data, _ = pack_frame(noise)
    assert progressive_syntax(data[:4096]) == "1.2.840.10008.1.2.4.202"
    cod = data.index(b"\xff\x52")
    other_order = data[: cod + 5] + b"\0" + data[cod + 6 :]
    assert progressive_syntax(other_order) == "1.2.840.10008.1.2.4.201"
    few_levels = data[: cod + 9] + b"\1" + data[cod + 10 :]
    assert progressive_syntax(few_levels) == "1.2.840.10008.1.2.4.201"
    with pytest.raises(CorruptImage):
        progressive_syntax(b"\xff\xd8\xff")
