"""The order of candidates: what covers the others, ranks of both parts, and what an empty prediction counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from medssl.datasets.entry import Entry
from medssl.images.volume import Volume
from medssl.inference.volumes.entropy_score import EntropyScore
from medssl.inspection.next_case import ranking
from medssl.inspection.next_case.described_case import DescribedCase
from medssl.inspection.next_case.image_statistics import as_distances, image_statistics
from medssl.inspection.next_case.ranking import Choice, border_widths, rank_cases
from medssl.inspection.next_case.reasons import ranking_rows


def numbers(order) -> list[int]:
    return [choice.number for choice in order]


def facility_location(candidates: np.ndarray, labelled: np.ndarray) -> list[int]:
    """Greedy facility location, written as it is defined: the least sum of distances to the nearest labelled or chosen case."""
    chosen: list[int] = []
    while len(chosen) < len(candidates):
        sums = {}
        for n in set(range(len(candidates))) - set(chosen):
            known = np.concatenate([labelled, candidates[[*chosen, n]]])
            sums[n] = sum(np.linalg.norm(known - one, axis=1).min() for one in candidates)
        chosen.append(min(sums, key=sums.get))
    return chosen


def test_cover_alone_is_greedy_facility_location(rng):
    candidates, labelled = rng.normal(size=(12, 3)), rng.normal(size=(3, 3))
    order = rank_cases(candidates, labelled)
    assert numbers(order) == facility_location(candidates, labelled)
    assert numbers(rank_cases(1000 * candidates, 1000 * labelled)) == numbers(order), "a unit does not count"
    everything = np.concatenate([candidates, labelled])
    unit, first = np.sqrt(((everything - everything.mean(0)) ** 2).sum(1).mean()), order[0]
    near = cdist(candidates, labelled).min(1)
    assert first.difference == pytest.approx(near[first.number] / unit)
    assert first.nearest == cdist(candidates, labelled)[first.number].argmin() and first.uncertain is None
    others = np.arange(12) != first.number
    nearer = cdist(candidates, candidates[[first.number]])[:, 0] < near
    assert first.represents == pytest.approx(nearer[others].mean()) and first.covers == 1.0


def test_an_outlier_stands_for_itself_alone_and_of_what_is_alike_one_is_enough():
    crowd, pair, outlier = [[5.0, 0], [5.1, 0], [5, 0.1], [4.9, 0]], [[0, 5.0], [0, 5.1]], [[0, -7.0]]
    order = rank_cases(np.array([*outlier, *crowd, *pair]), np.zeros((1, 2)))
    assert order[0].number in (1, 2, 3, 4) and order[1].number in (5, 6) and order[2].number == 0
    assert [round(one.represents, 2) for one in order[:3]] == [0.5, 0.17, 0.0]


def test_with_nothing_labelled_the_most_typical_comes_first():
    order = rank_cases(np.array([[0.0], [5], [6], [14]]), np.zeros((0, 1)))
    assert order[0].number in (1, 2) and order[0].difference is None  # as near to all together
    assert order[1].number == 3 and order[1].nearest == order[0].number and order[1].difference > 0


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (Choice(0, 1, None, 1.0, 0.9, None, -1), "It is the most typical of the candidates, and nothing is labelled yet"),
        (Choice(0, 1, 0.9, 0.2, 0.9, None, -1), "The model is unsure of it (DOUBT), though it is not typical of the candidates"),
        (Choice(0, 1, 0.9, 0.9, 0.25, 2.0, 0), "The model is unsure of it (DOUBT), and it stands for many: 25% of the others"),
        (Choice(0, 1, 0.9, 0.5, 0.0, 2.0, 0), "The model is unsure of it (DOUBT), though it stands for few: 0% of the others"),
        (Choice(0, 1, 0.1, 0.2, 0.01, 2.0, 0), "It stands for few: 1% of the others are nearer"),
    ],
)  # fmt: skip
def test_the_reason_says_what_speaks_for_a_case(choice, says):
    case = DescribedCase(Entry(Path("a.nrrd"), "a"), np.zeros(2), score(10, 20))
    width = None if choice.uncertain is None else 0.5
    (row,) = ranking_rows([choice], [case], [case] if choice.nearest >= 0 else [], width and np.array([width]), [7])
    assert row["why"].startswith(says.replace("DOUBT", "its border is blurred over 0.5 mm")) and row["number"] == 7


def test_a_long_list_is_ordered_whole_and_begins_as_a_short_one(rng, monkeypatch):
    candidates, labelled, unsure = rng.normal(size=(40, 3)), rng.normal(size=(3, 3)), rng.random(40)
    whole = rank_cases(candidates, labelled, unsure)
    monkeypatch.setattr(ranking, "AT_ONCE", 5)
    cut = rank_cases(candidates, labelled, unsure)
    assert sorted(numbers(cut)) == list(range(40)) and numbers(cut)[:6] == numbers(whole)[:6] != numbers(cut)[6:12]
    assert numbers(rank_cases(candidates, labelled, unsure, count=8)) == numbers(cut)[:8]
    scores = [one.score for one in cut[5:]]
    assert scores == sorted(scores, reverse=True), "as they stood after the fifth"


def test_of_very_many_so_many_are_to_be_covered(rng, monkeypatch):
    monkeypatch.setattr(ranking, "COVERED", 50)
    candidates = np.concatenate([rng.normal(0, 0.1, (300, 2)), rng.normal(9, 0.1, (100, 2))])
    order = rank_cases(candidates, np.array([[0.0, 0.0]]), count=1)
    assert order[0].number >= 300 and order[0].represents == pytest.approx(0.25, abs=0.03)


def test_uncertainty_and_cover_count_by_their_ranks():
    candidates, labelled = np.array([[1.0], [2], [3], [4]]), np.zeros((1, 1))
    unsure = np.array([900.0, 0.1, 5.0, 0.2])
    assert numbers(rank_cases(candidates, labelled, unsure, share=1.0)) == [0, 2, 3, 1]
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
