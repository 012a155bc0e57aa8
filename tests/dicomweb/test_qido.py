"""QIDO-RS over HTTP: what is found, what is returned, page after page, within the caller's right."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from backend.access.model import Role
from backend.dicomweb.attributes import EMPTY_IF_UNKNOWN, RETURNED
from backend.dicomweb.model import Level
from tests.dicomweb.house import DicomWebHouse, client, tiny

NAMES = ["欧阳^娜娜", "张^三丰", "张^伟", "李^四", "Zhang^San", "阿依努尔·买买提", "诸葛^亮"]


async def names(house: DicomWebHouse, token: str, query: str) -> set[str]:
    rows = await house.rows(f"/studies?{query}", token)
    groups = [row["00100010"]["Value"][0] for row in rows]
    return {next(iter(group.values())) for group in groups}


@pytest.fixture
async def named(house: DicomWebHouse) -> str:
    await house.store([tiny(number, PatientName=name) for number, name in enumerate(NAMES)])
    return await house.token()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("PatientName=" + quote("张*"), {"张^三丰", "张^伟"}),
        ("PatientName=" + quote("张^伟"), {"张^伟"}),
        ("PatientName=" + quote("张伟"), {"张^伟"}),
        ("PatientName=" + quote("*三*"), {"张^三丰"}),
        ("PatientName=" + quote("张"), set()),
        ("PatientName=zhangwei&fuzzymatching=true", {"张^伟"}),
        ("PatientName=ouyang&fuzzymatching=true", {"欧阳^娜娜"}),
        ("PatientName=OYNN&fuzzymatching=true", {"欧阳^娜娜"}),
        ("PatientName=zsf&fuzzymatching=true", {"张^三丰"}),
        ("PatientName=zhang+san&fuzzymatching=true", {"Zhang^San", "张^三丰"}),
        ("PatientName=" + quote("三丰") + "&fuzzymatching=true", {"张^三丰"}),
        ("PatientName=ZHANG^SAN", {"Zhang^San"}),
        ("PatientName=" + quote("买买提") + "&fuzzymatching=true", {"阿依努尔·买买提"}),
    ],
)
async def test_names(house: DicomWebHouse, named: str, query: str, found: set[str]) -> None:
    assert await names(house, named, query) == found


async def test_conditions(house: DicomWebHouse) -> None:
    await house.store(
        [
            tiny(1, StudyDate="20260101", Modality="CT", PatientSex="F", StudyDescription="胸部CT平扫"),
            tiny(2, StudyDate="20260215", Modality="MR", PatientBirthDate="19800101"),
            tiny(3, StudyDate="20260301", Modality="CT", StudyTime="235959.5"),
            tiny(4, Modality="US", PatientID="特殊1"),
        ]
    )
    token = await house.token()

    async def found(query: str) -> str:
        rows = await house.rows(f"/studies?{query}", token)
        return "".join(sorted(row["00200010"]["Value"][0].removeprefix("S") for row in rows))

    assert await found("") == "1234"
    assert await found("StudyDate=20260101-20260228") == "12"
    assert await found("StudyDate=20260301-") == "34"
    assert await found("StudyDate=-20260101") == "1"
    assert await found("StudyTime=23-") == "3"
    assert await found("StudyTime=0900") == "1"
    assert await found("ModalitiesInStudy=CT") == "13"
    assert await found("ModalitiesInStudy=CT,MR") == "123"
    assert await found("ModalitiesInStudy=C*") == "13"
    assert await found("00080050=A00002") == "2"
    assert await found("AccessionNumber=A0000*") == "1234"
    assert await found("AccessionNumber=A?0003") == "3"
    assert await found("PatientID=P00003") == "3"
    assert await found("PatientID=" + quote("特殊*")) == "4"
    assert await found("PatientSex=F") == "1"
    assert await found("PatientBirthDate=19791231-19800102") == "2"
    assert await found("StudyID=S2") == "2"
    assert await found("ReferringPhysicianName=" + quote("王*") + "&ModalitiesInStudy=MR") == "2"
    assert await found("StudyDescription=" + quote("*CT*")) == "1"
    one, three = "1.2.826.0.1.3680043.10.1.1.1", "1.2.826.0.1.3680043.10.1.3.1"
    assert await found(f"StudyInstanceUID={one}") == "1"
    assert await found(f"StudyInstanceUID={one},{three},1.2.3") == "13"
    assert await found(f"StudyInstanceUID={one}%5C{three}") == "13"
    assert await found("StudyInstanceUID=1.2.3") == ""


async def test_required_attributes(house: DicomWebHouse, slices: list[Path]) -> None:
    await house.store([*slices, tiny(1, PatientName="张^三")])
    token = await house.token()
    paths = {Level.STUDY: "/studies", Level.SERIES: "/series", Level.INSTANCE: "/instances"}
    for level, path in paths.items():
        for row in await house.rows(path, token):
            must = set(RETURNED[level]) - {"00080201", "0008103E", "00400244", "00400245", "00400275"}
            assert must <= row.keys() | ({"00280008"} if level is Level.INSTANCE else set()), must - row.keys()
            assert row["00080005"]["Value"] == ["ISO_IR 192"]
            assert all("Value" in held or tag in EMPTY_IF_UNKNOWN for tag, held in row.items())
            assert list(row) == sorted(row)
    (study,) = await house.rows("/studies?ModalitiesInStudy=CT", token)
    assert study["00201206"]["Value"] == [1]
    assert study["00201208"]["Value"] == [10]
    assert study["00080056"]["Value"] == ["ONLINE"]
    uid = study["0020000D"]["Value"][0]
    assert study["00081190"]["Value"] == [f"{house.url}/dicom-web/studies/{uid}"]
    (series,) = await house.rows(f"/studies/{uid}/series", token)
    assert series["00201209"]["Value"] == [10]
    assert "00100010" not in series
    instances = await house.rows(f"/studies/{uid}/series/{series['0020000E']['Value'][0]}/instances", token)
    numbers = [row["00200013"]["Value"][0] for row in instances]
    assert numbers == sorted(numbers)
    assert len(numbers) == 10
    assert instances[0]["00280100"] == {"vr": "US", "Value": [16]}


async def test_includefield(house: DicomWebHouse, slices: list[Path]) -> None:
    await house.store(slices[:2])
    token = await house.token()
    (plain,) = await house.rows("/studies", token)
    (some,) = await house.rows("/studies?includefield=StudyDescription&includefield=00101010,Rows", token)
    assert some.keys() - plain.keys() <= {"00081030", "00101010"}
    assert "00081030" in some
    (everything,) = await house.rows("/series?includefield=all", token)
    assert {"00080070", "00081030", "00100010", "00180060"} <= everything.keys()
    row = (await house.rows("/instances?includefield=ImagePositionPatient&limit=1", token))[0]
    assert len(row["00200032"]["Value"]) == 3
    row = (await house.rows("/instances?includefield=all&limit=1", token))[0]
    assert {"00281052", "00200037"} <= row.keys()


async def test_relational_searches(house: DicomWebHouse) -> None:
    root = "1.2.826.0.1.3680043.10.1"
    shared = {"StudyInstanceUID": f"{root}.1.1", "PatientID": "P00001"}
    await house.store(
        [
            tiny(1, Modality="CT"),
            tiny(2, Modality="SR", SeriesNumber="2", **shared),
            tiny(3, Modality="MR"),
        ]
    )
    token = await house.token()
    assert len(await house.rows("/series", token)) == 3
    assert len(await house.rows("/series?Modality=SR", token)) == 1
    assert len(await house.rows("/series?PatientID=P00001", token)) == 2
    assert len(await house.rows("/series?SeriesNumber=2", token)) == 1
    (row,) = await house.rows(f"/series?SeriesInstanceUID={root}.3.2", token)
    assert row["0020000D"]["Value"] == [f"{root}.3.1"]
    (row,) = await house.rows(f"/instances?SOPInstanceUID={root}.2.3", token)
    assert row["0020000E"]["Value"] == [f"{root}.2.2"]
    assert row["00100020"]["Value"] == ["P00001"]
    assert len(await house.rows(f"/studies/{root}.1.1/instances", token)) == 2
    assert len(await house.rows(f"/studies/{root}.1.1/instances?Modality=CT", token)) == 1
    assert await house.rows("/instances?SOPInstanceUID=1.2.3", token) == []


async def test_pages_over_hundreds_of_studies(house: DicomWebHouse) -> None:
    count = 205
    await house.store([tiny(n, PatientName=f"张^{'三' if n % 2 else '四'}") for n in range(count)])
    token = await house.token()
    for query in ("", "PatientSex=&", "PatientName=" + quote("张*") + "&", "StudyID=S*&"):
        seen: list[str] = []
        while True:
            response = await house.ask(f"/studies?{query}limit=60&offset={len(seen)}", token)
            rows = json.loads(response.body)
            seen += [row["0020000D"]["Value"][0] for row in rows]
            warned = "299" in response.headers.get("Warning", "")
            assert warned == (len(seen) < count)
            if not warned:
                break
        assert len(seen) == len(set(seen)) == count, query
    assert len(await house.rows("/studies?limit=500", token)) == count
    assert len(await house.rows("/studies", token)) == 100
    assert await house.rows("/studies?offset=9000", token) == []
    assert len(await house.rows("/instances?offset=200", token)) == 5


async def test_only_what_the_caller_may_find(house: DicomWebHouse) -> None:
    await house.store([tiny(1, PatientName="张^三")], "H1")
    await house.store([tiny(2, PatientName="李^四")], "H2")
    foreign = "1.2.826.0.1.3680043.10.1.2.1"
    token = await house.token(Role.RADIOLOGIST, "H1")
    assert await names(house, token, "") == {"张^三"}
    assert await house.rows(f"/studies?StudyInstanceUID={foreign}", token) == []
    assert await house.rows("/instances?SOPInstanceUID=1.2.826.0.1.3680043.10.1.2.3", token) == []
    assert (await house.ask(f"/studies/{foreign}/series", token)).code == 404
    admin = await house.token(Role.PROVINCE_ADMIN, "")
    assert await names(house, admin, "") == {"张^三", "李^四"}
    mine = await house.archive.exam(f"H2/{foreign}")
    assert mine is not None
    patient = await house.sign_in_patient([mine.person])
    response = await house.get("/dicom-web/studies", cookie=f"yy_session={patient.secret}")
    assert [row["0020000D"]["Value"] for row in json.loads(response.body)] == [[foreign]]
    assert (await house.get("/dicom-web/studies")).code == 401
    assert (await house.get("/dicom-web/studies", "x.y.z")).code == 401


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("PatientNmae=x", "PatientNmae"),
        ("StudyDate=2026-01-01", "StudyDate"),
        ("limit=0", "limit"),
        ("includefield=Nope", "includefield"),
    ],
)
async def test_bad_parameters(house: DicomWebHouse, query: str, parameter: str) -> None:
    response = await house.ask(f"/studies?{query}", await house.token())
    problem = json.loads(response.body)
    assert response.code == problem["status"] == 400
    assert response.headers["Content-Type"].startswith("application/problem+json")
    assert problem["parameter"] == parameter
    assert "参数" in problem["detail"]


async def test_what_is_not_supported_is_said(house: DicomWebHouse) -> None:
    response = await house.ask("/studies?PatientWeight=70", await house.token())
    assert response.code == 200
    assert "PatientWeight" in response.headers["Warning"]
    assert (await house.ask("/studies", await house.token(), Accept="text/html")).code == 406


async def test_another_makers_client(house: DicomWebHouse, slices: list[Path]) -> None:
    await house.store(slices)
    web = client(house, await house.token())

    def look() -> None:
        (study,) = web.search_for_studies(search_filters={"PatientID": "CMB*"}, fields=["StudyDescription"])
        uid = study["0020000D"]["Value"][0]
        (series,) = web.search_for_series(uid)
        assert len(web.search_for_instances(uid, series["0020000E"]["Value"][0])) == 10
        assert len(web.search_for_instances(uid, limit=3, offset=8)) == 2

    await asyncio.to_thread(look)
