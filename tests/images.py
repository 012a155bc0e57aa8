"""Where the real test images are: beside the checkout, or where YUNYING_SHARED points."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shared_dicom(*parts: str) -> Path:
    """The folder of real images (or a path below it); the test is skipped with the reason where it is absent, which fails in CI."""
    base = Path(os.environ.get("YUNYING_SHARED", ROOT.parent / "shared")) / "dicom"
    if not base.is_dir():
        message = f"the real test images are not at {base}; set YUNYING_SHARED to the folder that holds dicom/"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return base.joinpath(*parts)
