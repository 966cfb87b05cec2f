"""The module MedSSLInference: look into a trained model, on a volume of the scene."""

from __future__ import annotations

import importlib.util
import os
import sys
import unittest
from pathlib import Path
from typing import Annotated

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

if importlib.util.find_spec("MedSSLLib") is None:  # in the source tree the shared package lies beside the other module
    sys.path.append(str(Path(__file__).resolve().parents[1] / "MedSSLPretrain"))

import MedSSLInferenceLib  # noqa: F401  # before all others: from here on `medssl` can be imported
from MedSSLInferenceLib.regionOfInterest import ijkBounds
from MedSSLInferenceLib.restorationRun import RestorationRun
from MedSSLInferenceLib.restoreBox import RestoreBox
from MedSSLInferenceLib.selfTest import createPhantom, loadSample, trainForThreeSteps
from MedSSLLib.backendBox import BackendBox
from MedSSLLib.backendProcess import localTransport

from medssl.client import api


class MedSSLInference(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MedSSL Inference")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Training")]
        parent.dependencies = []
        parent.contributors = ["The MedSSL contributors"]
        parent.helpText = _(
            "Shows what a self-supervised model has learned: distorts a volume, lets the model restore it, and compares."
        )
        parent.acknowledgementText = _(
            "Models Genesis: Zhou et al., Medical Image Analysis 67 (2021) 101840. Research software, not a medical device."
        )


@parameterNodeWrapper
class MedSSLInferenceParameterNode:
    """The panel's choices; saved with the scene."""

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    region: slicer.vtkMRMLMarkupsROINode
    model: str
    distortion: str = "random"
    strength: Annotated[float, WithinRange(0.0, 1.0)] = 1.0
    seed: Annotated[int, WithinRange(0, 999999)] = 0
    overlap: Annotated[float, WithinRange(0.0, 0.9)] = 0.25
    fidelity: str


class MedSSLInferenceWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel."""

    def __init__(self, parent=None, makeBackend=BackendBox) -> None:
        self._makeBackend = makeBackend
        self.logic = self.backendBox = self.restoreBox = None
        self._parameterNode = self._parameterNodeGuiTag = None
        self._entered = True  # until told otherwise: a panel is built to be shown
        VTKObservationMixin.__init__(self)
        ScriptedLoadableModuleWidget.__init__(self, parent)  # last: without a parent it calls setup()

    def setup(self) -> None:
        """Build the panel; needs neither main window nor backend."""
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/MedSSLInference.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        for widget in (uiWidget, self.ui.inputSelector, self.ui.roiSelector):
            widget.setMRMLScene(slicer.mrmlScene)
        self.logic = MedSSLInferenceLogic()
        self.backendBox = self._makeBackend(self.ui.backendFrame)
        self.restoreBox = RestoreBox(self.ui, self.logic, slicer.app.layoutManager, lambda: self.backendBox.device)
        self.backendBox.changed.connect(self.onBackendChanged)
        self.onBackendChanged()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneReady)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneReady)
        self.setParameterNode(self.logic.getParameterNode())

    def cleanup(self) -> None:
        """The application exits or the module is reloaded."""
        self.removeObservers()
        self.setParameterNode(None)
        self.restoreBox.close()
        self.backendBox.close()

    def onBackendChanged(self) -> None:
        """The backend came up or went down."""
        self.restoreBox.setTransport(self.backendBox.transport)

    def enter(self) -> None:
        """The user opens the panel."""
        self._entered = True
        self.setParameterNode(self.logic.getParameterNode())

    def exit(self) -> None:
        """The user leaves the panel."""
        self._entered = False
        self.setParameterNode(None)

    def onSceneStartClose(self, _caller, _event) -> None:
        """Let go of the old scene's nodes."""
        self.setParameterNode(None)
        self.restoreBox.forgetScene()

    def onSceneStartImport(self, _caller, _event) -> None:
        """A scene is being loaded: its choices are not to be overwritten by those on the screen."""
        self.setParameterNode(None)

    def onSceneReady(self, _caller, _event) -> None:
        """Start over with the new scene, or show the choices of the one just loaded."""
        if self._entered:
            self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode) -> None:
        """Bind the widgets to a parameter node, or to none."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            if parameterNode.inputVolume is None:
                parameterNode.inputVolume = firstVolume()
            self._parameterNodeGuiTag = parameterNode.connectGui(self.ui)
        self.restoreBox.setParameterNode(parameterNode)


def firstVolume():
    """A volume to begin with, or None; segmentations' label maps and colour images are of derived classes."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    plain = (n for n in nodes if n.GetClassName() == "vtkMRMLScalarVolumeNode" and not n.GetHideFromEditors())
    return next(plain, None)


