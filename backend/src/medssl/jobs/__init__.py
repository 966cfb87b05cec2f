"""Jobs: a folder each, run by a detached child. One line registers a kind: (spec: JobSpec, run: Run) -> None."""

KINDS = {
    "pretrain": "medssl.training.pretrain:pretrain",
    "finetune": "medssl.tasks.run_task:finetune",
    "probe": "medssl.tasks.run_task:finetune",
    "apply": "medssl.tasks.apply:apply",
    "compare": "medssl.studies.compare:compare",
    "batch": "medssl.studies.batch:batch",
}
