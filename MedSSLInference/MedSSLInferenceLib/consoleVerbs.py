"""The abilities of MedSSLInference as functions of nodes: for the panel, the console and scripts."""

from __future__ import annotations

from functools import partial

from MedSSLLib.backend.backendProcess import localTransport
from MedSSLLib.backend.qtTransport import sharesFiles
from MedSSLLib.scene.volumeExport import uploadSteps
from MedSSLLib.steps import runSteps

from medssl.client import api
from medssl.handlers import INSPECTIONS
from MedSSLInferenceLib.runs.landmarkRun import landmarksRun
from MedSSLInferenceLib.runs.placesRun import findPlacesRun
from MedSSLInferenceLib.runs.radiographRun import correspondRun, cosegmentRun, patchmapRun, similarityRun, warpRun
from MedSSLInferenceLib.runs.restorationRun import restorationRun
from MedSSLInferenceLib.runs.retrieveRun import caseRun, retrieveRun
from MedSSLInferenceLib.runs.saliencyRun import saliencyRun
from MedSSLInferenceLib.runs.taskRuns import predictRun, segmentRun
from MedSSLInferenceLib.scene.segmentationNodes import emptySegmentation
from MedSSLInferenceLib.views.segmentViews import openSegmentEditor


class ConsoleVerbs:
    """What the module's logic can do; a class of its own, since the logic itself is made by Slicer.

    Attributes: `transport`, set one to use a backend on another machine.
    """

    transport = None

    def restore(self, volumeNode, model, transport=None, **options):
        """Distort a volume, let a model restore it, and put both beside it into the scene.

        Args:
            volumeNode: a vtkMRMLScalarVolumeNode; it stays as it is.
            model: a job id, or the path of a weight file that the backend can read.
            transport: where the backend is; None takes `self.transport`, else the local one, started where none runs.
            options: distortion, strength 0...1, seed, roi (a vtkMRMLMarkupsROINode), overlap, fidelity, device,
                onProgress(fraction, message); waitForCompletion=False returns an InspectionRun at once, needs
                `onFinished` and `onFailed`, and an asynchronous transport.

        Returns:
            A Restoration: nodes `original`, `distorted`, `restored`, `error`, `tableNode`; the rows of `table`; `info`.

        Raises:
            MedSSLError: what is wrong with the input, or what the backend reports.
        """
        return self._finish("restore", volumeNode, model, transport, options)

    def correspond(self, nodes, model, transport=None, **options):
        """Find places of equal anatomy in two or more radiographs, and mark them; the first is the reference.

        Args:
            nodes: 2D volume nodes, or 3D ones with a `view`; they stay as they are.
            model: a job id, the path of a weight file that the backend can read, or "untrained:laptop".
            transport: as in `restore`.
            options: count, search_radius (percent of the width, 0: everywhere), refine, dense (1, 2, 4), view ("frontal", "lateral", "red", "k:57": what 3D volumes become), seed,
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

    def warp(self, nodes, model="", target=1, transport=None, **options):
        """Bend the first of some radiographs onto another by points of equal anatomy.

        Args:
            nodes, transport: as in `correspond`.
            model: as in `correspond`; not needed where points are given.
            target: number of the node that the first is bent onto.
            options: as in `correspond` but for count, and points (dicts with x, y, target_x, target_y in pixels), stiffness,
                least_confidence.

        Returns:
            A Warped: the grid transform in `transform`, a copy of the first image below it in `copy`, `table`, `info` (share
            that folds, residuals).
        """
        return self._finish("warp", nodes, model, transport, {**options, "target": target})

    def findPlaces(self, nodes, model, transport=None, **options):
        """Find places of one CT or MR in another; `correspond_volumes(nodes, model, ...)` asks for any number and makes no nodes.

        Args:
            nodes: two vtkMRMLScalarVolumeNodes; points lie in the first.
            model, transport: as in `restore`; a model that describes volumes.
            options: points (R, A, S in mm each, as the first volume has them), or shared (so many places that both share are
                chosen); search_radius (mm around the same relative place; 0: everywhere), refine, compare_untrained, seed, device,
                onProgress(fraction, message); waitForCompletion=False with onFinished and onFailed, as in `restore`.

        Returns:
            FoundPlaces: `places` (nodes: `places.points`, `places.get("matches")`, "control", "heat", "table"), the rows of `table`,
            `info`.

        Raises:
            MedSSLError: what is wrong with the input, or what the backend reports.
        """
        return self._finish("findPlaces", nodes, model, transport, options)

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
            options: channels (volume nodes of a model's further channels, in its order), overlap 0...0.9, mirror, uncertainty, device,
                onProgress(fraction, message); waitForCompletion=False with onFinished (called with a Segmented) and onFailed, as in `restore`.

        Returns:
            A new vtkMRMLSegmentationNode beside the volume, with the names, colours and terminology the model learned. With
            uncertainty=True its reference "MedSSL.uncertainty" is a volume node, 0 (sure) to 1.

        Raises:
            MedSSLError: what is wrong with the input, or what the backend reports.
        """
        waits = options.get("waitForCompletion", True)
        found = self._finish("segment", volumeNode, model, transport, options)
        return found.node if waits else found

    def emptySegmentation(self, volumeNode, classes=()):
        """A new vtkMRMLSegmentationNode beside a volume, to be painted by hand, with an empty segment for each class.

        Args:
            volumeNode: a volume node; it stays as it is.
            classes: dicts with value, name, colour ("#rrggbb") and perhaps terminology, as models list them in `segments`.
        """
        return emptySegmentation(volumeNode, classes)

    def edit(self, segmentationNode, volumeNode):
        """Show a volume, and open a segmentation of it in the Segment Editor.

        Raises:
            RuntimeError: Slicer runs without a main window.
        """
        openSegmentEditor(segmentationNode, volumeNode)

    def predict(self, nodes, model, transport=None, **options):
        """Let a classifier, a probe or a pretrained Ark look at radiographs or volumes.

        Args:
            nodes, model, transport: as in `correspond`; one node will do.
            options: as in `segment`, test_time, and view, which makes radiographs of 3D volumes as in `correspond`; of an
                Ark heads (names of those that answer) and findings ("Pleural Effusion", "TB=shenzhen:TB", ...).

        Returns:
            A vtkMRMLTableNode, a row per image and class, of an Ark per image, head and finding: probability, low, high, ...
        """
        waits = options.get("waitForCompletion", True)
        found = self._finish("predict", nodes, model, transport, options)
        return found.tableNode if waits else found

    def saliency(self, volumeNode, model, finding, head="", transport=None, **options):
        """Map where in a radiograph a finding's probability comes from.

        Args:
            volumeNode: a radiograph's node, or a 3D one with a `view` as in `correspond`; it stays as it is.
            model: a job id, or the path of a weight file that the backend can read: an Ark, or a classifier of radiographs.
            finding: a class of the model; of an Ark a synonym will do.
            head: of an Ark; "": the first that knows the finding.
            transport: as in `restore`.
            options: method (grad-cam, occlusion), check (compare with random weights), part, device, view, onProgress;
                waitForCompletion=False with onFinished and onFailed, as in `restore`.

        Returns:
            A Saliency: the map as volume `node`, `label`, `image`, `text`, `info` (similarity and passed of the check).

        Raises:
            MedSSLError: what is wrong with the input, or what the backend reports.
        """
        return self._finish("saliency", volumeNode, model, transport, {**options, "finding": finding, "head": head})

    def retrieve(self, volumeNode, among, model, transport=None, **options):
        """Find the cases of a set that are most similar to a radiograph or volume.

        Args:
            volumeNode: a volume node; its attribute MedSSL.Patient says whose other images do not count.
            among: path of a folder, a catalogue CSV or a dataset spec (.yaml) on the backend's machine, or a DataSpec.
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

    def ask(self, name, first, *required, transport=None, view="", onProgress=lambda *_: None, **options):
        """Ask for an inspection that makes no nodes, and wait; `inference.NAME(...)` is short for `inference.ask(NAME, ...)`.

        Args:
            name: a key of `medssl.handlers.INSPECTIONS`.
            first: what the request is about: a volume node, a list of them, or a value of another kind.
            required: the request's further fields that have no default, in their order.
            transport: as in `restore`.
            view: how 3D volumes become 2D, as in `correspond`.
            onProgress: called with a fraction 0...1 and a message.
            options: further fields of the request.

        Returns:
            A medssl.core.protocol.ResultStatus: the rows of `table`, `info`, the names of `files`.

        Raises:
            MedSSLError: what is wrong with the input, or what the backend reports.
        """
        from medssl.client.session import Session  # here: it imports `requests`, which the panel does not need

        transport = self._connected(transport)

        def sent(value):
            if isinstance(value, (list, tuple)):
                return tuple(map(sent, value))
            isNode = hasattr(value, "IsA") and value.IsA("vtkMRMLVolumeNode")
            return runSteps(uploadSteps(value, sharesFiles(transport.address), view), transport) if isNode else value

        return getattr(Session(transport), name)(sent(first), *required, on_progress=onProgress, **options)

    def __getattr__(self, name):
        """The verb of an inspection that has none of its own here."""
        if name not in INSPECTIONS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return partial(self.ask, name)

    def run(self, name, nodes, model, **options):
        """Work that has not begun: `wait(transport)` or `start(transport, onFinished, onFailed)` does it.

        Args:
            name: restore, correspond, similarity, warp, findPlaces, cosegment, patchmap, landmarks, segment, saliency, retrieve (one
                node each) or predict.
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
    "restore": restorationRun,
    "correspond": correspondRun, "similarity": similarityRun, "warp": warpRun, "cosegment": cosegmentRun, "patchmap": patchmapRun,
    "findPlaces": findPlacesRun, "landmarks": landmarksRun, "segment": segmentRun, "predict": predictRun, "saliency": saliencyRun,
    "retrieve": lambda node, model, among, **options: retrieveRun(node, among, model, **options),
}  # fmt: skip
