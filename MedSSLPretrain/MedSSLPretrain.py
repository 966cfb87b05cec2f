"""The module MedSSLPretrain: pretrain a network on the volumes of the scene, a folder or a table."""

# No `from __future__ import annotations` here: parameterNodeWrapper reads the annotations as types.
import os
import sys
from typing import Annotated

import slicer
from MedSSLLib.backend.backendBox import BackendBox
from MedSSLLib.backend.selfTest import CONFIG, lookThrough, realVolume, secondPatient
from MedSSLLib.widgets.uiFile import discard
from MedSSLPretrainLib.consoleVerbs import ConsoleVerbs
from MedSSLPretrainLib.panel.pretrainPanel import PretrainPanel
from MedSSLPretrainLib.sampleData import registerSampleData
from MedSSLPretrainLib.views.previewLayout import registerPreviewLayout
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


class MedSSLPretrain(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MedSSL Pretrain")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Training")]
        parent.dependencies = []
        parent.contributors = ["The MedSSL contributors"]
        parent.helpText = _(
            "Pretrains a network on images: it learns to restore what was distorted, to find the same anatomy in "
            "different views of radiographs, CTs or MRs, or from many sets of radiographs that are labelled differently. "
            "Fine-tunes it on segmentations or labels, says which case is worth labelling next, and compares. "
            "The work is done by a backend process on this computer or on a server; nothing leaves them."
        )
        parent.acknowledgementText = _(
            "Models Genesis: Zhou et al., Medical Image Analysis 67 (2021) 101840. PEAC: Zhou et al., BMVC 2023. "
            "Foundation Ark: Ma et al., MICCAI 2023 and Nature 2025. "
            "Research software, not a medical device."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)
        slicer.app.connect("startupCompleted()", registerPreviewLayout)
        registerPreviewLayout()  # where the module is loaded later


@parameterNodeWrapper
class MedSSLPretrainParameterNode:
    """The panel's choices that belong to the scene."""

    jobName: str
    volumes: list[slicer.vtkMRMLScalarVolumeNode]
    source: str = "scene"
    folder: str
    table: str
    modality: str
    exclude: str
    view: str
    sets: str  # specs as JSON
    setsWeights: str
    method: str
    preset: str
    config: str  # as JSON
    task: str = "segmentation"
    taskPreset: str
    taskConfig: str  # as JSON
    taskModality: str
    comparison: str  # as JSON
    labelledVolumes: list[slicer.vtkMRMLScalarVolumeNode]
    labelColumns: str
    channelCount: Annotated[int, WithinRange(1, 4)] = 1
    channelNames: str
    startFrom: str
    networks: int = 1


class MedSSLPretrainWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel."""

    def __init__(self, parent=None, makeBackend=BackendBox, **panelOptions) -> None:
        self.logic = self.panel = self.backend = self._uiWidget = None
        self._makeBackend, self._panelOptions = makeBackend, panelOptions
        self._parameterNode = self._parameterNodeGuiTag = None
        self._restoring = False
        self._entered = True  # unless the user has left it: a panel is built to be shown
        VTKObservationMixin.__init__(self)
        ScriptedLoadableModuleWidget.__init__(self, parent)  # last: without a parent it calls setup()

    def setup(self) -> None:
        """Build the panel; needs neither main window nor backend."""
        ScriptedLoadableModuleWidget.setup(self)
        self._uiWidget = uiWidget = slicer.util.loadUI(self.resourcePath("UI/MedSSLPretrain.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.ui.volumesSelector.setMRMLScene(slicer.mrmlScene)
        self.logic = MedSSLPretrainLogic()
        self.backend = self._makeBackend(self.ui.backendFrame)
        self.panel = PretrainPanel(self.ui, self.backend, **self._panelOptions)
        self.panel.choices.changed.connect(self._store)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self._onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self._onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartImportEvent, self._onSceneStartImport)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self._onSceneEndImport)
        self._bind()

    def cleanup(self) -> None:
        """The application exits or the module is reloaded, maybe one that could not be built."""
        self.removeObservers()
        self._unbind()
        for part in (self.panel, self.backend):
            if part is not None:
                part.close()
        if self._uiWidget is not None:
            discard(self._uiWidget)
        self.panel = self.backend = self.logic = self._uiWidget = None

    def enter(self) -> None:
        """The user opens the module."""
        self._entered = True
        self._bind()
        self.panel.finetuneBox.refresh()  # segments were painted meanwhile
        self.panel.finetuneBox.refreshModels()  # weight files were put into the folder

    def exit(self) -> None:
        """The user opens another module."""
        self._entered = False
        self._unbind()

    def onReload(self) -> None:
        """The developer's reload button: the packages go with the module."""
        for name in [n for n in sys.modules if n.split(".")[0] in ("MedSSLLib", "MedSSLPretrainLib")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def _bind(self) -> None:
        if self._parameterNode is None:
            self._parameterNode = self.logic.getParameterNode()
            self._restore()
            self.panel.finetuneBox.setParameterNode(self._parameterNode)
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)

    def _unbind(self) -> None:
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self._parameterNode = None
            self.panel.finetuneBox.setParameterNode(None)

    def _restore(self) -> None:
        """From the scene to the widgets that connectGui does not know."""
        self._restoring = True
        self.panel.choices.restore(self._parameterNode)
        self._restoring = False

    def _store(self) -> None:
        """From those widgets to the scene."""
        if self._parameterNode is not None and not self._restoring:
            self.panel.choices.store(self._parameterNode)

    def _onSceneStartClose(self, _caller, _event) -> None:
        self._unbind()
        self.panel.sceneClosing()

    def _onSceneEndClose(self, _caller, _event) -> None:
        self.panel.sceneClosed()
        self._bindIfEntered()

    def _onSceneStartImport(self, _caller, _event) -> None:
        """A scene is being loaded: its choices are not to be overwritten by those on the screen."""
        self._unbind()

    def _onSceneEndImport(self, _caller, _event) -> None:
        self._bindIfEntered()

    def _bindIfEntered(self) -> None:
        """Also where the panel's dock is hidden: nobody enters the module when it is shown again."""
        if self._entered:
            self._bind()


class MedSSLPretrainLogic(ConsoleVerbs, ScriptedLoadableModuleLogic):
    """Pretraining from Slicer's Python console and from scripts; works without a main window.

    logic = slicer.util.getModuleLogic("MedSSLPretrain")
    job = logic.pretrain([volumeNode], preset="laptop")
    job.model
    tuned = logic.finetune([volumeA, volumeB], startFrom=job.model)  # with a segmentation on each
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self):
        """The singleton parameter node, typed."""
        return MedSSLPretrainParameterNode(super().getParameterNode())


class MedSSLPretrainTest(ScriptedLoadableModuleTest):
    """With MEDSSL_PYTHON set: pretrains on a real volume and looks through the model. Without: only builds the panel."""

    def setUp(self) -> None:
        """An empty scene."""
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        """Run every part."""
        self.setUp()
        self.test_panel()
        if os.environ.get("MEDSSL_PYTHON"):
            self.setUp()
            self.test_pretrain()

    def test_panel(self) -> None:
        """The panel is there, and start waits for data and backend."""
        widget = slicer.util.getModuleWidget("MedSSLPretrain")
        self.assertFalse(widget.ui.startButton.enabled)
        self.assertTrue(widget.ui.startButton.toolTip)

    def test_pretrain(self) -> None:
        """Three steps on a volume and its like end with a model, which restores it in the other module."""
        volumeNode = realVolume()
        logic = slicer.util.getModuleLogic("MedSSLPretrain")
        nodes = [volumeNode, secondPatient(volumeNode)]
        job = logic.pretrain(nodes, config=CONFIG, modality="CT")
        self.assertEqual(job.state, "finished")
        self.assertTrue(any(event["type"] == "loss" for event in job.events))
        if hasattr(slicer.modules, "medsslinference"):
            restored, found = lookThrough(slicer.util.getModuleLogic("MedSSLInference"), volumeNode, job.model)
            self.assertEqual(restored.table[1]["image"], "restored")
            self.assertTrue(all(points.GetNumberOfControlPoints() for points in found.lists))
