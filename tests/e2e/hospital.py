"""Folders of DICOM files as a hospital's PACS would send them: real pictures under an invented name."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.uid import generate_uid

from tests.e2e.people import Patient
from tests.images import shared_dicom


def chest(slices: int, first: int = 0) -> list[pydicom.Dataset]:
    """Slices of the real chest CT."""
    paths = sorted(shared_dicom("ct_cmb_crc_chest100").glob("*.dcm"))[first : first + slices]
    return [pydicom.dcmread(path) for path in paths]


def study_of(patient: Patient, day: str, *series: list[pydicom.Dataset]) -> list[pydicom.Dataset]:
    """The series as one new study of `patient`, with fresh identifiers."""
    study, files = generate_uid(), []
    for number, datasets in enumerate(series, 1):
        identifier = generate_uid()
        for dataset in datasets:
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, identifier
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            dataset.SeriesNumber = number
            dataset.pop("DataSetTrailingPadding", None)  # dcmtk does not send it
            dataset.SpecificCharacterSet = "GB18030"
            dataset.PatientName, dataset.PatientID = patient.name, f"E2E{patient.phone[-4:]}"
            dataset.OtherPatientIDs, dataset.PatientTelephoneNumbers = patient.id_number, patient.phone
            dataset.StudyDate, dataset.StudyTime = day, "080000"
            dataset.StudyDescription = "增强扫描"
            files.append(dataset)
    return files


def write(folder: Path, datasets: list[pydicom.Dataset]) -> Path:
    """Writes the files; returns the folder."""
    folder.mkdir(parents=True)
    for number, dataset in enumerate(datasets):
        dataset.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)
    return folder


def by_instance(folder: Path) -> dict[str, Path]:
    """SOP Instance UID to file."""
    return {
        str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
