"""Jobs: a folder each, run by a detached child. One line registers a kind: (spec: JobSpec, run: Run) -> None."""

KINDS = {
    "pretrain": "medssl.pretraining.run:pretrain",
    "finetune": "medssl.tasks.run:finetune",
    "probe": "medssl.tasks.run:finetune",
    "apply": "medssl.tasks.apply.run:apply",
    "compare": "medssl.studies.comparison.run:compare",
    "batch": "medssl.studies.batch.run:batch",
}
