"""Write NIfTI files as tools other than ours write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np

AFFINE = np.array([[0.7, 0, 0, -10], [0, 0.8, 0, 20], [0, 0, 2.5, 30], [0, 0, 0, 1.0]])  # RAS


def write_nifti(
    path: Path,
    array: np.ndarray,
    sform: Any = AFFINE,
    qform: Any = None,
    kind: Any = nibabel.Nifti1Image,
    **fields: Any,
) -> Path:
    """Write voxels as they are (no scaling of their own) under the given header.

    Args:
        path: .nii, .nii.gz, or .hdr for a pair.
        array: voxels.
        sform, qform: affines in RAS; None: not stated.
        kind: nibabel's class.
        fields: raw header fields, such as pixdim=(1, 0, 0.8, 2.5, ...), or endianness=">".
    """
    header = kind.header_class(endianness=fields.pop("endianness", "<"))
    header.set_data_dtype(array.dtype)
    image = kind(array, None, header)
    image.set_qform(qform, 0 if qform is None else fields.pop("qform_code", 1))
    if qform is None and sform is not None:
        image.header["pixdim"][1:4] = np.linalg.norm(np.asarray(sform)[:3, :3], axis=0)
    image.set_sform(sform, 0 if sform is None else fields.pop("sform_code", 1))
    nibabel.save(image, path)
    return _patched(path, kind, fields) if fields else path


def _patched(path: Path, kind: Any, fields: dict[str, Any]) -> Path:
    """The raw header fields written over those of the file, which must not be packed."""
    data = bytearray(path.read_bytes())
    size = kind.header_class.template_dtype.itemsize
    header = kind.header_class(bytes(data[:size]), check=False)
    for name, value in fields.items():
        header[name] = value
    data[:size] = header.binaryblock
    path.write_bytes(bytes(data))
    return path
