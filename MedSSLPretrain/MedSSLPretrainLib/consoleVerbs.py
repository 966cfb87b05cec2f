"""The abilities of MedSSLPretrain as functions of nodes: for the console and for scripts."""

from __future__ import annotations

from dataclasses import replace

from MedSSLLib.backend.backendProcess import localTransport
from MedSSLLib.backend.qtTransport import sharesFiles
from MedSSLLib.steps import runSteps
from MedSSLLib.widgets.modelChoice import purpose
from slicer.i18n import tr as _

from medssl.client import api
from medssl.core.errors import WeightsError
from medssl.core.registry import config_class
from medssl.core.schema import as_dict, build
from medssl.pretraining import METHODS
from medssl.tasks import TASKS
from MedSSLPretrainLib.datasets.datasetSpecSteps import datasetSpecSteps
from MedSSLPretrainLib.labels.labelledSet import LabelledSet
from MedSSLPretrainLib.runs.continueSteps import continueSteps, isJob
from MedSSLPretrainLib.runs.finetuneSteps import finetuneSteps
from MedSSLPretrainLib.runs.job import Job
from MedSSLPretrainLib.runs.nextCaseSteps import nextCaseSteps
from MedSSLPretrainLib.runs.trainingSteps import TrainingSet, submitSteps


