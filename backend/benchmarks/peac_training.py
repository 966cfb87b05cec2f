"""How fast does PEAC train? Our step (one forward for both crops in the device's own precision, distortions in batches on the
device) against the released schedule taken literally (four separate forwards in float32, one sample distorted after the
other on the processor), in turns in one run; on a GPU also the TFLOP/s reached.

    python backend/benchmarks/peac_training.py [--device cuda] [--preset swin_base_448] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable

import numpy as np
import torch
from distortion import plain_appearance
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from training import TYPES, time_in_turns

from medssl.core.schema import build
from medssl.networks.peac import PeacPair
from medssl.networks.standardisation import MEAN, STD
from medssl.pretraining.peac.config import CELLS, SPARE, PeacConfig
from medssl.pretraining.peac.method import Peac
from medssl.training.fabric import choose_precision
from medssl.training.optimisers import make_optimizer


def our_step(config: PeacConfig, device: torch.device, grids: Tensor) -> Callable[[], None]:
    """One optimiser step as the training loop makes it."""
    method = Peac(config, "CXR")
    pair = method.network().to(device).train()
    optimizer = make_optimizer(pair, config.training)
    generator = torch.Generator(device).manual_seed(0)
    window = torch.tensor([[0.0, 255.0]]).repeat(len(grids), 1)
    precision = choose_precision("auto", device.type)

    def step() -> None:
        batch = {"raw": grids.to(device, non_blocking=True), "window": window.to(device, non_blocking=True)}
        views = method.views(batch, generator)
        with torch.autocast(device.type, TYPES[precision], enabled=precision != "fp32"):
            loss = method.loss(pair, views)["loss"]
        _finish(loss, optimizer, pair, device)

    return step


def literal_step(config: PeacConfig, device: torch.device, grids: Tensor) -> Callable[[], None]:
    """The same step, sample by sample and forward by forward."""
    pair: PeacPair = Peac(config, "CXR").network().to(device).train()
    optimizer = make_optimizer(pair, config.training)
    images = grids[:, 0].numpy().astype(np.float32) / 255

    def step() -> None:
        samples = [_literal_sample(image, config.cell) for image in images]
        first, second, clean = (torch.stack([s[n] for s in samples]).to(device) for n in range(3))
        student, teacher = pair.student, pair.teacher
        tokens = [student.tokens(first), student.tokens(second)]
        with torch.no_grad():
            theirs = [teacher.tokens(first), teacher.tokens(second)]
            their_global = [functional.normalize(teacher.global_embedding(t), dim=1) for t in theirs]
            their_local = [teacher.local_embedding(t) for t in theirs]
        our_global = [functional.normalize(student.global_embedding(t), dim=1) for t in tokens]
        our_local = [student.local_embedding(t) for t in tokens]
        order = torch.stack([s[3] for s in samples]).to(device)
        loss = config.order_weight * functional.cross_entropy(student.order(tokens[0]).flatten(0, 1), order.flatten())
        loss = loss + config.restore_weight * functional.mse_loss(student.restore(tokens[0]), clean)
        loss = loss + config.global_weight * (
            functional.mse_loss(our_global[0], their_global[1]) + functional.mse_loss(our_global[1], their_global[0])
        )
        loss = loss + config.local_weight * _literal_local(our_local, their_local, samples)
        _finish(loss, optimizer, pair, device)

    return step


def _literal_sample(image: np.ndarray, cell: int) -> tuple[Tensor, Tensor, Tensor, Tensor, tuple]:
    """Distorted crop 1, crop 2, clean crop 1 (3, S, S), the order of crop 1's cells, and the offsets (None: shuffled)."""
    side = CELLS * cell
    offsets = [(random.randint(0, SPARE), random.randint(0, SPARE)) for _ in range(2)]
    one, two = (image[r * cell : r * cell + side, c * cell : c * cell + side] for r, c in offsets)
    order, changed = np.arange(CELLS**2), one
    shuffled = random.random() < 0.5
    if shuffled:
        order, changed = np.random.permutation(CELLS**2), one.copy()
        for place, source in enumerate(order):
            (r, c), (y, x) = divmod(place, CELLS), divmod(source, CELLS)
            changed[r * cell : (r + 1) * cell, c * cell : (c + 1) * cell] = one[
                y * cell : (y + 1) * cell, x * cell : (x + 1) * cell
            ]
    else:
        changed = plain_appearance(one)
    crops = (torch.from_numpy((np.stack([crop] * 3) - MEAN) / STD).float() for crop in (changed, two, one))
    return (*crops, torch.from_numpy(order), None if shuffled else tuple(offsets))  # type: ignore[return-value]


def _literal_local(ours: list[Tensor], theirs: list[Tensor], samples: list[tuple]) -> Tensor:
    """Shared cells of each sample in order, as blocks of rows and columns."""
    losses = []
    for n, sample in enumerate(samples):
        if sample[4] is None:
            continue
        (r1, c1), (r2, c2) = sample[4]
        down, right = r1 - r2, c1 - c2
        mine = (slice(max(0, -down), CELLS - max(0, down)), slice(max(0, -right), CELLS - max(0, right)))
        its = (slice(max(0, down), CELLS + min(0, down)), slice(max(0, right), CELLS + min(0, right)))
        grids = [t[n].unflatten(0, (CELLS, CELLS)) for t in (ours[0], theirs[1], theirs[0], ours[1])]
        one = functional.mse_loss(grids[0][mine], grids[1][its])
        losses.append(0.5 * (one + functional.mse_loss(grids[3][its], grids[2][mine])))
    return torch.stack(losses).mean() if losses else ours[0].sum() * 0


def _finish(loss: Tensor, optimizer: torch.optim.Optimizer, pair: PeacPair, device: torch.device) -> None:
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    pair.update(0.999)
    if device.type == "cuda":
        torch.cuda.synchronize()


def count_flops(config: PeacConfig) -> int:
    """Floating-point operations of one of our steps."""
    side = CELLS * config.cell
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        pair = Peac(config, "CXR").network()
        crops = torch.empty(config.training.batch_size, 3, side, side)
        sum(t.sum() for t in pair(crops, crops)).backward()
    return counter.get_total_flops()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--preset", default="laptop")
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    over = {"training": {"batch_size": options.batch}} if options.batch else {}
    config, device = build(PeacConfig, over, options.preset), torch.device(options.device)
    count, side = config.training.batch_size, config.sample_size[0]
    grids = torch.randint(256, (count, 1, side, side), generator=torch.Generator().manual_seed(0)).short()
    steps = {"ours": our_step(config, device, grids), "literal": literal_step(config, device, grids)}
    seconds = time_in_turns(steps, options.rounds)
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"
    found = {
        "device": on, "precision": choose_precision("auto", device.type), "preset": options.preset, "batch": count,
        "ours_s": seconds["ours"], "literal_s": seconds["literal"], "ratio": seconds["literal"] / seconds["ours"],
        "images_per_s": count / seconds["ours"], "tflop_per_s": count_flops(config) / seconds["ours"] / 1e12,
    }  # fmt: skip
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
