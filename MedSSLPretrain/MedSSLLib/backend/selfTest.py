"""What the self-tests of both modules need: a real volume, a model without waiting, and a look through it."""

from __future__ import annotations

import logging

import numpy as np
import slicer
from slicer.i18n import tr as _

from medssl.core.errors import ResourceError
from medssl.core.home import home_folder
from medssl.core.protocol import DataSpec
from MedSSLLib.backend.sampleFetch import fetch
from MedSSLLib.scene.volumeExport import ijkToRas

TRAINING = {"steps": 3, "batch_size": 2, "warmup_steps": 1, "validate_every": 3, "validation_samples": 2}
CONFIG = {"base_width": 4, "training": TRAINING}  # of models that need not be good
PLACES = 4
SAMPLE = "chest-ct"
UNTRAINED = "untrained:laptop"  # random weights describe patches well enough to find some again


def realVolume():
    """The CT of the samples, fetched where it is not here yet; a phantom where it cannot be, and the log says why."""
    try:
        if not _sampleFiles():
            fetch(SAMPLE)
        files = _sampleFiles()
    except ResourceError as error:
        logging.info(_("A phantom takes the place of the sample volume: {error}").format(error=error))
        files = []
    node = slicer.util.loadVolume(str(files[0])) if files else createPhantom()
    node.SetAttribute("MedSSL.Modality", "CT")
    return node


def createPhantom():
    """A volume node with an ellipsoid body and two air-filled lungs, in HU."""
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, side) for side in (64, 96, 96)), indexing="ij")
    voxels = np.where(i**2 + (j / 0.8) ** 2 < 0.8, 40, -1000)
    for side in (-0.4, 0.4):
        voxels[((i - side) / 0.3) ** 2 + (j / 0.5) ** 2 + k**2 < 1] = -850
    noise = np.random.default_rng(0).normal(0, 20, voxels.shape)
    node = slicer.util.addVolumeFromArray((voxels + noise).astype(np.int16), name="MedSSL phantom")
    node.SetOrigin(-168, -168, -160)
    node.SetSpacing(3.5, 3.5, 5.0)
    return node


def secondPatient(volumeNode):
    """The same volume without its border and lighter, as if it were another patient's."""
    voxels = slicer.util.arrayFromVolume(volumeNode)
    inside = tuple(slice(side // 32, side - side // 32) for side in voxels.shape)
    matrix = slicer.util.vtkMatrixFromArray(ijkToRas(volumeNode))
    node = slicer.util.addVolumeFromArray(voxels[inside] + 20, ijkToRAS=matrix, name="second patient")
    for name, value in (("MedSSL.Modality", "CT"), ("MedSSL.Patient", "second")):
        node.SetAttribute(name, value)
    return node


def trainForThreeSteps(transport, volumeNode) -> str:
    """Pretrain the smallest preset on one volume, given out as two patients'; returns the job id."""
    from medssl.client.session import Session  # here: it imports `requests`, which the panels do not need

    session = Session(transport)
    voxels, matrix = slicer.util.arrayFromVolume(volumeNode), ijkToRas(volumeNode)
    volumes = tuple(  # two patients, so that one remains for validation
        session.upload_array(voxels, matrix, name=volumeNode.GetName(), modality="CT", patient=patient)
        for patient in ("first", "second")
    )
    job = session.pretrain(DataSpec(volumes=volumes), preset="laptop", config=CONFIG)
    return session.wait(job.id).id


def lookThrough(logic, volumeNode, model: str, peac: str = UNTRAINED) -> tuple:
    """Restore a volume, and find places of it in another one, both as radiographs.

    Args:
        logic: of MedSSLInference.
        model: one that restores.
        peac: one that describes patches.

    Returns:
        A Restoration and a Correspondence.
    """
    restored = logic.restore(volumeNode, model, distortion="outpaint")
    pair = [volumeNode, secondPatient(volumeNode)]
    return restored, logic.correspond(pair, peac, view="frontal", count=PLACES)


def _sampleFiles() -> list:
    return sorted((home_folder() / "samples" / SAMPLE / "images").glob("*.nii.gz"))
