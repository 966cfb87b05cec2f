"""Train nnU-Net v2 for so many minutes and let it predict; run by `against_nnunet.py` in an environment of its own.

    PYTHON nnunet_driver.py WORK --minutes 20 --seed 0 --threads 2 [--batch 2]

WORK holds nnUNet_raw/Dataset501_Compared as nnU-Net wants it, split.json ({"train": [...], "val": [...]}) and test/ with images.
Planning and preprocessing come first and are timed apart. Epochs times iterations follow from a timed probe, so that nnU-Net's
polynomial schedule ends with the time; one augmentation process, no compilation, its own mirrored prediction. The last line
printed is a JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from pathlib import Path

DATASET, NAME, EPOCHS, PROBED = 501, "Dataset501_Compared", 50, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=0, help="instead of the planned one")
    asked = parser.parse_args()
    for name in ("raw", "preprocessed", "results"):
        os.environ[f"nnUNet_{name}"] = str(asked.work / f"nnUNet_{name}")
    os.environ |= {"nnUNet_n_proc_DA": "1", "nnUNet_compile": "f", "nnUNet_def_n_proc": "1"}
    print(json.dumps(compare(asked)), flush=True)


def compare(asked: argparse.Namespace) -> dict[str, float | int | list[int]]:
    """Plan, train for the time, predict."""
    import numpy as np
    import torch
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprints,
        plan_experiments,
        preprocess,
    )
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    torch.set_num_threads(asked.threads)
    for seeded in (random.seed, np.random.seed, torch.manual_seed):
        seeded(asked.seed)
    folder, begin = asked.work / "nnUNet_preprocessed" / NAME, time.monotonic()
    if not (folder / "planned").is_file():
        extract_fingerprints([DATASET], num_processes=asked.threads, check_dataset_integrity=False)
        plan_experiments([DATASET])
        preprocess([DATASET], configurations=["3d_fullres"], num_processes=[asked.threads])
        (folder / "planned").write_text(str(time.monotonic() - begin))
    planning = float((folder / "planned").read_text())
    (folder / "splits_final.json").write_text(json.dumps([json.loads((asked.work / "split.json").read_text())]))
    plans = json.loads((folder / "nnUNetPlans.json").read_text())
    if asked.batch:
        plans["configurations"]["3d_fullres"]["batch_size"] = asked.batch
        (folder / "nnUNetPlans.json").write_text(json.dumps(plans))
    plans["continue_training"] = False

    class ForMinutes(nnUNetTrainer):
        """nnU-Net's own trainer, of another length."""

    trainer = ForMinutes(plans, "3d_fullres", 0, json.loads((folder / "dataset.json").read_text()), torch.device("cpu"))
    trainer.num_val_iterations_per_epoch, trainer.save_every = 1, 10_000
    trainer.initialize()
    trainer.on_train_start()
    trainer.on_train_epoch_start()
    trainer.train_step(next(trainer.dataloader_train))  # the first one warms up
    start = time.monotonic()
    for _ in range(PROBED):
        trainer.train_step(next(trainer.dataloader_train))
    pace = (time.monotonic() - start) / PROBED
    iterations = max(1, int(60 * asked.minutes / pace / EPOCHS))
    epochs = max(1, int(60 * asked.minutes / pace / iterations))
    trainer = _anew(ForMinutes, plans, folder, iterations, epochs, asked.seed)
    start = time.monotonic()
    trainer.run_training()
    trained = time.monotonic() - start
    size = trainer.configuration_manager.patch_size
    _predict(trainer, asked.work)
    return {
        "planning_s": planning, "training_s": trained, "steps": iterations * epochs, "step_s": pace,
        "batch": trainer.configuration_manager.batch_size, "patch": [int(side) for side in size],
    }  # fmt: skip


def _anew(kind: type, plans: dict, folder: Path, iterations: int, epochs: int, seed: int):
    """A trainer that has learnt nothing in the probe."""
    import torch

    torch.manual_seed(seed)
    fresh = {**json.loads((folder / "nnUNetPlans.json").read_text()), "continue_training": False}
    trainer = kind(fresh, "3d_fullres", 0, json.loads((folder / "dataset.json").read_text()), torch.device("cpu"))
    trainer.num_iterations_per_epoch, trainer.num_epochs = iterations, epochs
    trainer.num_val_iterations_per_epoch, trainer.save_every = 1, 10_000
    trainer.initialize()
    return trainer


def _predict(trainer, work: Path) -> None:
    """The test images with the last weights, as nnU-Net predicts by itself."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    trainer.set_deep_supervision_enabled(False)
    predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network, trainer.plans_manager, trainer.configuration_manager, [trainer.network.state_dict()],
        trainer.dataset_json, "nnUNetTrainer", trainer.inference_allowed_mirroring_axes,
    )  # fmt: skip
    (work / "predicted").mkdir(exist_ok=True)
    images = sorted((work / "test").glob("*.nii.gz"))
    names = [str(work / "predicted" / image.name.replace("_0000", "")) for image in images]
    predictor.predict_from_files_sequential([[str(image)] for image in images], names)


if __name__ == "__main__":
    main()
