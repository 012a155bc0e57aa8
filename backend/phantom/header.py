"""The headers of computed images: PS3.3's modules for CT (A.3), MR (A.4), CR (A.2), DX (A.26), US (A.6) and US multi-frame (A.7)."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from .people import person_name
from .request import PhantomRequest

_CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "US cine": "1.2.840.10008.5.1.4.1.1.3.1",
}
_BODY = {"CT": "CHEST", "MR": "HEAD", "CR": "CHEST", "DX": "CHEST", "US": "HEART"}
_DESCRIPTIONS = {"CT": "胸部CT平扫", "MR": "头颅MR平扫", "CR": "胸部正位", "DX": "胸部正位", "US": "心脏彩超"}
_SERIES = {
    "CT": "肺 合成影像",
    "MR": "T1WI 合成影像",
    "CR": "正位 合成影像",
    "DX": "正位 合成影像",
    "US": "四腔心 合成影像",
}


def texts_of(request: PhantomRequest) -> dict[str, str]:
    """The texts that Specific Character Set governs, by keyword."""
    return {
        "InstitutionName": request.institution,
        "InstitutionalDepartmentName": request.department,
        "StudyDescription": request.description or _DESCRIPTIONS[request.modality],
        "SeriesDescription": f"SYNTHETIC {_SERIES[request.modality]}",
        "PatientName": person_name(request.person.name),
        "ReferringPhysicianName": person_name("李医生"),
        "ImageComments": "合成影像，由程序计算，不是任何人的影像",
    }


def header(request: PhantomRequest, index: int) -> Dataset:
    """Everything but pixels, texts and the modality's own modules of instance `index` (from 0)."""
    dataset = Dataset()
    person = request.person
    cine = request.modality == "US" and request.slices > 1
    dataset.SOPClassUID = _CLASSES["US cine" if cine else request.modality]
    dataset.SOPInstanceUID = request.uid("study", request.series_number, index)
    dataset.StudyInstanceUID = request.uid("study")
    dataset.SeriesInstanceUID = request.uid("study", request.series_number)
    dataset.ImageType = [
        "DERIVED",
        "PRIMARY",
        *({"CT": ["AXIAL"], "MR": ["M"]}.get(request.modality, [""])),
        "SYNTHETIC",
    ]
    for name in ("Study", "Series", "Acquisition", "Content"):
        setattr(dataset, f"{name}Date", f"{request.study_date:%Y%m%d}")
        setattr(dataset, f"{name}Time", request.study_time)
    dataset.AccessionNumber = request.accession_number
    dataset.Modality = request.modality
    dataset.Manufacturer = "Yunying phantom"
    dataset.StudyID = request.accession_number[-16:]
    dataset.SeriesNumber = request.series_number
    dataset.InstanceNumber = index + 1
    dataset.PatientID = request.patient_id
    dataset.PatientBirthDate = f"{person.birth_date:%Y%m%d}"
    dataset.PatientSex = person.sex
    dataset.PatientAge = f"{_years(request):03d}Y"
    dataset.OtherPatientIDs = person.id_number
    dataset.PatientTelephoneNumbers = person.phone
    dataset.BodyPartExamined = _BODY[request.modality]
    dataset.BurnedInAnnotation = "YES"
    dataset.file_meta = _meta(dataset)
    return dataset


def slice_geometry(dataset: Dataset, request: PhantomRequest, index: int, field: float, height: float) -> None:
    """Image Plane and Frame of Reference (C.7.6.2, C.7.4.1) of an axial slice, from the head down; `field` and `height` in mm."""
    spacing = height / request.slices
    step = field / request.columns
    dataset.FrameOfReferenceUID = request.uid("study", "frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.PatientPosition = "HFS"
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    corner = -field / 2 + step / 2
    top = -step * request.rows / 2 + step / 2
    z = height - (index + 0.5) * spacing
    dataset.ImagePositionPatient = [round(corner, 4), round(top, 4), round(z, 4)]
    dataset.SliceLocation = round(z, 4)
    dataset.SliceThickness = round(spacing, 4)
    dataset.SpacingBetweenSlices = round(spacing, 4)
    dataset.PixelSpacing = [round(step, 6), round(step, 6)]


def grey_pixels(dataset: Dataset, rows: int, columns: int, bits: int) -> None:
    """Image Pixel module (C.7.6.3) of unsigned grey, 16 bits allocated."""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, bits, bits - 1
    dataset.PixelRepresentation = 0


def ct_modules(dataset: Dataset) -> None:
    """CT Image (C.8.2.1) with Hounsfield units and the lung and mediastinal windows."""
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
    dataset.WindowCenter, dataset.WindowWidth = [-600, 40], [1500, 400]
    dataset.KVP, dataset.AcquisitionNumber = 120, 1
    dataset.ConvolutionKernel = "LUNG"


def mr_modules(dataset: Dataset) -> None:
    """MR Image (C.8.3.1) of a T1-weighted spin echo."""
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "SE", "NONE", ""
    dataset.MRAcquisitionType, dataset.EchoTime, dataset.RepetitionTime = "2D", 12, 550
    dataset.EchoTrainLength, dataset.MagneticFieldStrength = 1, 3
    dataset.WindowCenter, dataset.WindowWidth = 450, 900


def projection_modules(dataset: Dataset, request: PhantomRequest, field: float) -> None:
    """CR Image (C.8.1.2) or DX Image, Detector and Positioning (C.8.11.3 to C.8.11.5)."""
    spacing = round(field / request.columns, 6)
    dataset.ImagerPixelSpacing = [spacing, spacing]
    dataset.ViewPosition = "PA"
    dataset.PatientOrientation = ["L", "F"]
    dataset.WindowCenter, dataset.WindowWidth = 2000, 3600
    dataset.KVP = 120
    if request.modality == "CR":
        dataset.PixelSpacing = [spacing, spacing]
        return
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", -1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.PresentationLUTShape, dataset.LossyImageCompression = "IDENTITY", "00"
    dataset.ImageLaterality, dataset.DetectorType = "U", "DIRECT"


def ultrasound_modules(dataset: Dataset, request: PhantomRequest, field: float) -> None:
    """US Image (C.8.5.6), Region Calibration (C.8.5.5) and, for a cine, Cine and Multi-frame (C.7.6.5, C.7.6.6)."""
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = "RGB"
    dataset.Rows, dataset.Columns = request.rows, request.columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PixelRepresentation = 0
    dataset.UltrasoundColorDataPresent = 1
    dataset.LossyImageCompression = "00"
    region = Dataset()
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = request.columns - 1, request.rows - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3
    region.PhysicalDeltaX = region.PhysicalDeltaY = field / 10 / request.columns
    dataset.SequenceOfUltrasoundRegions = [region]
    if request.slices > 1:
        dataset.NumberOfFrames = request.slices
        dataset.FrameTime = 40
        dataset.FrameIncrementPointer = Tag("FrameTime")


def _meta(dataset: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID("2.25.140319960215037119450112713312416361027")
    meta.ImplementationVersionName = "YUNYING"
    return meta


def _years(request: PhantomRequest) -> int:
    born, day = request.person.birth_date, request.study_date
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
