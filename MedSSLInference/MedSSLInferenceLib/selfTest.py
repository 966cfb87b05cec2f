"""What the module's self-test needs: a volume without a download, and a model without waiting."""

from __future__ import annotations

import numpy as np
import slicer
from MedSSLLib.scene.volumeExport import ijkToRas

from medssl.client.session import Session
from medssl.core.home import home_folder
from medssl.core.protocol import DataSpec

STEPS = 3


def loadSample():
    """The first sample volume that was downloaded before, or None."""
    files = sorted((home_folder() / "samples").rglob("*.nii.gz"))
    return slicer.util.loadVolume(str(files[0])) if files else None


def createPhantom():
    """A volume node with an ellipsoid body and two air-filled lungs, in HU."""
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, side) for side in (48, 96, 96)), indexing="ij")
    voxels = np.where(i**2 + (j / 0.8) ** 2 < 0.8, 40, -1000)
    for side in (-0.4, 0.4):
        voxels[((i - side) / 0.3) ** 2 + (j / 0.5) ** 2 + k**2 < 1] = -850
    noise = np.random.default_rng(0).normal(0, 20, voxels.shape)
    node = slicer.util.addVolumeFromArray((voxels + noise).astype(np.int16), name="MedSSL phantom")
    node.SetOrigin(-48, -48, -24)
    return node


def trainForThreeSteps(transport, volumeNode) -> str:
    """Pretrain the smallest preset on one volume, given out as two patients'; returns the job id."""
    session = Session(transport)
    voxels, matrix = slicer.util.arrayFromVolume(volumeNode), ijkToRas(volumeNode)
    volumes = tuple(  # two patients, so that one remains for validation
        session.upload_array(voxels, matrix, name=volumeNode.GetName(), modality="CT", patient=patient)
        for patient in ("first", "second")
    )
    job = session.pretrain(DataSpec(volumes=volumes), preset="laptop", config={"training": {"steps": STEPS}})
    return session.wait(job.id).id
