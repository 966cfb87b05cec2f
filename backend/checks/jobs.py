"""Every method, both ways of fine-tuning, probing, applying and comparing, as small as they go: jobs by the command line."""

from __future__ import annotations

from pathlib import Path

from digests import Texts, file_text, folder_texts
from inputs import Inputs
from masks import Masks
from product import Product

STEPS = 20
PRETRAINED = ("genesis", "peac", "ark", "genesis-released", "peac-released", "ark-released")
FINETUNED = ("segmentation", "segmentation-2d", "classification", "classification-3d", "probe", "knn")


def settings(**over: object) -> list[str]:
    """Options of a training of seconds."""
    training = {
        "steps": STEPS, "batch_size": 2, "validate_every": 10, "validation_samples": 4, "checkpoint_every": 10,
        "warmup_steps": 2, "precision": "fp32", "workers": 0, "seed": 3,
    }  # fmt: skip
    values = {f"training.{name}": value for name, value in training.items()}
    values |= {name.replace("__", "."): value for name, value in over.items()}
    return [part for name, value in values.items() for part in ("--set", f"{name}={value}")]


def pretrain(product: Product, inputs: Inputs) -> None:
    """All methods, as published and as released."""
    genesis = settings(base_width=4, cube="[16,16,16]")
    peac = [
        "--method",
        "peac",
        "--preset",
        "laptop",
        *settings(global_hidden=16, local_hidden=16, global_weight=300.0, embedding_rate=1.0),
    ]
    ark = ["--method", "ark", "--preset", "laptop", *settings(projector=16, epochs=0)]
    released = ["--set", "fidelity=released"]
    jobs = {
        "genesis": [inputs.volumes, *genesis],
        "peac": [inputs.pictures, *peac],
        "ark": [*inputs.sets, *ark],
        "genesis-released": [inputs.volumes, *genesis, *released, "--set", "sampler=lung"],
        "peac-released": [inputs.pictures, *peac, *released],
        "ark-released": [*inputs.sets, *ark, *released, "--set", "order=cyclic", "--set", "teacher_update=pass"],
    }
    for name, arguments in jobs.items():
        product.submit(name, "pretrain", *arguments, "--name", name)


def finetune(product: Product, inputs: Inputs) -> None:
    """Segmentation and classification in 2D and 3D, and probes."""
    rate = {"training__learning_rate": 0.01}
    volumes = [inputs.volumes, "--task", "segmentation", "--classes", "1=Right,2=Left"]
    pictures = [inputs.pictures, "--task", "segmentation", "--classes", "1=Right,2=Left"]
    labelled = [inputs.pictures, "--task", "classification", "--labels", "Bright,Mass"]
    grouped = ["--set", "groups=sex; age:65"]
    jobs = {
        "segmentation": [*volumes, "--start-from", "genesis", *settings(base_width=4, crop="[16,16,16]", **rate), *grouped],
        "segmentation-2d": [*pictures, "--start-from", "peac", *settings(augmentation="strong")],
        "classification": [*labelled, "--start-from", "ark", *settings(balance="weights", test_time="mirror"), *grouped],
        "classification-3d": [inputs.volumes, "--task", "classification", "--labels", "sex", "--start-from", "genesis",
                              *settings(base_width=4, crop="[16,16,16]", **rate)],
    }  # fmt: skip
    for name, arguments in jobs.items():
        product.submit(name, "finetune", *arguments, "--name", name)
    product.submit("probe", "probe", inputs.pictures, "--model", "ark", "--labels", "Bright", "--name", "probe")
    product.submit("knn", "probe", inputs.pictures, "--model", "peac", "--labels", "Bright", "--knn", "--name", "knn")


def apply(product: Product, inputs: Inputs) -> None:
    """Models over folders and tables, as jobs; their output lies beside the home folder."""
    out, unseen = product.home.parent / "applied", inputs.folder / "unseen"
    jobs = {
        "apply-segment": ["segment", inputs.folder / "volumes" / "volumes.csv", "--model", "segmentation"],
        "apply-segment-nrrd": ["segment", unseen, "--model", "segmentation-2d", "--format", "nrrd", "--mirror"],
        "apply-predict": ["predict", inputs.pictures, "--model", "classification", "--test-time", "none"],
        "apply-ark": ["predict", inputs.pictures, "--model", "ark", "--finding", "Bright", "--finding", "Pale=shades:Light"],
    }  # fmt: skip
    for name, arguments in jobs.items():
        product.submit(name, *arguments, "--output", out / name)


def compare(product: Product, inputs: Inputs) -> None:
    """Arms of a segmentation, and of a probe with groups."""
    product.submit(
        "compare", "compare", inputs.volumes, "--task", "segmentation", "--arm", "scratch=", "--arm", "genesis=genesis",
        "--patients", "2,4", "--seeds", "2", "--set", "base_width=4", "--set", "crop=[16,16,16]", "--set", "training.steps=4",
        "--set", "training.batch_size=2", "--set", "training.validate_every=2", "--set", "training.precision=fp32",
        "--set", "training.warmup_steps=1", "--set", "training.workers=0", "--name", "compare",
    )  # fmt: skip
    product.submit(
        "compare-probes", "compare", inputs.pictures, "--task", "probing", "--labels", "Bright", "--arm", "ark=ark",
        "--arm", "peac=peac", "--arm", "random=untrained:laptop", "--seeds", "2", "--metric", "brier", "--group", "sex",
    )  # fmt: skip


def evaluate(product: Product, inputs: Inputs) -> Path:
    """Predictions and label maps that are given, and an Ark without training; the folder of all reports."""
    out = product.home.parent / "evaluated"
    few = ["--replicates", 300, "--seed", 5]
    table, women, men = inputs.table("predictions"), inputs.table("women"), inputs.table("men")
    grouped = ["--validation", inputs.table("validation"), "--group", "sex", "--group", "age:0,40,60"]
    folders = [inputs.folder / "guess", "--truth", inputs.folder / "truth"]
    commands = {
        "predictions": [table, *grouped],
        "label-maps": [*folders, "--catalog", inputs.volumes, "--group", "sex", "--classes", "1=Right,2=Left"],
        "cross": [f"F={women}", f"M={men}", "--group", "sex"],
        "ark": [inputs.pictures, "--model", "ark", "--finding", "Bright", "--trained-too", "--device", "cpu"],
    }
    for name, arguments in commands.items():
        product.run("evaluate", *arguments, *few, "--output", out / name)
    for features in ("projector", "encoder"):
        file = out / "embedded" / f"{features}.npz"
        file.parent.mkdir(exist_ok=True)
        product.run(
            "embed", inputs.pictures, "--model", "ark", "--features", features, "--device", "cpu", "--output", file
        )
    return out


def job_texts(product: Product, masks: Masks) -> Texts:
    """The folders of all jobs."""
    texts: Texts = {}
    for name in (*PRETRAINED, *FINETUNED):
        masks.know_weights(product.folder(name) / "results" / "model.safetensors", name)
    for name in product.jobs.values():
        folder = product.folder(name)
        texts |= folder_texts(folder, f"jobs/{name}", masks)
        if any(folder.rglob("done.json")):
            texts |= run_texts(folder, f"jobs/{name}", masks)
    return texts


def run_texts(folder: Path, name: str, masks: Masks) -> Texts:
    """Outcomes and losses of a comparison's runs in no order: their folders' names do not count."""
    found = {
        kind: sorted(file_text(path, masks) for path in folder.rglob(kind)) for kind in ("done.json", "losses.csv")
    }
    return {f"{name}/all {kind}": "\n\n".join(texts) for kind, texts in found.items()}
