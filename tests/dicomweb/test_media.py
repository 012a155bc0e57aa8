"""Content negotiation of PS3.18 8.7."""

import pytest

from backend.dicomweb.media import EXPLICIT_LITTLE, Chosen, Offer, choose, parse_accept
from backend.platform.errors import NotAcceptable

J2K, HTJ2K = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.202"
FRAMES = [
    Offer("application/octet-stream", EXPLICIT_LITTLE),
    Offer("image/jp2", J2K, stored=True),
    Offer("application/octet-stream", J2K, stored=True),
    Offer("image/jphc", HTJ2K),
]


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", Chosen("application/octet-stream", EXPLICIT_LITTLE, False)),
        ("*/*", Chosen("application/octet-stream", EXPLICIT_LITTLE, False)),
        ("multipart/related", Chosen("application/octet-stream", EXPLICIT_LITTLE, True)),
        (
            'multipart/related; type="application/octet-stream"',
            Chosen("application/octet-stream", EXPLICIT_LITTLE, True),
        ),
        (
            'multipart/related;type="application/octet-stream";transfer-syntax=*',
            Chosen("application/octet-stream", J2K, True),
        ),
        ("multipart/related; type=image/jphc", Chosen("image/jphc", HTJ2K, True)),
        (f'multipart/related; type="image/jphc"; transfer-syntax={HTJ2K}', Chosen("image/jphc", HTJ2K, True)),
        ("image/*", Chosen("image/jp2", J2K, False)),
        ("image/jpeg;q=0.9, image/jphc;q=0.5, image/jp2;q=0.1", Chosen("image/jphc", HTJ2K, False)),
        ("IMAGE/JP2", Chosen("image/jp2", J2K, False)),
    ],
)
def test_the_best_range_decides(accept: str, chosen: Chosen) -> None:
    assert choose(parse_accept(accept), FRAMES) == chosen


@pytest.mark.parametrize("accept", ["image/jls", "image/jphc;transfer-syntax=1.2.3", "image/jphc;q=0", "text/html"])
def test_what_cannot_be_made_is_refused_with_what_can(accept: str) -> None:
    with pytest.raises(NotAcceptable) as error:
        choose(parse_accept(accept), FRAMES)
    acceptable = error.value.details["acceptable"]
    assert isinstance(acceptable, list)
    assert f'multipart/related; type="image/jphc"; transfer-syntax={HTJ2K}' in acceptable


@pytest.mark.parametrize("accept", ["image", "a/b;q=x", "a/b; c", "," * 5000, "a/b c/d", '"'])
def test_unreadable_accept_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        parse_accept(accept)


def test_quoted_commas_stay_inside() -> None:
    ranges = parse_accept('multipart/related; type="image/jpeg"; note="a,b;c", image/png')
    assert [(r.media, r.multipart) for r in ranges] == [("image/jpeg", True), ("image/png", False)]
