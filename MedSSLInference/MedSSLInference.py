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
from MedSSLInferenceLib.inferencePanel import InferencePanel
from MedSSLInferenceLib.landmarkRun import landmarksRun
from MedSSLInferenceLib.radiographRun import correspondRun, cosegmentRun, patchmapRun, similarityRun
from MedSSLInferenceLib.regionOfInterest import ijkBounds
from MedSSLInferenceLib.restorationRun import restorationRun
from MedSSLInferenceLib.retrieveRun import caseRun, retrieveRun
from MedSSLInferenceLib.segmentEditor import openSegmentEditor
from MedSSLInferenceLib.selfTest import createPhantom, loadSample, trainForThreeSteps
from MedSSLInferenceLib.taskRuns import predictRun, segmentRun
from MedSSLLib.backendBox import BackendBox
from MedSSLLib.backendProcess import localTransport
from MedSSLLib.volumeExport import isFlat

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
            "Shows what a self-supervised model has learned: distorts a volume, lets the model restore it, and compares; "
            "or finds the same anatomy in several chest radiographs. Lets fine-tuned models segment and classify."
        )
        parent.acknowledgementText = _(
            "Models Genesis: Zhou et al., Medical Image Analysis 67 (2021) 101840. PEAC: Zhou et al., BMVC 2023. "
            "Research software, not a medical device."
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
    radiographs: list[slicer.vtkMRMLScalarVolumeNode]
    radiographView: str
    dense: Annotated[int, WithinRange(1, 4)] = 2
    count: Annotated[int, WithinRange(1, 100)] = 12
    parts: Annotated[int, WithinRange(0, 30)] = 0
    mapMethod: str = "tsne"
    heatOpacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    landmarkImages: str
    landmarkTable: str
    landmarkGroups: str
    segmentVolume: slicer.vtkMRMLScalarVolumeNode
    segmentMirror: bool
    predictImages: list[slicer.vtkMRMLScalarVolumeNode]
    predictView: str
    retrieveVolume: slicer.vtkMRMLScalarVolumeNode
    retrieveAmong: str
    retrieveCount: Annotated[int, WithinRange(1, 200)] = 8
    retrieveSamePatient: bool


class MedSSLInferenceWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel."""

    def __init__(self, parent=None, makeBackend=BackendBox, openEditor=openSegmentEditor) -> None:
        self._makeBackend, self._openEditor = makeBackend, openEditor
        self.logic = self.backendBox = self.panel = None
        self._parameterNode, self._parameterNodeGuiTags = None, ()
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
        self.panel = InferencePanel(self.ui, self.logic, self.backendBox, slicer.app.layoutManager, self._openEditor)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneReady)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.setParameterNode(self.logic.getParameterNode())

    def cleanup(self) -> None:
        """The application exits or the module is reloaded."""
        self.removeObservers()
        self.setParameterNode(None)
        self.panel.close()
        self.backendBox.close()

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
        self.panel.radiographs.sceneImporting()

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
            forms = (self.ui, self.panel.radiographs.ui, self.panel.segment.ui, self.panel.retrieve.ui)
            self._parameterNodeGuiTags = tuple(parameterNode.connectGui(form) for form in forms)
        self.panel.setParameterNode(parameterNode)


def firstVolume():
    """A 3D volume to begin with, or None; segmentations' label maps and colour images are of derived classes."""
    nodes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    plain = (
        n for n in nodes if n.GetClassName() == "vtkMRMLScalarVolumeNode" and not (n.GetHideFromEditors() or isFlat(n))
    )
    return next(plain, None)


class MedSSLInferenceLogic(ScriptedLoadableModuleLogic):
    """What models know and what they were fine-tuned for: for the panel, the console and scripts.

    logic = slicer.util.getModuleLogic("MedSSLInference")
    result = logic.restore(volumeNode, model=job.model, distortion="outpaint")
    result.table
    result = logic.correspond([radiographA, radiographB], model=peacJob.model, count=12)
    result.lists
    segmentationNode = logic.segment(volumeNode, model=tunedJob.model)
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
            waitForCompletion: False returns an InspectionRun at once, needs `onFinished` and `onFailed`, and an
                asynchronous transport.
            options: distortion, strength 0...1, seed, roi (a vtkMRMLMarkupsROINode), overlap, fidelity, device,
                onProgress(fraction, message).

        Returns:
            A Restoration: nodes `original`, `distorted`, `restored`, `error`, `tableNode`; the rows of `table`; `info`.

        Raises:
            MedSSLError: what is wrong with the input, or what the backend reports.
        """
        if waitForCompletion:
            return restorationRun(volumeNode, model, **options).wait(self._connected(transport))
        return self.startRestore(volumeNode, model, transport, **options)

    def startRestore(self, volumeNode, model, transport, onFinished, onFailed, **options):
        """The same without waiting: `onFinished(Restoration)` or `onFailed(error)` follows from the event loop."""
        return restorationRun(volumeNode, model, **options).start(transport, onFinished, onFailed)

    def correspond(self, nodes, model, transport=None, **options):
        """Find places of equal anatomy in two or more radiographs, and mark them; the first is the reference.

        Args:
            nodes: 2D volume nodes, or 3D ones with a `view`; they stay as they are.
            model: a job id, the path of a weight file that the backend can read, or "untrained:laptop".
            transport: as in `restore`.
            options: count, dense (1, 2, 4), view ("frontal", "lateral", "red", "k:57": what 3D volumes become), seed,
                part (student, teacher), fidelity, device, onProgress(fraction, message); waitForCompletion=False with
                onFinished and onFailed, as in `restore`.

        Returns:
            A Correspondence: a point list per image in `lists`, `tableNode`, the rows of `table`, `info`.

        Raises:
            MedSSLError: what is wrong with the input, or what the backend reports.
        """
        return self._finish("correspond", nodes, model, transport, options)

    def similarity(self, nodes, model, source, pointRas, transport=None, **options):
        """Find what lies at a point of one radiograph in the others.

        Args:
            source: number of the node that the point belongs to, or the node itself.
            pointRas: R, A, S of the point in the world, in mm.
            nodes, model, transport, options: as in `correspond`.

        Returns:
            A Similarity: `heatMaps` and `matches` of the other images, `table`, `info`.
        """
        return self._finish("similarity", nodes, model, transport, {**options, "source": source, "pointRas": pointRas})

    def cosegment(self, nodes, model, transport=None, **options):
        """Part radiographs into the same anatomical parts; options as in `correspond`, and parts (0: automatic).

        Returns:
            Parts: a segmentation node per image in `segmentations`, with common names and colours; `tableNode`, `table`.
        """
        return self._finish("cosegment", nodes, model, transport, options)

    def patchmap(self, nodes, model, transport=None, **options):
        """Bring the patches of radiographs into a plane; options as in `correspond`, and method (tsne, pca, umap).

        Returns:
            A PatchMap: `tableNode`, `series`, `chart`, `table`, `info`.
        """
        return self._finish("patchmap", nodes, model, transport, options)

    def landmarks(self, nodes, pointLists, models, transport=None, **options):
        """How far from known landmarks do models find them in other patients' radiographs?

        Args:
            nodes: 2D volume nodes, each of another patient unless its attribute MedSSL.Patient says otherwise.
            pointLists: for each a vtkMRMLMarkupsFiducialNode; equal labels are equal landmarks.
            models: a model as in `correspond`, or a list of them.
            options: further fields of LandmarksRequest: compare_untrained, unit (mm, percent), dense, seed, ...;
                onProgress; waitForCompletion=False with onFinished and onFailed.

        Returns:
            LandmarkErrors: `tableNode`, the rows of `table`, `info`.
        """
        return self._finish("landmarks", nodes, models, transport, {**options, "pointLists": pointLists})

    def segment(self, volumeNode, model, transport=None, **options):
        """Let a model segment a volume or a radiograph.

        Args:
            volumeNode: a volume node; it stays as it is.
            model: a job id, or the path of a weight file that the backend can read, fine-tuned for segmentation.
            transport: as in `restore`.
            options: overlap 0...0.9, mirror, device, onProgress(fraction, message); waitForCompletion=False with
                onFinished (told a Segmented) and onFailed, as in `restore`.

        Returns:
            A new vtkMRMLSegmentationNode beside the volume, with the names, colours and terminology the model learned.

        Raises:
            MedSSLError: what is wrong with the input, or what the backend reports.
        """
        waits = options.get("waitForCompletion", True)
        found = self._finish("segment", volumeNode, model, transport, options)
        return found.node if waits else found

    def predict(self, nodes, model, transport=None, **options):
        """Let a classifier or a probe look at radiographs or volumes; options as in `segment`, test_time, and view, which
        makes radiographs of 3D volumes as in `correspond`.

        Returns:
            A vtkMRMLTableNode, a row per image and class: probability, low, high, threshold, positive.
        """
        waits = options.get("waitForCompletion", True)
        found = self._finish("predict", nodes, model, transport, options)
        return found.tableNode if waits else found

    def retrieve(self, volumeNode, among, model, transport=None, **options):
        """Find the cases of a set that are most similar to a radiograph or volume.

        Args:
            volumeNode: a volume node; its attribute MedSSL.Patient tells whose other images do not count.
            among: path of a folder, a catalogue CSV or a declaration (.yaml) on the backend's machine, or a DataSpec.
            model: a job id, or the path of a weight file that the backend can read: any that gives embeddings.
            transport: as in `restore`.
            options: count, features (projector, encoder), same_patient, view as in `correspond`, part, device,
                onProgress(fraction, message); waitForCompletion=False with onFinished and onFailed, as in `restore`.

        Returns:
            A Retrieved: `tableNode`, the rows of `table`, a PNG of each case in `pictures`, `info`.

        Raises:
            MedSSLError: what is wrong with the input, or what the backend reports.
        """
        return self._finish("retrieve", volumeNode, model, transport, {**options, "among": among})

    def loadCase(self, found, rank=1, transport=None):
        """Bring a case that `retrieve` found into the scene; returns its volume node.

        Raises:
            MedSSLError: no such case, or its file is gone.
        """
        return caseRun(found, rank).wait(self._connected(transport))

    def run(self, name, nodes, model, **options):
        """Work that has not begun: `wait(transport)` or `start(transport, onFinished, onFailed)` does it.

        Args:
            name: correspond, similarity, cosegment, patchmap, landmarks, segment, retrieve (one node each) or predict.
        """
        return RUNS[name](nodes, model, **options)

    def _finish(self, name, nodes, model, transport, options):
        started = {key: options.pop(key) for key in ("onFinished", "onFailed") if key in options}
        wait = options.pop("waitForCompletion", True)
        run = self.run(name, nodes, model, **options)
        return run.wait(self._connected(transport)) if wait else run.start(transport, **started)

    def _connected(self, transport=None):
        return transport or self.transport or localTransport()

    def listModels(self, transport, onFinished, onFailed) -> None:
        """Ask the backend which models it has; `onFinished(list of dicts)` or `onFailed(error)` follows."""
        transport.send(api.models(), onFinished, onFailed)


RUNS = {
    "correspond": correspondRun, "similarity": similarityRun, "cosegment": cosegmentRun, "patchmap": patchmapRun,
    "landmarks": landmarksRun, "segment": segmentRun, "predict": predictRun,
    "retrieve": lambda node, model, among, **options: retrieveRun(node, among, model, **options),
}  # fmt: skip


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
        models = [model for model in transport.send(api.models()) if model["method"] == "genesis"]
        model = models[0]["model"] if models else trainForThreeSteps(transport, volumeNode)
        result = MedSSLInferenceLogic().restore(volumeNode, model, transport, distortion="outpaint")
        self.assertEqual(result.table[1]["image"], "restored")
        for node in (result.original, result.distorted, result.restored, result.error):
            self.assertEqual(node.GetImageData().GetDimensions(), volumeNode.GetImageData().GetDimensions())
