"""Display order: real series with traps, and made ones."""

from __future__ import annotations

import random
from itertools import pairwise

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import render
from backend.viewing.ordering import Place, display_order
from tests.images import shared_dicom

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def place(
    number: int | None,
    position: tuple[float, float, float] | None,
    orientation: tuple[float, ...] | None = AXIAL,
    *,
    temporal: int | None = None,
    uid: str = "",
    frame: int = 0,
) -> Place:
    geometry = render.Geometry(
        position,
        orientation,
        None,
        "",
        None,
        None,
        "",
        number,
        temporal,
        None,
        "",  # type: ignore[arg-type]
    )
    return Place(geometry, uid or f"1.{number}", frame)


def shuffled(places: list[Place], seed: int = 1) -> list[Place]:
    mixed = list(places)
    random.Random(seed).shuffle(mixed)
    return mixed


def numbers(places: list[Place]) -> list[int | None]:
    order = display_order(places)
    return [places[n].geometry.instance_number for n in order.order]


def test_slices_follow_their_place_in_the_direction_of_their_numbers() -> None:
    falling = [place(n, (0, 0, -2.5 * n)) for n in range(1, 21)]
    assert numbers(shuffled(falling)) == list(range(1, 21))
    rising = [place(n, (0, 0, 2.5 * n)) for n in range(1, 21)]
    assert numbers(shuffled(rising)) == list(range(1, 21))
    assert display_order(rising).volume


def test_numbers_that_lie_do_not_break_the_order_of_places() -> None:
    places = [place(n, (0, 0, float(z))) for n, z in [(1, 0), (2, 10), (3, 5), (4, 15), (5, 20)]]
    order = display_order(places)
    assert [places[n].geometry.position[2] for n in order.order] == [0, 5, 10, 15, 20]


def test_tilted_gantry_is_ordered_along_its_normal() -> None:
    tilted = (1.0, 0.0, 0.0, 0.0, 0.94, -0.34)
    places = [place(n, (0, 1.1 * n, 3.0 * n), tilted) for n in range(1, 12)]
    assert numbers(shuffled(places)) == list(range(1, 12))


def test_phases_follow_each_other_as_whole_passes() -> None:
    places = [place(10 * phase + z, (0, 0, float(z)), temporal=phase) for phase in (1, 2, 3) for z in range(5)]
    assert numbers(shuffled(places)) == sorted(p.geometry.instance_number for p in places)


def test_a_slice_sent_twice_comes_after_the_pass() -> None:
    places = [place(n, (0, 0, float(n))) for n in range(1, 6)] + [place(6, (0, 0, 3.0), uid="1.33")]
    order = display_order(shuffled(places))
    assert [shuffled(places)[n].geometry.instance_number for n in order.order] == [1, 2, 3, 4, 5, 6]


def test_scouts_in_all_directions_and_radiographs_go_by_number() -> None:
    coronal, sagittal = (1.0, 0, 0, 0, 0, -1.0), (0, 1.0, 0, 0, 0, -1.0)
    scouts = [place(3, (0, 0, 0)), place(1, (0, 0, 9), coronal), place(2, (5, 0, 0), sagittal)]
    assert numbers(scouts) == [1, 2, 3]
    assert not display_order(scouts).volume
    films = [place(2, None, None), place(None, None, None, uid="9"), place(1, None, None)]
    assert numbers(films) == [1, 2, None]


def test_frames_of_a_cine_keep_their_order() -> None:
    places = [place(1, None, None, frame=n, uid="1.5") for n in range(30)]
    mixed = shuffled(places)
    assert [mixed[n].frame for n in display_order(mixed).order] == list(range(30))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(-5, 50)), st.integers(-6, 6), st.one_of(st.none(), st.integers(1, 3))
        ),
        min_size=1,
        max_size=25,
    ),
    st.integers(0, 1000),
)
def test_the_order_does_not_depend_on_the_order_of_arrival(rows: list[tuple], seed: int) -> None:
    places = [
        place(number, (0.0, 0.0, 1.5 * z), temporal=temporal, uid=f"1.{n}")
        for n, (number, z, temporal) in enumerate(rows)
    ]
    mixed = shuffled(places, seed)
    straight, other = display_order(places), display_order(mixed)
    assert sorted(straight.order) == list(range(len(places)))
    assert [places[n] for n in straight.order] == [mixed[n] for n in other.order]


def _series(folder: str) -> dict[str, list[pydicom.Dataset]]:
    found: dict[str, list[pydicom.Dataset]] = {}
    for path in sorted(shared_dicom(folder).rglob("*")):
        if path.is_file() and path.suffix != ".txt":
            dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            if "SeriesInstanceUID" in dataset and "ImagePositionPatient" in dataset:
                found.setdefault(str(dataset.SeriesInstanceUID), []).append(dataset)
    return found


@pytest.mark.parametrize("folder", ["geometry_traps", "ct_cmb_crc_chest100", "mr_siemens_frag_jpll96"])
def test_real_series_are_monotonous_along_the_normal_within_each_pass(folder: str) -> None:
    checked = 0
    for datasets in _series(folder).values():
        places = [Place(render.geometry_of(d), str(d.SOPInstanceUID), 0) for d in datasets]
        order = display_order(shuffled(places))
        if not order.volume:
            continue
        mixed = shuffled(places)
        distances = [mixed[n].geometry.distance for n in order.order]
        turns = sum((b - a) * (distances[1] - distances[0]) < -0.01 for a, b in pairwise(distances))
        different = len({round(d, 1) for d in distances})
        assert turns <= len(distances) / different, "at most one return for each further pass"
        checked += 1
    assert checked
