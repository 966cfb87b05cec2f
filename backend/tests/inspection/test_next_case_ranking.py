"""The order of candidates: farthest first as in core-sets, ranks of both parts, and what an empty prediction counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from medssl.images.volume import Volume
from medssl.inference.volumes.entropy_score import EntropyScore
from medssl.inspection.next_case.image_statistics import as_distances, image_statistics
from medssl.inspection.next_case.ranking import border_widths, rank_cases


def numbers(order) -> list[int]:
    return [choice.number for choice in order]


def farthest_first(candidates: np.ndarray, labelled: np.ndarray) -> list[int]:
    """The greedy k-centre rule, written as it is defined."""
    centres, order = labelled.tolist(), []
    while len(order) < len(candidates):
        least = [
            -1.0 if n in order else min(np.linalg.norm(one - np.array(c)) for c in centres)
            for n, one in enumerate(candidates)
        ]
        order.append(int(np.argmax(least)))
        centres.append(candidates[order[-1]].tolist())
    return order


def test_difference_alone_is_the_greedy_k_centre_rule(rng):
    candidates, labelled = rng.normal(size=(12, 3)), rng.normal(size=(3, 3))
    order = rank_cases(candidates, labelled)
    assert numbers(order) == farthest_first(candidates, labelled)
    assert numbers(rank_cases(1000 * candidates, 1000 * labelled)) == numbers(order), "a unit does not count"
    unit = np.sqrt(
        ((np.concatenate([candidates, labelled]) - np.concatenate([candidates, labelled]).mean(0)) ** 2).sum(1).mean()
    )
    first = order[0]
    assert first.difference == pytest.approx(cdist(candidates, labelled)[first.number].min() / unit)
    assert first.nearest == cdist(candidates, labelled)[first.number].argmin() and first.uncertain is None


def test_what_is_alike_does_not_come_together():
    twins = np.array([[9.0, 0], [9.1, 0], [0, 8.0], [1, 1]])
    assert numbers(rank_cases(twins, np.zeros((1, 2)))) == [1, 2, 3, 0]


def test_with_nothing_labelled_the_most_typical_comes_first():
    order = rank_cases(np.array([[0.0], [5], [6], [14]]), np.zeros((0, 1)))
    assert numbers(order)[:2] == [2, 3] and order[0].difference is None and order[1].nearest == 2


def test_uncertainty_and_difference_count_by_their_ranks():
    candidates, labelled = np.array([[1.0], [2], [3], [4]]), np.zeros((1, 1))
    unsure = np.array([5.0, 0.1, 900.0, 0.2])
    assert numbers(rank_cases(candidates, labelled, unsure, share=1.0)) == [2, 0, 3, 1]
    order = rank_cases(candidates, labelled, unsure, count=1)
    assert numbers(order) == [2] and order[0].score == pytest.approx((1 + 2 / 3) / 2)
    assert numbers(rank_cases(candidates, labelled, np.exp(unsure / 100))) == numbers(
        rank_cases(candidates, labelled, unsure)
    )


def score(doubt: float, surface: float) -> EntropyScore:
    return EntropyScore(doubt, surface, surface)


def test_a_large_object_is_not_less_certain_than_a_small_one():
    assert np.ptp(border_widths([score(10, 20), score(150, 300)])) == 0


def test_empty_predictions_are_first_in_doubt_and_last_without_any():
    widths = border_widths([score(10, 20), score(12, 20), score(11, 0), score(0, 0)])
    assert np.argsort(-widths).tolist() == [2, 1, 0, 3] and widths[3] == 0
    assert border_widths([score(3, 0), score(1, 0)]).tolist() == [3, 1], "nothing is found anywhere"


def test_all_the_same_is_no_reason_to_stop():
    order = rank_cases(np.ones((3, 2)), np.ones((1, 2)), np.zeros(3))
    assert numbers(order) == [0, 1, 2] and order[0].difference == 0


def test_statistics_see_the_picture_whatever_the_scale_and_the_axes(rng):
    array = rng.normal(100, 20, (24, 20, 16)).astype(np.float32)
    array[4:12, 5:15, 3:9] += 400
    volume = Volume(array, (1, 1, 2), (0, 0, 0), np.eye(3), modality="MR")
    plain = image_statistics(volume)
    assert plain.shape == (77,)
    brighter = image_statistics(volume.with_array(3 * array + 50))
    np.testing.assert_allclose(brighter[13:], plain[13:], atol=1e-4)
    assert np.all(brighter[6:13] > plain[6:13])
    turned = Volume(
        array.transpose(1, 0, 2)[::-1].copy(), (1, 1, 2), (0, 0, 0), np.eye(3)[:, [1, 0, 2]] * [-1, 1, 1], modality="MR"
    )
    np.testing.assert_allclose(image_statistics(turned), plain, atol=1e-3)
    flat = Volume(array[:, :, 0].copy(), (1, 1, 1), (0, 0, 0), np.eye(3), modality="CXR")
    assert image_statistics(flat).shape == (27,)


def test_groups_of_statistics_count_alike(rng):
    scaled = as_distances(rng.normal(5, 3, (50, 77)) * np.linspace(1, 900, 77))
    weights = [np.square(scaled[:, part]).sum(1).mean() for part in (slice(6), slice(6, 13), slice(13, None))]
    np.testing.assert_allclose(weights, 1, rtol=1e-6)
    assert not np.isnan(as_distances(np.ones((3, 27)))).any()
