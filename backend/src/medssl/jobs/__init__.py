"""Jobs: a folder each, run by a detached process. One line registers a kind of job, as import strings.

Only this registry names what lies above this room: the modules of `jobs` import the strings when a job needs them.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of job.

    Attributes:
        run: "module:function" that does the job, (spec: JobSpec, run: Run) -> None; its import may be heavy.
        check: "module:function", (spec: JobSpec) -> JobSpec: the specification with its configuration complete. It raises
            where the job could not run, before there is a folder, and imports no torch.
    """

    run: str
    check: str


KINDS = {
    "pretrain": Kind("medssl.pretraining.run:pretrain", "medssl.pretraining.check:check_pretrain"),
    "finetune": Kind("medssl.tasks.run:finetune", "medssl.tasks.check:check_finetune"),
    "probe": Kind("medssl.tasks.run:finetune", "medssl.tasks.check:check_probe"),
    "ensemble": Kind("medssl.studies.ensemble.run:ensemble", "medssl.studies.ensemble.check:check_ensemble"),
    "apply": Kind("medssl.tasks.apply.run:apply", "medssl.tasks.apply.check:check_apply"),
    "compare": Kind("medssl.studies.comparison.run:compare", "medssl.studies.comparison.check:check_compare"),
    "batch": Kind("medssl.studies.batch.run:batch", "medssl.studies.batch.check:check_batch"),
}
