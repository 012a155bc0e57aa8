"""The habits of the decoders in C from which they are kept."""

import imagecodecs
import numpy as np
import pytest

import render
from render import codecs
from tests.images import shared_dicom
from tests.render import made

CUTS = (0.3, 0.6, 0.9)
WHOLE = {
    "jpeg lossless": "ts_ladder/wg04/WG04/JPLL/CT1_JPLL",
    "jpeg baseline": "cine_multiframe/examples_ybr_color.dcm",
    "jpeg extended": "ts_ladder/wg04/WG04/JPLY/XA1_JPLY",
    "jpeg-ls": "ts_ladder/wg04/WG04/JLSL/CT1_JLSL",
    "jpeg 2000": "ts_ladder/wg04/WG04/J2KR/CT1_J2KR",
    "htj2k": "ts_ladder/derived_htj2k/CT1_HTJ2K.dcm",
    "htj2k lossy": "ts_ladder/pydicom-data/HTJ2K_08_RGB.dcm",
    "rle": "ts_ladder/wg04/WG04/RLE/CT1_RLE",
}


def with_frame(name: str, change) -> tuple[render.Image, render.Image]:
    """The image, and one whose first frame's codestream went through `change`."""
    image = render.open_image(shared_dicom(WHOLE[name]).read_bytes())
    dataset = made.dataset(b"", image.format.transfer_syntax_uid, SOPClassUID=image.format.sop_class_uid)
    form = image.format
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = form.rows, form.columns, form.samples
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = form.bits_allocated, form.bits_stored, form.high_bit
    dataset.PixelRepresentation, dataset.PhotometricInterpretation = int(form.signed), form.photometric
    dataset.PlanarConfiguration = 0
    dataset.PixelData = made.item(b"") + made.item(change(image.frame_bytes(0)))
    return image, render.open_image(dataset)


@pytest.mark.parametrize("name", WHOLE)
def test_a_frame_that_ends_early_is_refused_never_filled_with_grey(name: str) -> None:
    for share in CUTS:
        _, cut = with_frame(name, lambda stream, share=share: stream[: int(len(stream) * share)])
        with pytest.raises(render.CorruptImage):
            cut.decode(0)


@pytest.mark.parametrize("name", ["jpeg lossless", "jpeg baseline", "jpeg extended", "jpeg-ls"])
def test_a_whole_frame_without_its_end_marker_is_read(name: str) -> None:
    whole, other = with_frame(name, lambda stream: stream[: stream.rindex(b"\xff\xd9")])
    assert np.array_equal(other.decode(0), whole.decode(0))


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "rle"])
def test_padding_after_a_frame_does_no_harm(name: str) -> None:
    whole, other = with_frame(name, lambda stream: stream + b"\0" * (2 + len(stream) % 2))
    assert np.array_equal(other.decode(0), whole.decode(0))


@pytest.mark.parametrize(("name", "codec"), [("jpeg 2000", "jpeg2k_decode"), ("htj2k", "htj2k_decode")])
def test_pylibjpeg_stands_in_where_the_first_decoder_refuses(name: str, codec: str, monkeypatch) -> None:
    image = render.open_image(shared_dicom(WHOLE[name]).read_bytes())
    expected = image.decode(0)

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(imagecodecs, codec, refuse)
    assert np.array_equal(image.decode(0), expected)


def test_lossy_htj2k_clips_instead_of_wrapping_around() -> None:
    """OpenJPH's binding turns 256 into 0; the picture must be that of OpenJPEG."""
    image = render.open_image(shared_dicom(WHOLE["htj2k lossy"]).read_bytes())
    stream = image.frame_bytes(0)
    assert np.array_equal(image.decode(0), imagecodecs.jpeg2k_decode(stream))
    assert not np.array_equal(imagecodecs.htj2k_decode(stream), imagecodecs.jpeg2k_decode(stream))


def test_a_damaged_jpeg_ls_frame_takes_no_seconds() -> None:
    frame = (np.random.default_rng(1).random((64, 64)) * 20).astype(np.uint8)
    stream = imagecodecs.jpegls_encode(frame)
    for length in (len(stream) - 10, len(stream) // 2, 100):
        with pytest.raises(RuntimeError):
            codecs.jpeg_ls(stream[:length])


def test_boxes_before_a_broken_codestream_are_shown_to_no_decoder() -> None:
    """pydicom walks over a box of length 0 for ever."""
    boxes = b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0\0\0\0ftypjp2 " + b"\0" * 40
    _, broken = with_frame("jpeg 2000", lambda stream: boxes + stream[:30_000])
    with pytest.raises(render.CorruptImage):
        broken.decode(0)
    whole, boxed = with_frame("jpeg 2000", lambda stream: boxes + stream)
    assert np.array_equal(boxed.decode(0), whole.decode(0))
