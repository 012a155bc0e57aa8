"""`yunying phantom`: its arguments, and the writing of a computed series to a folder."""

from __future__ import annotations

import argparse
from dataclasses import replace
from datetime import date
from pathlib import Path

from rich.progress import track

from .charsets import CHARSETS
from .request import MODALITIES, PhantomRequest
from .series import ground_truth, write

_DEFAULT = PhantomRequest()


def add_phantom_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("out", type=Path, metavar="OUT", help="输出文件夹")
    parser.add_argument("--modality", default=_DEFAULT.modality, help=f"检查类型：{'、'.join(MODALITIES)}")
    parser.add_argument("--slices", type=int, default=_DEFAULT.slices, help="CT、MR 的层数，US 的帧数，DX、CR 的张数")
    parser.add_argument("--rows", type=int, default=_DEFAULT.rows)
    parser.add_argument("--columns", type=int, default=_DEFAULT.columns)
    parser.add_argument("--seed", type=int, default=_DEFAULT.seed, help="相同的种子得到相同的文件")
    parser.add_argument("--nodules", type=int, default=_DEFAULT.nodules, help="CT 中结节的个数")
    parser.add_argument("--name", default=_DEFAULT.person.name, help="患者姓名，可写成 DICOM 的 拼音=汉字 形式")
    parser.add_argument("--id-number", default=_DEFAULT.person.id_number, help="证件号码")
    parser.add_argument("--phone", default=_DEFAULT.person.phone)
    parser.add_argument("--patient-id", default=_DEFAULT.patient_id)
    parser.add_argument("--charset", default=_DEFAULT.charset, help=f"字符集：{'、'.join(CHARSETS)}")
    parser.add_argument("--label", help="文件中声明的字符集（可与实际不符；空：不声明）")
    parser.add_argument("--institution", default=_DEFAULT.institution)
    parser.add_argument("--accession-number", default=_DEFAULT.accession_number)
    parser.add_argument("--study-date", type=date.fromisoformat, default=_DEFAULT.study_date, help="YYYY-MM-DD")


def run(options: argparse.Namespace) -> int:
    """Writes the series and tells the true nodules; 0. Raises `PhantomError` for a wrong argument or an unwritable folder."""
    person = replace(_DEFAULT.person, name=options.name, id_number=options.id_number, phone=options.phone)
    request = PhantomRequest(
        modality=options.modality,
        slices=options.slices,
        rows=options.rows,
        columns=options.columns,
        seed=options.seed,
        nodules=options.nodules,
        person=person,
        patient_id=options.patient_id,
        charset=options.charset,
        label=options.label,
        institution=options.institution,
        accession_number=options.accession_number,
        study_date=options.study_date,
    )
    total = 1 if request.modality == "US" else request.slices
    count = sum(1 for _ in track(write(request, options.out), "生成合成影像", total=total))
    for nodule in ground_truth(request):
        place = f"({nodule.x:.1f}, {nodule.y:.1f}, {nodule.z:.1f}) mm"
        print(f"结节 {place}，直径 {nodule.diameter} mm，{nodule.hu:.0f} HU")  # noqa: T201 - a command speaks to a person
    print(f"已写入 {count} 个文件到 {options.out}")  # noqa: T201 - a command speaks to a person
    return 0
