from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from refusals import refused

from medssl.core.errors import CatalogError
from medssl.datasets.crops.loader import SubVolumeDataset, collate, micro_batches
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.volume import Volume

SIZE = (16, 16, 8)
AUTO = NormalisationConfig()


@pytest.fixture
def volumes(cached, ct, rng):
    return [cached(ct.with_array(ct.array + np.int16(n)), name=f"v{n}") for n in range(5)]


def make(volumes, seed=0, **kw) -> SubVolumeDataset:
    return SubVolumeDataset(
        volumes, kw.pop("size", SIZE), kw.pop("sampler", "body"), kw.pop("normalisation", AUTO), seed
    )


def test_sample_is_a_function_of_seed_and_number(volumes):
    one, two, other = make(volumes), make(volumes), make(volumes, seed=1)
    numbers = [10**9 + 3, 2, 7, 0, 7]
    for n in numbers:
        a, b = one[n], two[n]
        assert torch.equal(a["raw"], b["raw"]) and a["volume"] == b["volume"] and a["index"] == n
    reverse = [make(volumes)[n]["raw"] for n in reversed(numbers)][::-1]
    assert all(torch.equal(one[n]["raw"], raw) for n, raw in zip(numbers, reverse))
    assert any(not torch.equal(one[n]["raw"], other[n]["raw"]) for n in numbers)


def test_every_cycle_visits_each_volume_once_in_its_own_order(volumes):
    dataset = make(volumes)
    cycles = [[dataset[5 * c + n]["volume"] for n in range(5)] for c in range(4)]
    assert all(sorted(cycle) == [0, 1, 2, 3, 4] for cycle in cycles)
    assert len({tuple(cycle) for cycle in cycles}) > 1


def test_raw_stays_integer_and_lies_where_it_says(volumes, ct):
    sample = make(volumes)[4]
    assert sample["raw"].dtype == torch.int16 and sample["raw"].shape == (1, *SIZE)
    box = tuple(slice(s, s + n) for s, n in zip(sample["start"].tolist(), SIZE))
    assert np.array_equal(sample["raw"][0].numpy(), ct.array[box] + sample["volume"])
    assert sample["window"].tolist() == [-1000, 1000]


def test_collate_mixes_types(cached, ct):
    whole, part = cached(), cached(ct.with_array(ct.array / np.float32(3)), name="f", modality="CT")
    batch = collate([make([whole])[0], make([part])[0]])
    assert batch["raw"].dtype == torch.float32 and batch["raw"].shape == (2, 1, *SIZE)
    assert batch["window"].shape == (2, 2) and batch["start"].shape == (2, 3)
    assert collate([make([whole])[0]] * 2)["raw"].dtype == torch.int16


def test_workers_change_nothing(volumes):
    lists = [[0, 1], [9, 4], [2, 2]]
    alone = list(micro_batches(make(volumes), lists))
    helped = list(micro_batches(make(volumes), lists, workers=2))
    assert [b["index"].tolist() for b in alone] == lists
    for a, b in zip(alone, helped, strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_endless_numbers_and_the_global_generator(volumes):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    batches = micro_batches(make(volumes), ([n] for n in itertools.count()))
    assert [next(batches)["index"].item() for _ in range(7)] == list(range(7))
    assert torch.equal(before, torch.get_rng_state())


def test_volume_smaller_than_a_cube(cached, rng):
    small = cached(Volume(rng.integers(0, 500, (10, 12, 6)).astype(np.int16)))
    assert make([small])[3]["raw"].shape == (1, *SIZE)


def test_unsuited_volumes_are_refused_before_the_first_cube(cached, ct, rng):
    mr = Volume(rng.integers(0, 500, (20, 20, 20)).astype(np.int16))
    with refused("not-3d", names="flat"):
        make([cached(Volume(mr.array[..., 0]), name="flat", modality="MR")])
    with refused("not-3d", names="slice of shape"):
        make([cached(Volume(mr.array[..., :1]), name="slice")])
    with refused("image-constant", names="phantom, 3 everywhere"):
        make([cached(Volume(np.full((9, 9, 9), 3, np.int16)), name="phantom")])
    with refused("modality-mismatch", names="knee of modality MR"):
        make([cached(mr, name="knee")], normalisation=NormalisationConfig(kind="ct"))
    with refused("not-hounsfield", names="knee with minimum 0"):
        make([cached(mr, name="knee", modality="CT")])
    with pytest.raises(CatalogError):
        make([])


def test_real_mr_and_ct(shared_data, tmp_path):
    from medssl.core.protocol import DataSpec
    from medssl.datasets.cache.volume_cache import VolumeCache
    from medssl.datasets.catalog.catalog import read_catalog
    from medssl.images.intensity.normalise import normalise

    root = shared_data / "ct-mr-sarcoma"
    for pattern, modality in (("sts-00[12]/ct.nii.gz", "CT"), ("sts-00[12]/mr-t1.nii.gz", "MR")):
        catalog = read_catalog(DataSpec(path=str(root), pattern=pattern), tmp_path)
        volumes = [VolumeCache(tmp_path / "cache").add(entry) for entry in catalog]
        assert [(v.patient, v.modality) for v in volumes] == [("sts-001", modality), ("sts-002", modality)]
        batch = next(micro_batches(make(volumes, size=(64, 64, 32)), [[0, 1, 2, 3]]))
        scaled = normalise(batch["raw"], batch["window"])
        assert batch["raw"].dtype == torch.int16
        assert scaled.min() >= 0 and scaled.max() <= 1 and scaled.std() > 0.05
