"""The module MedSSLInference: look into a trained model, on a volume of the scene."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Annotated, Union

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
from MedSSLInferenceLib.consoleVerbs import ConsoleVerbs
from MedSSLInferenceLib.inferencePanel import InferencePanel
from MedSSLInferenceLib.scene.overlayViews import overlayViews
from MedSSLInferenceLib.scene.regionOfInterest import ijkBounds
from MedSSLInferenceLib.views.layouts import reopening
from MedSSLInferenceLib.views.segmentViews import openSegmentEditor
from MedSSLLib.backend.backendBox import BackendBox
from MedSSLLib.backend.backendProcess import localTransport
from MedSSLLib.backend.selfTest import UNTRAINED, createPhantom, lookThrough, realVolume, trainForThreeSteps
from MedSSLLib.scene.volumeExport import isFlat
from MedSSLLib.widgets.uiFile import discard

from medssl.client import api
from medssl.core.capabilities import PATCHES, RESTORE


class MedSSLInference(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MedSSL Inference")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Training")]
        parent.dependencies = []
        parent.contributors = ["The MedSSL contributors"]
        parent.helpText = _(
            "Shows what a self-supervised model has learned: distorts a volume, lets the model restore it, and compares; "
            "or finds the same anatomy in several chest radiographs, or in two CTs or MRs. Lets fine-tuned models segment and classify, "
            "shows where a finding's probability comes from, finds similar cases, and bends one radiograph onto another."
        )
        parent.acknowledgementText = _(
            "Models Genesis: Zhou et al., Medical Image Analysis 67 (2021) 101840. PEAC: Zhou et al., BMVC 2023. "
            "Foundation Ark: Ma et al., MICCAI 2023 and Nature 2025. "
            "Research software, not a medical device."
        )
        slicer.app.connect("startupCompleted()", watchScene)  # for scenes that are opened before the panel
        if slicer.app.layoutManager() is not None:  # the module is loaded later
            watchScene()


# An image of the scene; pictures are vector volumes. Slicer's wrapper gives selectors the node types of their parameters, whatever
# the .ui file says, and knows no unions written with a bar.
ImageNode = Union[slicer.vtkMRMLScalarVolumeNode, slicer.vtkMRMLVectorVolumeNode]  # noqa: UP007


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
    radiographs: list[slicer.vtkMRMLScalarVolumeNode]
    radiographView: str
    dense: Annotated[int, WithinRange(1, 4)] = 2
    searchRadius: Annotated[int, WithinRange(0, 50)] = 0
    refine: bool
    count: Annotated[int, WithinRange(1, 100)] = 12
    warpBlend: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    parts: Annotated[int, WithinRange(0, 30)] = 0
    mapMethod: str = "tsne"
    heatOpacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    landmarkImages: str
    landmarkTable: str
    landmarkGroups: str
    placesVolume: slicer.vtkMRMLScalarVolumeNode
    searchedVolume: slicer.vtkMRMLScalarVolumeNode
    placesRadius: Annotated[int, WithinRange(0, 300)] = 0
    placesOpacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    placesControl: bool
    placesCount: Annotated[int, WithinRange(1, 100)] = 8
    segmentVolume: ImageNode
    segmentMirror: bool
    segmentUncertainty: bool
    predictImages: list[slicer.vtkMRMLScalarVolumeNode]
    predictView: str
    predictTestTime: str
    predictFindings: str
    saliencyMethod: str = "grad-cam"
    retrieveVolume: ImageNode
    retrieveAmong: str
    retrieveView: str
    retrieveCount: Annotated[int, WithinRange(1, 200)] = 8
    retrieveSamePatient: bool


class MedSSLInferenceWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel."""

    def __init__(self, parent=None, makeBackend=BackendBox, openEditor=openSegmentEditor) -> None:
        self._makeBackend, self._openEditor = makeBackend, openEditor
        self.logic = self.backendBox = self.panel = self._uiWidget = None
        self._parameterNode, self._parameterNodeGuiTags = None, ()
        self._entered = True  # unless the user has left it: a panel is built to be shown
        VTKObservationMixin.__init__(self)
        ScriptedLoadableModuleWidget.__init__(self, parent)  # last: without a parent it calls setup()

    def setup(self) -> None:
        """Build the panel; needs neither main window nor backend."""
        ScriptedLoadableModuleWidget.setup(self)
        self._uiWidget = uiWidget = slicer.util.loadUI(self.resourcePath("UI/MedSSLInference.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        for widget in (uiWidget, self.ui.inputSelector, self.ui.roiSelector):
            widget.setMRMLScene(slicer.mrmlScene)
        self.logic = MedSSLInferenceLogic()
        self.backendBox = self._makeBackend(self.ui.backendFrame)
        self.panel = InferencePanel(self.ui, self.logic, self.backendBox, slicer.app.layoutManager, self._openEditor)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneReady)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.setParameterNode(self.logic.getParameterNode())

    def cleanup(self) -> None:
        """The application exits or the module is reloaded, maybe one that could not be built."""
        self.removeObservers()
        overlayViews.stop()
        reopening.stop()
        if self.panel is not None:
            self.setParameterNode(None)
            self.panel.close()
        if self.backendBox is not None:
            self.backendBox.close()
        if self._uiWidget is not None:
            discard(self._uiWidget)
        self.panel = self.backendBox = self.logic = self._uiWidget = None

    def onReload(self) -> None:
        """The developer's reload button: the packages go with the module."""
        for name in [n for n in sys.modules if n.split(".")[0] in ("MedSSLLib", "MedSSLInferenceLib")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

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
        self.panel.forgetScene()

    def onSceneStartImport(self, _caller, _event) -> None:
        """A scene is being loaded: its choices are not to be overwritten by those on the screen."""
        self.setParameterNode(None)

    def onSceneEndImport(self, caller, event) -> None:
        """Show what the scene brought: its choices, its comparisons."""
        self.onSceneReady(caller, event)
        self.panel.radiographs.sceneReady()

    def onSceneReady(self, _caller, _event) -> None:
        """Start over with the new scene, or show the choices of the one just loaded."""
        if self._entered:
            self.setParameterNode(self.logic.getParameterNode())

    def setParameterNode(self, parameterNode) -> None:
        """Bind the widgets to a parameter node, or to none."""
        if self._parameterNode is not None:
            for tag in self._parameterNodeGuiTags:
                self._parameterNode.disconnectGui(tag)
        self._parameterNode = parameterNode
        if parameterNode is not None:
            if parameterNode.inputVolume is None:
                parameterNode.inputVolume = firstVolume()
            if parameterNode.segmentVolume is None:
                parameterNode.segmentVolume = parameterNode.inputVolume
            forms = (
                self.ui,
                self.panel.radiographs.ui,
                self.panel.volumes.ui,
                self.panel.segment.ui,
                self.panel.retrieve.ui,
            )
            self._parameterNodeGuiTags = tuple(parameterNode.connectGui(form) for form in forms)
        self.panel.setParameterNode(parameterNode)


def watchScene() -> None:
    """Keep results over their own images and layouts known, also while the panel is closed."""
    overlayViews.start()
    reopening.start()


def firstVolume():
    """A 3D volume to begin with, or None; segmentations' label maps and colour images are of derived classes."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    plain = (
        n for n in nodes if n.GetClassName() == "vtkMRMLScalarVolumeNode" and not (n.GetHideFromEditors() or isFlat(n))
    )
    return next(plain, None)


class MedSSLInferenceLogic(ConsoleVerbs, ScriptedLoadableModuleLogic):
    """What models know and what they were fine-tuned for: for the panel, the console and scripts.

    logic = slicer.util.getModuleLogic("MedSSLInference")
    result = logic.restore(volumeNode, model=job.model, distortion="outpaint")
    result.table
    result = logic.correspond([radiographA, radiographB], model=peacJob.model, count=12)
    result.lists
    segmentationNode = logic.segment(volumeNode, model=tunedJob.model)
    found = logic.retrieve(radiograph, "/data/chests", model=arkJob.model)
    logic.loadCase(found, rank=1)
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        watchScene()

    def getParameterNode(self):
        """The singleton parameter node, typed."""
        return MedSSLInferenceParameterNode(super().getParameterNode())


class MedSSLInferenceTest(ScriptedLoadableModuleTest):
    """With MEDSSL_PYTHON set: a real volume goes through the backend. Without: the result's place in the scene only."""

    def runTest(self) -> None:
        """Run what can be run here."""
        slicer.mrmlScene.Clear(0)
        self.test_panel()
        self.test_regionOfInterest()
        if os.environ.get("MEDSSL_PYTHON"):
            slicer.mrmlScene.Clear(0)
            self.test_throughTheBackend()

    def test_panel(self) -> None:
        """The panel can be built without a backend."""
        self.assertIsNotNone(slicer.modules.medsslinference.widgetRepresentation())

    def test_regionOfInterest(self) -> None:
        """A small ROI grows to a model's sub-volume inside the volume."""
        volumeNode = createPhantom()
        roiNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
        roiNode.SetSize(10, 10, 10)
        bounds = ijkBounds(roiNode, volumeNode)
        self.assertEqual([stop - start for start, stop in bounds], [64, 64, 32])

    def test_throughTheBackend(self) -> None:
        """Restore a volume with the newest model, or with one trained for three steps, and find places of it elsewhere."""
        volumeNode, transport = realVolume(), localTransport()
        models = transport.send(api.models())

        def newest(capability: str) -> str:
            return next((model["model"] for model in models if capability in (model["can"] or ())), "")

        model = newest(RESTORE) or trainForThreeSteps(transport, volumeNode)
        restored, found = lookThrough(MedSSLInferenceLogic(), volumeNode, model, newest(PATCHES) or UNTRAINED)
        self.assertEqual(restored.table[1]["image"], "restored")
        for node in (restored.original, restored.distorted, restored.restored, restored.error):
            self.assertEqual(node.GetImageData().GetDimensions(), volumeNode.GetImageData().GetDimensions())
        self.assertTrue(found.table)
        for points in found.lists:
            self.assertGreaterEqual(points.GetNumberOfControlPoints(), 1)
