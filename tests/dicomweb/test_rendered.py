"""Rendered resources over HTTP: pixels equal the reference, parameters, thumbnails."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tornado.httpclient import HTTPResponse

import render
from tests.dicomweb.house import DicomWebHouse, parts_of, tiny
from tests.dicomweb.test_wado import received
from tests.images import shared_dicom


def pixels(response: HTTPResponse) -> NDArray[np.uint8]:
    assert response.code == 200, response.body
    found = cv2.imdecode(np.frombuffer(response.body, np.uint8), cv2.IMREAD_UNCHANGED)
    assert found is not None
    return np.asarray(found)


@pytest.mark.parametrize(
    ("query", "window"),
    [
        ("window=40,400,linear", render.Window(40, 400)),
        ("window=-600,1500", render.Window(-600, 1500)),
        ("window=40,400,linear-exact", render.Window(40, 400, function="LINEAR_EXACT")),
        ("window=40,400,sigmoid", render.Window(40, 400, function="SIGMOID")),
        ("", None),
    ],
)
async def test_png_is_exact(house: DicomWebHouse, slices: list[Path], query: str, window: render.Window | None) -> None:
    _, _, path = await received(house, slices[0])
    token = await house.token()
    image = render.open_image(slices[0].read_bytes())
    transform = image.transform(0)
    expected = render.window_pixels(
        image.decode(0), transform, window or render.default_window(transform, image.decode(0))
    )
    for url in (f"{path}/rendered", f"{path}/frames/1/rendered"):
        assert np.array_equal(pixels(await house.ask(f"{url}?{query}", token, Accept="image/png")), expected)
    jpeg = pixels(await house.ask(f"{path}/rendered?{query}&quality=100", token, Accept="image/jpeg"))
    assert np.abs(jpeg.astype(int) - expected).max() <= 4


async def test_viewport(house: DicomWebHouse, slices: list[Path]) -> None:
    _, _, path = await received(house, slices[0])
    token = await house.token()
    image = render.open_image(slices[0].read_bytes())
    window = render.Window(40, 400)

    async def shown(viewport: str) -> NDArray[np.uint8]:
        url = f"{path}/rendered?window=40,400&viewport={viewport}"
        return pixels(await house.ask(url, token, Accept="image/png"))

    fitted = render.window_pixels(render.reference_fit(image.decode(0), 256, 256), image.transform(0), window)
    assert np.array_equal(await shown("256,300"), fitted)
    assert (await shown("1024,1024")).shape == (1024, 1024)
    whole = render.window_pixels(image.decode(0), image.transform(0), window)
    assert np.array_equal(await shown("100,50,30,40,100,50"), whole[40:90, 30:130])
    assert np.array_equal(await shown("100,50,30,40,-100,50"), whole[40:90, 30:130][:, ::-1])
    response = await house.ask(f"{path}/rendered?viewport=10,10,600,0,10,10", token)
    assert response.code == 400
    assert json.loads(response.body)["parameter"] == "viewport"


async def test_a_large_radiograph_fits(house: DicomWebHouse) -> None:
    source = next(
        p for p in sorted(shared_dicom("large_2d").rglob("*")) if p.is_file() and "RG" in p.name and _opens(p)
    )
    _, instance, path = await received(house, source)
    token = await house.token()
    image = render.open_image(source.read_bytes())
    width, height = render.fit(instance.rows, instance.columns, (1080, 1080))
    got = pixels(await house.ask(f"{path}/rendered?viewport=1080,1080", token, Accept="image/png"))
    transform = image.transform(0)
    small = render.reference_fit(image.decode(0), width, height)
    assert got.shape[:2] == (height, width)
    assert np.array_equal(got, render.window_pixels(small, transform, render.default_window(transform, small)))


def _opens(path: Path) -> bool:
    try:
        render.open_image(path.read_bytes()).decode(0)
    except render.RenderError:
        return False
    return True


async def test_many_pictures_at_once(house: DicomWebHouse, slices: list[Path]) -> None:
    await house.store(slices)
    token = await house.token()
    (study,) = await house.rows("/studies", token)
    path = f"/studies/{study['0020000D']['Value'][0]}"
    parts = parts_of(await house.ask(f"{path}/rendered?quality=30", token))
    assert len(parts) == 10
    assert all(body[:2] == b"\xff\xd8" for _, body in parts)
    assert parts[0][0]["Content-Location"].endswith("/frames/1/rendered")
    one = await house.ask(f"{path}/rendered", token, Accept="image/jpeg")
    assert one.headers["Content-Type"] == "image/jpeg"
    thumbnail = pixels(await house.ask(f"{path}/thumbnail", token))
    assert max(thumbnail.shape) == 128


async def test_multi_frame_colour(house: DicomWebHouse) -> None:
    source = next(p for p in sorted(shared_dicom("cine_multiframe").rglob("*")) if p.is_file() and _colour(p))
    _, instance, path = await received(house, source)
    token = await house.token()
    image = render.open_image(source.read_bytes())
    last = instance.frames
    got = pixels(await house.ask(f"{path}/frames/{last}/rendered", token, Accept="image/png"))
    assert np.array_equal(got[:, :, ::-1], image.decode(last - 1))
    assert (await house.ask(f"{path}/frames/{last + 1}/rendered", token)).code == 404
    assert (await house.ask(f"{path}/frames/{last}/thumbnail", token)).code == 200


def _colour(path: Path) -> bool:
    try:
        form = render.open_image(path.read_bytes()).format
    except render.RenderError:
        return False
    return form.colour and form.frames > 1 and path.stat().st_size < 4_000_000


async def test_what_is_no_picture(house: DicomWebHouse) -> None:
    source = next(p for p in sorted(shared_dicom("non_image").rglob("*.dcm")) if "rtplan" in p.name.lower())
    _, _, path = await received(house, source)
    token = await house.token()
    response = await house.ask(f"{path}/rendered", token)
    assert response.code == 404
    assert json.loads(response.body)["code"] == "not-an-image"
    assert (await house.ask(f"{path}/frames/1", token)).code == 404
    assert (await house.ask(path, token)).code == 200


async def test_parameters(house: DicomWebHouse) -> None:
    _, _, path = await received(house, tiny(1))
    token = await house.token()
    for query, name in (("window=1", "window"), ("quality=0", "quality"), ("viewport=x,y", "viewport")):
        response = await house.ask(f"{path}/rendered?{query}", token)
        assert response.code == 400
        assert json.loads(response.body)["parameter"] == name
    response = await house.ask(f"{path}/rendered?annotation=patient", token)
    assert response.code == 200
    assert "annotation" in response.headers["Warning"]
    assert (await house.ask(f"{path}/rendered", token, Accept="video/mp4")).code == 406
