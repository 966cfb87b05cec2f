"""Models that scenarios look through: trained in some seconds by the console verbs, once for all scenarios of a run."""

from __future__ import annotations

import slicer
from scaffold import phantoms

from stage import images

SHORT = {
    "steps": 3,
    "batch_size": 2,
    "warmup_steps": 1,
    "validate_every": 3,
    "validation_samples": 2,
    "checkpoint_every": 3,
}


def logic(module: str):
    """A module's console verbs."""
    return slicer.util.getModuleLogic(module)


def known(name: str) -> str:
    """The model of a finished job of this name, or ""."""
    jobs = logic("MedSSLPretrain").jobs()
    return next((job.model for job in jobs if job.view.spec.name == name and job.state == "finished"), "")


def genesis(stage) -> str:
    """A Models Genesis network that has seen two phantoms."""
    name = "scenario genesis"
    if not (model := known(name)):
        nodes = [phantoms.volume(f"to learn from {n}", (96, 80, 64)) for n in range(2)]
        config = {"base_width": 4, "training": SHORT}
        model = logic("MedSSLPretrain").pretrain(nodes, config=config, modality="CT", name=name).model
        _remove(nodes)
    return model


def peac(stage) -> str:
    """A PEAC network that has seen few radiographs."""
    name = "scenario peac"
    if not (model := known(name)):
        folder = str(images.searchFolder(stage))
        config = {"global_hidden": 64, "local_hidden": 32, "training": SHORT}
        model = logic("MedSSLPretrain").pretrain(folder, method="peac", config=config, modality="CXR", name=name).model
    return model


def ark(stage) -> str:
    """A Foundation Ark that has seen two small sets."""
    name = "scenario ark"
    if not (model := known(name)):
        specs = [str(images.declaredSet(stage, one)) for one in images.SETS]
        config = {"epochs": 0, "warmup_epochs": 0, "projector": 64, "training": SHORT}
        model = logic("MedSSLPretrain").pretrain(sets=specs, method="ark", config=config, name=name).model
    return model


def _remove(nodes) -> None:
    for node in nodes:
        slicer.mrmlScene.RemoveNode(node)