class ConsoleVerbs:
    """What the module's logic can do; a class of its own, since the logic itself is made by Slicer.

    Attributes: `transport`, set one to use a backend on another machine.
    """

    transport = None

    def pretrain(
        self, volumes=(), preset="laptop", method="genesis", config=None, name="", device="auto", modality="",
        view="", exclude=(), sets=(), startFrom="", waitForCompletion=True, onEvent=lambda event: None,
    ):  # fmt: skip
        """Start a pretraining and follow it to its end.

        Args:
            volumes: volume nodes, or the path of a folder or CSV file on the backend's machine.
            preset: one of the method's presets, such as laptop.
            method: a registered method: genesis for volumes, peac for radiographs, ark for dataset specs.
            config: nested overrides of the preset, e.g. {"training": {"steps": 100}}.
            name: shown in the job history.
            device: auto, cpu, cuda:0, ...
            modality: CT, MR or CXR, where the files do not say.
            view: what 3D volume nodes become for a method that learns from 2D images: "frontal", "lateral", "k".
            exclude: "column=value" each: rows of a table that are left out, such as "view=LATERAL".
            sets: instead of volumes: dataset specs, each a dict or the path of a YAML file on the backend's machine.
            startFrom: with sets: a job id or the path of a weight file; the heads of an Ark stay, new sets get new ones.
            waitForCompletion: False returns as soon as the job exists; `job.wait()` follows it.
            onEvent: called with each event while waiting.

        Returns:
            A Job: `id`, `state`, `model` (what MedSSLInference takes), `events`, `wait()`, `cancel()`.

        Raises:
            MedSSLError: what is wrong with the input, or what made the job fail.
        """
        complete = as_dict(build(config_class(METHODS, method), config or {}, preset=preset))
        transport = self._connected()
        specs = runSteps(datasetSpecSteps(sets), transport)
        chosen = TrainingSet.of(volumes)
        chosen = replace(chosen, modality=modality, view=view, exclude=tuple(exclude), sets=specs, startFrom=startFrom)
        steps = submitSteps(
            chosen, sharesFiles(transport.address), method=method, config=complete, name=name, device=device
        )
        job = Job(runSteps(steps, transport), transport)
        return job.wait(onEvent) if waitForCompletion else job

    def finetune(
        self, volumes, segmentations=None, labels=None, task="", startFrom="", preset="laptop", config=None, name="",
        device="auto", modality="", partialWeights=False, channels=None, channelNames="", networks=1,
        waitForCompletion=True, onEvent=lambda event: None,
    ):  # fmt: skip
        """Train a model for a task on labelled volumes and follow it to its end.

        Args:
            volumes: volume nodes of two patients at least (attribute MedSSL.Patient, or DICOM's), or the path of a folder
                or CSV file on the backend's machine.
            segmentations: a segmentation node for each volume; None: those that were made on the volumes.
            labels: instead of segmentations: a dict for each volume, such as {"Pneumonia": 1}, or a table node with a
                column volume.
            task: segmentation, classification or probing; "": segmentation, with labels classification.
            startFrom: a job id or the path of a weight file; "": from scratch.
            preset, config, name, device, waitForCompletion, onEvent: as in `pretrain`.
            modality: CT, MR or CXR, where the files do not say.
            partialWeights: accept weights that match only in part.
            channels: of each volume a list of the nodes that are its further channels, such as [[ct1], [ct2]].
            channelNames: of all channels, such as "T1,CT"; "": by their modality.
            networks: of an ensemble for segmentation, each trained on all folds of the patients but one; 1: no ensemble.

        Returns:
            A Job; its `model` is what MedSSLInference's `segment` or `predict` takes, and `finetune` to go on.

        Raises:
            MedSSLError: what is wrong with the input, or what made the job fail.
        """
        task = task or ("segmentation" if labels is None else "classification")
        complete = as_dict(build(config_class(TASKS, task, "task"), config or {}, preset=preset))
        chosen = LabelledSet.of(volumes, segmentations, labels, modality, channels, channelNames)
        transport = self._connected()
        steps = finetuneSteps(
            chosen, sharesFiles(transport.address), task, complete, startFrom, name=name, device=device,
            partial_weights=partialWeights, networks=networks,
        )  # fmt: skip
        job = Job(runSteps(steps, transport), transport)
        return job.wait(onEvent) if waitForCompletion else job

    def nextCase(self, model="", validation=(), onProgress=lambda *_: None, **options):
        """Rank the unlabelled volumes of the scene: which is worth labelling next?

        Args:
            model: a job id or the path of a weight file that segments or gives embeddings; "": image statistics alone.
            validation: patients that validate, whose volumes teach nothing.
            onProgress: called with a fraction 0...1 and a message.
            options: further fields of NextCaseRequest: count, uncertainty (0...1, the share of the score), mirror, device.

        Returns:
            (row, volume node) pairs, the best first; a row has score, uncertainty, represents, difference and why.

        Raises:
            MedSSLError: what is wrong with the volumes, or what the backend reports.
        """
        transport = self._connected()
        steps = nextCaseSteps(
            sharesFiles(transport.address), model, frozenset(validation), onProgress=onProgress, **options
        )
        rows, nodes, _info = runSteps(steps, transport)
        return list(zip(rows, nodes))

    def continueRound(
        self, volumes, model, segmentations=None, labels=None, name="", device="auto", waitForCompletion=True,
        onEvent=lambda event: None,
    ):  # fmt: skip
        """Go on from a fine-tuned model with further labelled volumes, for about a minute; the validation cases stay the same.

        Args:
            volumes: all labelled volume nodes, old and new.
            model: the id of the fine-tuning to go on from.
            segmentations, labels: as in `finetune`.
            name, device, waitForCompletion, onEvent: as in `pretrain`.

        Returns:
            A Job; `rounds(job.id)` shows what it brought.

        Raises:
            MedSSLError: what is wrong with the input, or what made the job fail.
        """
        transport = self._connected()
        chosen, entry = LabelledSet.of(volumes, segmentations, labels), self._model(model)
        steps = continueSteps(chosen, sharesFiles(transport.address), purpose(entry), entry, name=name, device=device)
        job = Job(runSteps(steps, transport), transport)
        return job.wait(onEvent) if waitForCompletion else job

    def rounds(self, jobId):
        """How the score on the fixed validation cases moved up to a fine-tuning: a dict for each round, the first one first."""
        return self._connected().send(api.rounds(jobId))

    def resume(self, jobId, waitForCompletion=True, onEvent=lambda event: None):
        """Go on with a cancelled, failed or interrupted job; returns a Job."""
        transport = self._connected()
        job = Job(transport.send(api.resume(jobId)), transport)
        return job.wait(onEvent) if waitForCompletion else job

    def jobs(self):
        """All jobs of the backend, newest first: a list of Job."""
        transport = self._connected()
        return [Job(view, transport) for view in transport.send(api.jobs())]

    def _model(self, reference):
        """The entry of `GET /models` of a job.

        Raises:
            WeightsError: the backend has no such model.
        """
        entry = next((one for one in self._connected().send(api.models()) if one["model"] == reference), None)
        if entry is None or not isJob(reference):
            rule, remedy = _("is no job with a model"), _("Give the id of a finished fine-tuning")
            raise WeightsError(reference, rule, remedy, code="model-of-no-job")
        return entry

    def _connected(self):
        return self.transport or localTransport()
