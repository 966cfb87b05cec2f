"""Cases of a set as volume nodes, and the views in which one lies beside the image that was asked about."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import slicer
from MedSSLLib.scene.dicomSeries import modalityOf
from MedSSLLib.scene.sliceOffsets import holdOffsets, middleOffset
from MedSSLLib.scene.volumeExport import isFlat
from MedSSLLib.steps import Pause, Steps
from slicer.i18n import tr as _

from medssl.client.volumes import read_nrrd_bytes
from medssl.core.errors import InputError
from MedSSLInferenceLib.scene.overlayViews import bindOverlays
from MedSSLInferenceLib.scene.presence import requirePresent
from MedSSLInferenceLib.views.radiographLayout import facePixels, layoutId, viewName

CASE = "MedSSL.case"  # attribute: the file that a node was loaded from
DISPLAYED = ("MedSSL.Patient", "patient"), ("MedSSL.findings", "findings")


def loadFile(path: str, name: str):
    """A volume node of a file of this computer; None where Slicer cannot read it.

    Raises:
        InputError: it is not there any more, or it is a folder with slices.
    """
    if Path(path).is_dir():
        raise InputError(path, _("is a folder of DICOM slices"), _("Load it through the DICOM module"))
    if not Path(path).is_file():
        raise InputError(path, _("is not there any more"), _("Search again: the index will leave it out"))
    try:  # one file: numbered pictures would be stacked; not shown: the views are arranged afterwards
        return slicer.util.loadVolume(path, {"name": name, "singleFile": True, "show": False})
    except RuntimeError:
        return None


def createFromBytes(data: bytes, name: str):
    """A volume node of NRRD bytes."""
    array, ijkToRas = read_nrrd_bytes(data)
    matrix = slicer.util.vtkMatrixFromArray(ijkToRas)
    if slicer.mrmlScene.GetFirstNodeByName(name) is not None:
        name = slicer.mrmlScene.GenerateUniqueName(name)
    node = slicer.util.addVolumeFromArray(array, ijkToRAS=matrix, name=name)
    node.CreateDefaultDisplayNodes()
    return node


def markCase(node, row: dict[str, Any], query) -> None:
    """Note in the scene which case a node is; it is of the query's modality."""
    node.SetAttribute(CASE, row["path"])
    node.SetAttribute("MedSSL.Modality", modalityOf(query))
    for attribute, column in DISPLAYED:
        node.SetAttribute(attribute, str(row[column]))


def isCase(node) -> bool:
    """Whether a node is noted as a case."""
    return bool(node.GetAttribute(CASE))


def loadedBefore(path: str):
    """The node that was loaded from a case's file, or None."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    return next((node for node in nodes if node.GetAttribute(CASE) == path), None)


def besideSteps(query, case, layoutManager) -> Steps:
    """Show the image that was asked about and a case side by side, one view an event loop.

    Args:
        layoutManager: a qMRMLLayoutManager, or None where Slicer runs without a main window.
    """
    if layoutManager is None:
        return
    layoutManager.setLayout(layoutId(2))
    offsets = {}
    for number, node in enumerate((query, case)):
        yield Pause(0.0)
        requirePresent([query, case], _("Load it and search again"))
        widget = layoutManager.sliceWidget(viewName(number))
        composite = widget.mrmlSliceCompositeNode()
        composite.SetLinkedControl(False)
        composite.SetBackgroundVolumeID(node.GetID())
        composite.SetForegroundVolumeID(None)
        composite.SetLabelVolumeID(None)
        if isFlat(node):
            facePixels(widget.mrmlSliceNode(), node)
        else:
            widget.mrmlSliceNode().SetOrientation("Axial")
        offsets[viewName(number)] = middleOffset(widget.mrmlSliceNode(), node)
    bindOverlays()
    holdOffsets(layoutManager, offsets)