class MedSSLInferenceLogic(ScriptedLoadableModuleLogic):
    """Restorations of volume nodes: for the panel, the console and scripts.

    logic = slicer.util.getModuleLogic("MedSSLInference")
    result = logic.restore(volumeNode, model=job.model, distortion="outpaint")
    result.table
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.transport = None  # set one to use a backend on another machine

    def getParameterNode(self):
        """The singleton parameter node, typed."""
        return MedSSLInferenceParameterNode(super().getParameterNode())

    def restore(self, volumeNode, model, transport=None, waitForCompletion=True, **options):
        """Distort a volume, let a model restore it, and put both beside it into the scene.

        Args:
            volumeNode: a vtkMRMLScalarVolumeNode; it stays as it is.
            model: a job id, or the path of a weight file that the backend can read.
            transport: where the backend is; None takes `self.transport`, else the local one, started where none runs.
            waitForCompletion: False returns a RestorationRun at once, needs `onFinished` and `onFailed`, and an
                asynchronous transport.
            options: distortion, strength 0...1, seed, roi (a vtkMRMLMarkupsROINode), overlap, fidelity, device,
                onProgress(fraction, message).

        Returns:
            A Restoration: nodes `original`, `distorted`, `restored`, `error`, `tableNode`; the rows of `table`; `info`.

        Raises:
            MedSSLError: what is wrong with the input, or what the backend reports.
        """
        if waitForCompletion:
            run = RestorationRun(volumeNode, model, **options)
            return run.wait(transport or self.transport or localTransport())
        return self.startRestore(volumeNode, model, transport, **options)

    def startRestore(self, volumeNode, model, transport, onFinished, onFailed, **options):
        """The same without waiting: `onFinished(Restoration)` or `onFailed(error)` follows from the event loop."""
        run = RestorationRun(volumeNode, model, **options)
        run.start(transport, onFinished, onFailed)
        return run

    def listModels(self, transport, onFinished, onFailed) -> None:
        """Ask the backend which models it has; `onFinished(list of dicts)` or `onFailed(error)` follows."""
        transport.send(api.models(), onFinished, onFailed)


class MedSSLInferenceTest(ScriptedLoadableModuleTest):
    """With MEDSSL_PYTHON set: a volume goes through the backend. Without: the result's place in the scene only."""

    def runTest(self) -> None:
        """Run what can be run here."""
        slicer.mrmlScene.Clear(0)
        self.test_panel()
        self.test_regionOfInterest()
        if os.environ.get("MEDSSL_PYTHON"):
            self.test_restoreThroughTheBackend()

    def test_panel(self) -> None:
        """The panel can be built without a backend."""
        self.assertIsNotNone(slicer.modules.medsslinference.widgetRepresentation())

    def test_regionOfInterest(self) -> None:
        """A small ROI grows to a cube inside the volume."""
        volumeNode = createPhantom()
        roiNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
        roiNode.SetSize(10, 10, 10)
        bounds = ijkBounds(roiNode, volumeNode)
        self.assertEqual([stop - start for start, stop in bounds], [64, 64, 32])

    @unittest.skipUnless(os.environ.get("MEDSSL_PYTHON"), "MEDSSL_PYTHON names no Python with the backend")
    def test_restoreThroughTheBackend(self) -> None:
        """Restore a volume with the newest model, or with one trained for three steps."""
        volumeNode = loadSample() or createPhantom()
        transport = localTransport()
        models = transport.send(api.models())
        model = models[0]["model"] if models else trainForThreeSteps(transport, volumeNode)
        result = MedSSLInferenceLogic().restore(volumeNode, model, transport, distortion="outpaint")
        self.assertEqual(result.table[1]["image"], "restored")
        for node in (result.original, result.distorted, result.restored, result.error):
            self.assertEqual(node.GetImageData().GetDimensions(), volumeNode.GetImageData().GetDimensions())
