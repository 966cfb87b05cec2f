"""By default nothing in a home, nor what is written from an image, says whose it is: neither PatientID nor PatientName."""

from __future__ import annotations

import json

import numpy as np
from dicom_files import write_series

from medssl.core.protocol import DataSpec, VolumeRef
from medssl.core.tables import write_table
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.catalog.catalog import read_catalog
from medssl.images.formats.reading import read_volume, write_volume
from medssl.images.formats.segmentation_files import write_segmentation

SECRETS = (b"MRN-4711-77", b"Mustermann", b"19331224")
TAGS = {"PatientID": "MRN-4711-77", "PatientName": "Mustermann^Erika", "PatientBirthDate": "19331224"}


def test_nothing_that_is_written_names_the_patient_of_a_dicom_series(home, tmp_path, rng):
    folder = write_series(tmp_path / "a", rng.integers(-900, 900, (8, 8, 4)).astype(np.int16), [0, 1, 2, 3], **TAGS)
    assert SECRETS[0] in next(folder.iterdir()).read_bytes()
    for spec in (DataSpec(path=str(folder)), DataSpec(volumes=(VolumeRef(path=str(folder)),))):
        catalog = read_catalog(spec, home)
        (entry,) = catalog.entries
        assert entry.patient.startswith("P-") and len(entry.patient) == 14
        VolumeCache(home / "cache").add(entry)
        write_table([{"image": str(entry.image), "patient": entry.patient, **entry.attributes}], home / "split.csv")
        (home / "notes.json").write_text(json.dumps([*catalog.notes, *catalog.remarks()]))
    volume = read_volume(folder)
    for name in ("a.nrrd", "a.nii.gz", "a.mha"):
        write_volume(volume, home / name, compress=name.endswith("gz"))
    labels = volume.with_array((volume.array > 0).astype(np.uint8))
    write_segmentation(labels, [{"value": 1, "name": "organ", "colour": "#102030"}], home / "a.seg.nrrd")
    for path in home.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        assert not [secret for secret in SECRETS if secret in data], path
    (plain,) = read_catalog(DataSpec(path=str(folder), patient_ids="plain"), home).entries
    assert plain.patient == "MRN-4711-77"  # where somebody asked for it
