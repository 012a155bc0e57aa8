"""Who and what the demo shows. Hospitals, people and numbers are invented; the pictures' sources are named where they are used."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from backend.access.model import Role
from backend.phantom import IdNumberParts, Person, id_number

PASSWORD = "Yunying-demo-2026"  # noqa: S105
"""Of every staff account of the demo, which listens on the loopback address."""


@dataclass(frozen=True, slots=True)
class DemoInstitution:
    """A hospital and the device that sends for it."""

    code: str
    name: str
    city: str
    ae_title: str


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """A member of staff; the institution is empty for the province."""

    username: str
    role: Role
    institution: str


class Door(StrEnum):
    """How an exam comes in."""

    DIMSE = "C-STORE"
    STOW = "STOW-RS"


@dataclass(frozen=True, slots=True)
class ExamPlan:
    """An exam as its hospital recorded it."""

    key: str
    institution: DemoInstitution
    person: Person
    patient_id: str
    modality: str
    description: str
    body_part: str
    day: date
    door: Door
    charset: str
    label: str | None = None
    """What Specific Character Set says instead of the truth."""
    findings: str = ""
    impression: str = ""

    @property
    def accession_number(self) -> str:
        """Of the hospital's own numbering."""
        return f"{self.modality}{self.day:%y%m%d}{self.key[-2:]}"


SHENYANG = DemoInstitution("210100001", "沈阳浑南示范医院", "沈阳市", "SYHN_PACS")
DALIAN = DemoInstitution("210200001", "大连滨海示范医院", "大连市", "DLBH_PACS")
INSTITUTIONS = (SHENYANG, DALIAN)

ACCOUNTS = (
    DemoAccount("province", Role.PROVINCE_ADMIN, ""),
    *(
        DemoAccount(f"{prefix}-{name}", role, institution.code)
        for prefix, institution in (("shenyang", SHENYANG), ("dalian", DALIAN))
        for name, role in (
            ("admin", Role.HOSPITAL_ADMIN),
            ("radiologist", Role.RADIOLOGIST),
            ("reviewer", Role.REVIEWER),
            ("clinician", Role.CLINICIAN),
            ("qc", Role.QC_EXPERT),
        )
    ),
)


def _person(name: str, sex: str, born: date, sequence: int, phone: str) -> Person:
    return Person(name, sex, born, id_number(IdNumberParts(born, sequence)), phone)


PATIENTS = (
    _person("张晓东", "M", date(1958, 3, 14), 11, "13800000001"),
    _person("欧阳雪梅", "F", date(1972, 9, 2), 22, "13800000002"),
    _person("王䶮", "M", date(1990, 12, 25), 37, "13800000003"),
    _person("阿依努尔·买买提", "F", date(1985, 6, 30), 48, "13800000004"),
    _person("刘洋", "F", date(2001, 1, 8), 54, "13800000005"),
    _person("赵国强", "M", date(1949, 10, 1), 61, "13800000006"),
)
_ZHANG, _OUYANG, _WANG, _AYNUR, _LIU, _ZHAO = PATIENTS

CHEST_CT = ExamPlan(
    "chest-ct-01",
    SHENYANG,
    _ZHANG,
    "SY0001001",
    "CT",
    "胸部CT平扫",
    "CHEST",
    date(2026, 11, 18),
    Door.DIMSE,
    "GB18030",
    findings="胸廓对称，纵隔居中。双肺纹理清晰，气管及主支气管通畅。双侧胸腔未见积液。（演示报告，不作诊断依据）",
    impression="演示文本：请以医院正式报告为准。",
)
SHOULDER_MR = ExamPlan(
    "shoulder-mr-02",
    SHENYANG,
    _OUYANG,
    "SY0001002",
    "MR",
    "右肩关节MR平扫",
    "SHOULDER",
    date(2026, 11, 12),
    Door.STOW,
    "UTF-8",
    findings="右肩关节各骨形态、信号未见明显异常，关节腔少量积液。（演示报告，不作诊断依据）",
    impression="演示文本：请以医院正式报告为准。",
)
HEAD_CT = ExamPlan(
    "head-ct-03", SHENYANG, _WANG, "SY0001003", "CT", "头颅CT平扫", "HEAD", date(2026, 11, 20), Door.DIMSE, "GB18030"
)
HEART_US = ExamPlan(
    "heart-us-04", SHENYANG, _LIU, "SY0001004", "US", "心脏超声", "HEART", date(2026, 10, 9), Door.STOW, "GBK"
)
CHEST_CR = ExamPlan(
    "chest-cr-05",
    DALIAN,
    _ZHANG,
    "DL88001",
    "CR",
    "胸部正位",
    "CHEST",
    date(2026, 9, 3),
    Door.STOW,
    "UTF-8",
    findings="双肺野可见斑片状密度增高影，心影不大，双膈面光整。（演示报告，不作诊断依据）",
    impression="演示文本：请以医院正式报告为准。",
)
DOPPLER_US = ExamPlan(
    "doppler-us-06", DALIAN, _AYNUR, "DL88002", "US", "心脏彩超", "HEART", date(2026, 11, 5), Door.DIMSE, "UTF-8"
)
LEG_CR = ExamPlan(
    "leg-cr-07",
    DALIAN,
    _OUYANG,
    "DL88003",
    "CR",
    "右胫腓骨正位",
    "LEG",
    date(2025, 12, 11),
    Door.DIMSE,
    "ISO 2022 IR 58",
)
HEAD_MR = ExamPlan(
    "head-mr-08",
    DALIAN,
    _ZHAO,
    "DL88004",
    "MR",
    "头颅MR平扫",
    "HEAD",
    date(2026, 8, 21),
    Door.STOW,
    "GB18030",
    label="",
)


def sample_plan(index: int, modality: str, description: str, body_part: str) -> ExamPlan:
    """The plan of the `index`-th study of a newcomer's own folder: patients and hospitals in turn."""
    base = CHEST_CT if index % 2 == 0 else CHEST_CR
    return replace(
        base,
        key=f"sample-{index:02d}",
        person=PATIENTS[index % len(PATIENTS)],
        patient_id=f"{base.patient_id[:2]}9{index:04d}",
        modality=modality,
        description=description or "检查",
        body_part=body_part,
        day=date(2026, 11, 21),
        charset="UTF-8",
        findings="",
        impression="",
    )
