"""QR codes of share links."""

from __future__ import annotations

import io

import cv2
import numpy as np
import qrcode
from qrcode.constants import ERROR_CORRECT_M
from qrcode.image.svg import SvgPathFillImage

_BOX, _BORDER = 10, 4
"""Pixels of a module, and modules of quiet zone (ISO/IEC 18004 asks for four)."""


def png(url: str) -> bytes:
    """The code as a PNG of black and white."""
    modules = np.array(_code(url).get_matrix(), dtype=bool)
    pixels = np.where(modules, 0, 255).astype(np.uint8).repeat(_BOX, axis=0).repeat(_BOX, axis=1)
    _, data = cv2.imencode(".png", pixels)
    return data.tobytes()


def svg(url: str) -> bytes:
    """The code as an SVG with a white ground, so that it can be read on dark pages too."""
    out = io.BytesIO()
    _code(url).make_image(image_factory=SvgPathFillImage).save(out)
    return out.getvalue()


def _code(url: str) -> qrcode.QRCode:
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, box_size=_BOX, border=_BORDER)
    code.add_data(url)
    code.make(fit=True)
    return code
