"""What holds for every distortion: drawn once, applied alike, alone or in a batch, by either kernel."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medssl.distort import (
    BezierIntensity,
    Chain,
    Flip,
    InPainting,
    LocalShuffle,
    OneOf,
    OutPainting,
    Sometimes,
    bezier,
    describe,
    flip,
    paint,
    shuffle_device,
)
from medssl.distort.counter import compiled
from medssl.distort.samples import apply_on_device

SINGLE = [Flip(), LocalShuffle(windows=300), BezierIntensity(), InPainting(), OutPainting()]
PIPELINE = Chain(
    Sometimes(0.5, LocalShuffle(windows=300)),
    Sometimes(0.9, BezierIntensity()),
    Sometimes(0.9, OneOf((0.8, OutPainting()), (0.2, InPainting()))),
)
SHAPES = [(6, 1, 32, 24, 16), (6, 2, 20, 30), (6, 3, 16, 17, 23)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.rand(shape, generator=generator(99))


@pytest.fixture(params=[*SINGLE, PIPELINE], ids=lambda d: d.name)
def distortion(request):
    return request.param


@pytest.fixture(params=SHAPES, ids=str)
def batch(request):
    return make(request.param)


def test_a_sample_alone_equals_the_sample_in_its_batch(distortion, batch):
    params = distortion.draw(batch, generator())
    together = distortion.apply(batch, params)
    alone = torch.cat([distortion.apply(batch[n : n + 1], params[n]) for n in range(len(batch))])
    assert torch.equal(together, alone)
    order = torch.tensor([4, 1, 1])
    assert torch.equal(distortion.apply(batch[order], params[order]), together[order])


def test_the_same_seed_gives_the_same_result_and_another_does_not(distortion, batch):
    first, again, other = (distortion.apply(batch, distortion.draw(batch, generator(s))) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_input_stays_as_it_was(distortion, batch):
    before = batch.clone()
    out = distortion.apply(batch, distortion.draw(batch, generator()))
    assert torch.equal(batch, before)
    assert out.shape == batch.shape and out.dtype == torch.float32
    assert out.data_ptr() != batch.data_ptr()
    assert out.min() >= 0 and out.max() <= 1


def test_memory_layout_does_not_matter(distortion):
    batch = make((4, 2, 24, 16, 16))
    params = distortion.draw(batch, generator())
    last = batch.to(memory_format=torch.channels_last_3d)
    assert torch.equal(distortion.apply(last, params), distortion.apply(batch, params))


def test_threads_do_not_matter(distortion, batch):
    params = distortion.draw(batch, generator())
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append(distortion.apply(batch, params))
    torch.set_num_threads(before)
    assert torch.equal(*results)


def test_shuffle_kernels_agree(batch):
    shuffle = LocalShuffle(windows=500, max_fraction=4)
    params = shuffle.draw(batch, generator())
    vectorised = shuffle_device.shuffle(batch, params.seed, shuffle.windows, shuffle._largest(batch))
    assert torch.equal(vectorised, shuffle.apply(batch, params))


def test_shuffle_kernel_in_chunks_agrees(batch, monkeypatch):
    shuffle = LocalShuffle(windows=50)
    params = shuffle.draw(batch, generator())
    monkeypatch.setattr(shuffle_device, "CHUNK", 200)
    vectorised = shuffle_device.shuffle(batch, params.seed, shuffle.windows, shuffle._largest(batch))
    assert torch.equal(vectorised, shuffle.apply(batch, params))


@pytest.mark.parametrize(("distortion", "inside"), [(InPainting(), True), (OutPainting(), False)])
def test_paint_kernels_agree(batch, distortion, inside):
    params = distortion.draw(batch, generator())
    assert torch.equal(paint._paint_device(batch, params, inside), distortion.apply(batch, params))


def test_bezier_kernels_agree(batch):
    batch = batch.repeat(20, *[1] * (batch.ndim - 1))
    params = BezierIntensity().draw(batch, generator())
    assert torch.equal(bezier._apply_device(batch, params), BezierIntensity().apply(batch, params))


def test_flip_kernels_agree(batch):
    params = Flip().draw(batch, generator())
    assert torch.equal(flip._flip_device(batch, params), Flip().apply(batch, params))


def test_only_the_samples_asked_for_are_distorted(distortion, batch):
    params = distortion.draw(batch, generator())
    where = torch.tensor([True, False, True, True, False, False])
    expected = torch.where(where.view(-1, *[1] * (batch.ndim - 1)), distortion.apply(batch, params), batch)
    assert torch.equal(distortion.apply(batch, params, where), expected)
    device = [apply_on_device(batch, params, mask, distortion.apply) for mask in (where, ~where & where)]
    assert torch.equal(device[0], expected) and torch.equal(device[1], batch)


def test_channels_are_shuffled_alike():
    one = make((3, 1, 24, 24, 16))
    two = torch.cat([one, 1 - one], 1)
    out = LocalShuffle().apply(two, LocalShuffle().draw(two, generator()))
    assert torch.equal(out[:, 1], 1 - out[:, 0])


def test_shuffle_keeps_to_its_windows():
    rows = torch.arange(40.0)[:, None].expand(2, 1, 40, 8)  # the second axis is too short for more than one voxel
    out = LocalShuffle().apply(rows, LocalShuffle().draw(rows, generator()))
    assert (out - rows).abs().max() == 3  # windows of 1…4 voxels


@pytest.mark.parametrize("kind", [LocalShuffle, BezierIntensity, InPainting, OutPainting])
def test_strength_zero_changes_nothing(kind, batch):
    distortion = kind(strength=0.0)
    assert torch.allclose(distortion.apply(batch, distortion.draw(batch, generator())), batch, atol=1e-3)


@pytest.mark.parametrize("kind", [LocalShuffle, InPainting, OutPainting, BezierIntensity])
def test_more_strength_distorts_more(kind):
    batch = make((40, 1, 32, 32, 16))
    errors = [
        (kind(strength=s).apply(batch, kind(strength=s).draw(batch, generator())) - batch).abs().mean().item()
        for s in (0.1, 0.5, 1.0)
    ]
    assert errors == sorted(errors) and errors[0] < errors[2]


def test_a_pipeline_leaves_unchosen_samples_and_says_what_each_got():
    batch = make((400, 1, 32, 32))
    params = PIPELINE.draw(batch, generator())
    names = describe(PIPELINE, params, len(batch))
    changed = (PIPELINE.apply(batch, params) != batch).flatten(1).any(1)
    assert not any(c and not n for c, n in zip(changed.tolist(), names))
    assert all(changed[n] for n, got in enumerate(names) if "bezier" in got)
    share = {name: np.mean([name in n for n in names]) for name in ("shuffle", "bezier", "outpaint", "inpaint")}
    assert list(share.values()) == pytest.approx([0.5, 0.9, 0.72, 0.18], abs=0.08)
    assert not any("inpaint" in n and "outpaint" in n for n in names)
    picked = describe(PIPELINE, params[[3, 5]], 2)
    assert picked == [names[3], names[5]]


def test_input_and_target_flip_alike():
    batch = make((30, 1, 8, 6, 4))
    params = Flip().draw(batch, generator())
    assert torch.equal(Flip().apply(1 - batch, params), 1 - Flip().apply(batch, params))
    for n in range(len(batch)):
        expected = batch[n]
        for axis in params.axes[n].tolist():
            expected = expected if axis < 0 else expected.flip(axis + 1)
        assert torch.equal(Flip().apply(batch, params)[n], expected)


def test_only_the_given_generator_is_used(distortion, batch):
    before, own = torch.get_rng_state(), generator()
    params = distortion.draw(batch, own)
    distortion.apply(batch, params)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(own.get_state(), generator().get_state())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: the vectorised kernels run on the CPU above")
def test_a_gpu_draws_and_applies_on_itself(distortion, batch):
    params = distortion.draw(batch.cuda(), torch.Generator("cuda").manual_seed(0))
    out = distortion.apply(batch.cuda(), params)
    assert out.is_cuda
    assert torch.equal(out, distortion.apply(batch.cuda(), params))


def test_kernels_compile_where_nothing_can_be_cached():
    made: dict = {}
    exec("def double(x):\n    return 2 * x", made)  # no file, so that numba finds no place for a cache
    assert compiled(made["double"])(21) == 42
