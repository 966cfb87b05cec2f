"""Self-tests of both modules, the verbs of the console, and the sample data, in the running application."""

from __future__ import annotations

import slicer
from scaffold import phantoms
from stage import images, models
from stage.driver import Skipped
from stage.panels import inference, pretrain

from medssl.core.errors import CancelledError
from medssl.core.home import home_folder


def selfTests(stage):
    """`runTest` of both modules: a real volume is restored, a correspondence found"""
    sample = home_folder() / "samples" / "chest-ct" / "images" / "chest-ct.nii.gz"  # where a fetched one lies
    phantoms.save(images.volumes(stage, 1)[0], sample)
    for name in ("MedSSLPretrain", "MedSSLInference"):
        test = getattr(__import__(name), f"{name}Test")
        test().runTest()
        stage.note(f"{name}: passed")
        yield 0.3


def verbs(stage):
    """restore, correspond, segment, retrieve, pretrain, finetune, and the rest of them, each waiting for its end"""
    slicer.mrmlScene.Clear(0)
    looking, learning = models.logic("MedSSLInference"), models.logic("MedSSLPretrain")
    genesis, peac = models.genesis(stage), models.peac(stage)
    volume, pair = images.segmented(stage)[0][0], images.radiographs(stage)
    restored = looking.restore(images.volumes(stage, 1)[0], genesis, distortion="inpaint", roi=None)
    stage.note(f"restore: {len(restored.table)} rows")
    compared = looking.correspond(pair, peac, count=4)
    stage.note(f"correspond: {len(compared.lists)} lists")
    found = looking.retrieve(pair[0], str(images.searchFolder(stage)), peac, count=3)
    stage.note(f"retrieve: {len(found.table)} cases, {looking.loadCase(found, 1).GetName()}")
    yield 0.1
    nodes = [node for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") if "image" in node.GetName()]
    config = {"base_width": 4, "crop": [16, 16, 16], "training": models.SHORT}
    tuned = learning.finetune(nodes, config=config, startFrom=genesis, partialWeights=True)
    segmentation = looking.segment(volume, tuned.model)
    stage.note(f"finetune and segment: {segmentation.GetName()}")
    begun = learning.pretrain(
        nodes, config={"base_width": 4, "training": {**models.SHORT, "steps": 500}}, modality="MR",
        waitForCompletion=False,
    )  # fmt: skip
    begun.cancel()
    try:
        begun.wait()
    except CancelledError as error:
        stage.note(f"pretrain without waiting: {error}")


def samples(stage):
    """The sample data are offered"""
    sources = getattr(slicer.modules, "sampleDataSources", {}).get("MedSSL", [])
    names = [source.sampleName for source in sources]
    stage.note(names)
    if not hasattr(slicer.modules, "sampleDataSources"):
        raise Skipped("this application has no module Sample Data")
    assert names, "none"
    yield 0.1


def panels(stage):
    """Both panels are alive afterwards"""
    for panel in (pretrain, inference):
        yield from panel.open()
        yield from panel.connect(stage)
        yield from stage.shot(panel.MODULE)


ACTS = ((selfTests, verbs, samples, panels),)
