"""What a user may get wrong, held against the two ways in: a training set for a job, a volume for an inspection.

Terminal, HTTP and panel show the same error object (their own tests hold them to that); here each input is shown to end
in one that names value, rule and remedy, and to leave no model and no half-written cache behind.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from fakes import FakeRun, tiny_spec, write_phantoms
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from refusals import refused

from medssl.core.errors import MedSSLError
from medssl.core.plan import Plan
from medssl.core.protocol import VolumeRef, to_json
from medssl.core.requests import RestoreRequest
from medssl.handlers.worker.local import run_here
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import save_weights
from medssl.pretraining.run import pretrain

HU = np.random.default_rng(0).integers(-1000, 400, (24, 24, 24)).astype(np.int16)


def image(folder: Path, name: str, voxels: np.ndarray = HU) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(folder / name))
    return folder / name


def cut(path: Path, share: float = 0.5) -> None:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def slices(folder: Path, places: list[float], series: str, shape: tuple[int, int] = (24, 24)) -> None:
    """DICOM slices at the given z, in mm."""
    folder.mkdir(exist_ok=True)
    for z in places:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = CTImageStorage, ExplicitVRLittleEndian
        meta.MediaStorageSOPInstanceUID = generate_uid()
        data = Dataset()
        data.file_meta = meta
        data.SOPClassUID, data.SOPInstanceUID, data.SeriesInstanceUID = (
            CTImageStorage,
            meta.MediaStorageSOPInstanceUID,
            series,
        )
        data.Modality, data.PatientID, data.Rows, data.Columns = "CT", "p", *shape
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, z], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.RescaleSlope, data.RescaleIntercept = [1, 1], 1, -1024
        data.BitsAllocated = data.BitsStored = 16
        data.HighBit, data.PixelRepresentation, data.SamplesPerPixel, data.PhotometricInterpretation = (
            15,
            0,
            1,
            "MONOCHROME2",
        )
        data.PixelData = (HU[0] + 1024).astype(np.uint16).tobytes()
        pydicom.dcmwrite(folder / f"{series[-4:]}-{z}.dcm", data, enforce_file_format=True)


def truncated_nrrd(folder: Path) -> None:
    cut(image(folder, "a.nrrd"))


def truncated_nifti(folder: Path) -> None:
    cut(image(folder, "a.nii.gz"))


def missing_slice(folder: Path) -> None:
    slices(folder / "series", [0, 1, 2, 4, 5, 6, 7, 8], "1.2.3.4001")


def mixed_series(folder: Path) -> None:
    slices(folder / "series", [0, 1, 2], "1.2.3.4001")
    slices(folder / "series", [0.5, 1.5, 2.5], "1.2.3.4002")


def flat_image(folder: Path) -> None:
    Image.fromarray((HU[0] % 256).astype(np.uint8)).save(folder / "a.png")


def constant(folder: Path) -> None:
    image(folder, "a.nrrd", np.full_like(HU, -1000))


def not_numbers(folder: Path) -> None:
    voxels = HU.astype(np.float32)
    voxels[3, 3, 3] = np.nan
    image(folder, "a.nrrd", voxels)


def not_hounsfield(folder: Path) -> None:
    image(folder, "a.nrrd", HU + 1200)


def announces_terabytes(folder: Path) -> None:
    header = "NRRD0004\ntype: short\ndimension: 3\nsizes: 10000 10000 10000\nencoding: raw\nendian: little\n\n"
    (folder / "a.nrrd").write_bytes(header.encode() + b"\0" * 100)


BAD: dict[Callable[[Path], None], str] = {
    truncated_nrrd: "a.nrrd",
    truncated_nifti: "a.nii.gz",
    missing_slice: "slice",
    mixed_series: "series",
    flat_image: "3D",
    constant: "constant",
    not_numbers: "numbers|NaN",
    not_hounsfield: "Hounsfield",
    announces_terabytes: "a.nrrd",
}


@pytest.fixture(params=BAD, ids=lambda make: make.__name__)
def bad(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    folder = tmp_path / "Ärger mit Daten"
    folder.mkdir()
    request.param(folder)
    return folder, BAD[request.param]


def check(error: MedSSLError, pattern: str) -> None:
    import re

    assert error.value and error.rule and error.remedy
    assert re.search(pattern, str(error), re.IGNORECASE), str(error)


def test_a_training_on_it_fails_clearly_and_leaves_nothing_half_done(bad: tuple[Path, str], tmp_path: Path):
    folder, pattern = bad
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    if pattern == BAD[mixed_series]:  # as a training set, each series is an image of its own
        pretrain(tiny_spec(folder), run)
        assert (run.folder / "results" / "model.safetensors").exists()
        return
    with pytest.raises(MedSSLError) as caught:
        pretrain(tiny_spec(folder), run)
    check(caught.value, pattern)
    assert not (run.folder / "results" / "model.safetensors").exists()
    assert not list((tmp_path / "home").rglob("*.partial"))


def test_a_restoration_of_it_fails_clearly(bad: tuple[Path, str], tmp_path: Path):
    folder, pattern = bad
    model = tmp_path / "m.safetensors"
    plan = Plan(
        "genesis",
        {"base_width": 4, "inputs": 1, "outputs": 1},
        normalisation={"kind": "ct"},
        input_size=(16, 16, 16),
        modality="CT",
    )
    save_weights(model, UNet3D(4).state_dict(), plan)
    request = RestoreRequest(VolumeRef(path=str(next(folder.iterdir())), modality="CT"), str(model))
    with pytest.raises(MedSSLError) as caught:
        run_here("restore", to_json(request), tmp_path / "home", tmp_path / "out", lambda share, text: None)
    check(caught.value, pattern.replace("3D", "2D"))


def test_an_empty_folder_is_refused(tmp_path: Path):
    (tmp_path / "leer").mkdir()
    with refused("no-images"):
        pretrain(tiny_spec(tmp_path / "leer"), FakeRun(tmp_path / "job", tmp_path / "home"))


def test_ct_rules_on_mr_are_refused_by_modality_too(tmp_path: Path):
    spec = tiny_spec(write_phantoms(tmp_path / "d"))
    config = {**spec.config, "normalisation": {"kind": "ct"}}
    mr = dataclasses.replace(spec, config=config, data=dataclasses.replace(spec.data, modality="MR"))
    with pytest.raises(MedSSLError) as caught:
        pretrain(mr, FakeRun(tmp_path / "job", tmp_path / "home"))
    check(caught.value, "MR.*mr-percentile")


def test_a_volume_smaller_than_a_cube_is_padded_and_trains(tmp_path: Path):
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    pretrain(tiny_spec(write_phantoms(tmp_path / "d", shape=(12, 10, 9)), steps=1), run)
    assert run.of("finished")


def test_a_disk_that_fills_up_while_saving_keeps_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import medssl.core.files

    original, written = medssl.core.files.replace, []

    def fills_up(source: Path, target: Path) -> None:
        if target.name.startswith("step-"):
            written.append(target)
            if len(written) > 1:
                raise OSError(28, "No space left on device")
        original(source, target)

    monkeypatch.setattr(medssl.core.files, "replace", fills_up)
    run = FakeRun(tmp_path / "job", tmp_path / "home")
    with pytest.raises(MedSSLError) as caught:
        pretrain(tiny_spec(write_phantoms(tmp_path / "d")), run)
    check(caught.value, "disk is full")
    assert [path.name for path in (run.folder / "checkpoints").iterdir()] == ["step-00000002.safetensors"]
    monkeypatch.undo()
    again = FakeRun(run.folder, run.home, resume=True)
    pretrain(tiny_spec(tmp_path / "d"), again)
    assert again.of("resumed")[0]["step"] == 2 and again.of("finished")
    shutil.rmtree(run.folder)
