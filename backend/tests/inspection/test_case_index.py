"""The index of a set's embeddings: exact neighbours, and in step with the files whatever happens to them."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
from case_fakes import Blocks, entry_of, write_radiograph, write_set
from filelock import FileLock
from refusals import refused
from sklearn.neighbors import NearestNeighbors

from medssl.core.errors import CancelledError
from medssl.core.protocol import DataSpec
from medssl.images.formats.reading import read_volume
from medssl.inference.image_embedding import embed_images, whole_image
from medssl.inspection.search import case_index
from medssl.inspection.search.case_index import LOCK, CaseIndex, Changes, unit_vector
from medssl.inspection.search.case_search import index_folder


@pytest.fixture
def net() -> Blocks:
    return Blocks()


@pytest.fixture
def entries(tmp_path) -> list:
    return write_set(tmp_path / "set", 6)


@pytest.fixture
def index(tmp_path, entries, net) -> CaseIndex:
    index = CaseIndex(tmp_path / "index")
    index.update(entries, net)
    return index


def embedding(path, net) -> np.ndarray:
    return embed_images([whole_image(read_volume(path, "CXR"), net)], net)[0]


def test_nearest_cases_are_those_of_a_literal_search(index, entries, net, tmp_path):
    query = embedding(write_radiograph(tmp_path / "query.png", 99), net)
    every = np.stack([embedding(entry.image, net) for entry in entries])
    distances, numbers = NearestNeighbors(metric="cosine", algorithm="brute").fit(every).kneighbors(query[None], 4)
    cases = index.query(query, 4)
    assert [case.number for case in cases] == numbers[0].tolist()
    assert [entries[case.number] for case in cases] == [case.entry for case in cases]
    assert np.allclose([case.similarity for case in cases], 1 - distances[0], atol=1e-6)
    apart = [np.linalg.norm(unit_vector(query) - unit_vector(every[case.number])) for case in cases]
    assert np.allclose([case.distance for case in cases], apart, atol=1e-5)
    assert [case.number for case in index.query(7 * query, 4)] == numbers[0].tolist(), "length does not count"


def test_whose_images_count(index, net, entries):
    query = embedding(entries[2].image, net)
    everybody = [case.number for case in index.query(query, 6)]
    assert everybody[0] == 2 and sorted(everybody) == [0, 1, 2, 3, 4, 5]
    others = [case.number for case in index.query(query, 6, without_patient="p1")]
    assert others == [n for n in everybody if n not in (2, 3)]
    assert [case.number for case in index.query(query, 1, without=[2])] == everybody[1:2]
    assert index.query(query, 6, without=range(6)) == []


def test_equal_cases_keep_the_order_of_the_set(tmp_path, net):
    same = [entry_of(write_radiograph(tmp_path / f"{name}.png", 5), name) for name in "dacb"]
    index = CaseIndex(tmp_path / "index")
    index.update(same, net)
    assert [case.entry.name for case in index.query(embedding(same[0].image, net), 3)] == ["d", "a", "c"]


def test_only_new_and_changed_files_are_read(index, entries, net, tmp_path):
    assert (net.shown, len(index)) == (6, 6)
    assert index.update(entries, net) == Changes() and net.shown == 6
    new = entry_of(write_radiograph(tmp_path / "set" / "new.png", 50), "p9")
    write_radiograph(entries[1].image, 60)
    os.utime(entries[1].image, ns=(1, 1))
    entries[4].image.unlink()
    wanted = [*entries[:4], entries[5], new]
    assert index.update(wanted, net) == Changes(added=1, changed=1, removed=1) and net.shown == 8
    assert [entry.name for entry in index.entries] == ["0", "1", "2", "3", "5", "new"]
    for number, entry in enumerate(wanted):
        assert index.query(embedding(entry.image, net), 1)[0].number == number
    assert index.thumbnail(index.query(embedding(new.image, net), 1)[0])[:2] == b"\xff\xd8", "a JPEG"


def test_another_process_finds_what_one_has_built(index, entries, net, tmp_path):
    other = CaseIndex(tmp_path / "index")
    assert other.update(entries[::-1], net) == Changes() and net.shown == 6
    assert [entry.name for entry in other.entries] == ["5", "4", "3", "2", "1", "0"]
    assert other.query(embedding(entries[1].image, net), 1)[0].entry == entries[1]


def test_labels_change_without_the_image_being_read_again(index, entries, net):
    known = [replace(entries[0], labels={"Mass": 1.0}, patient="renamed"), *entries[1:]]
    assert index.update(known, net) == Changes() and net.shown == 6
    assert index.entries[0].labels == {"Mass": 1.0}
    found = index.query(embedding(entries[0].image, net), 6, without_patient="renamed")
    assert [case.number for case in found if case.number == 0] == []


def test_an_interrupted_build_goes_on(tmp_path, net):
    entries = write_set(tmp_path / "set", 20)
    index = CaseIndex(tmp_path / "index")

    def stop(done: int, wanted: int) -> None:
        assert (done, wanted) == (16, 20)
        raise CancelledError("index")

    with pytest.raises(CancelledError):
        index.update(entries, net, progress=stop)
    told = []
    again = CaseIndex(tmp_path / "index")
    assert again.update(entries, net, progress=lambda *share: told.append(share)) == Changes(added=4)
    assert told == [(4, 4)] and net.shown == 20 and len(again) == 20


def test_what_cannot_be_read_is_left_out_until_its_file_changes(index, entries, net, tmp_path):
    broken = tmp_path / "set" / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    wanted = [*entries, entry_of(broken, "p7"), entry_of(tmp_path / "set" / "gone.png", "p8")]
    assert index.update(wanted, net) == Changes(added=2, skipped=2)
    assert [name for name, _ in index.problems] == ["broken", "gone"] and "does not exist" in index.problems[1][1]
    assert len(index) == 6 and index.update(wanted, net) == Changes(skipped=2)
    write_radiograph(broken, 70)
    assert index.update(wanted, net) == Changes(changed=1, skipped=1)
    assert [entry.name for entry in index.entries][-1] == "broken"


def test_one_process_builds_at_a_time_and_the_others_can_be_stopped(tmp_path, entries, net):
    index = CaseIndex(tmp_path / "index")

    def stop(done: int, wanted: int) -> None:
        raise CancelledError("index")

    with FileLock(tmp_path / "index" / LOCK):
        with pytest.raises(CancelledError):
            index.update(entries, net, progress=stop)
    assert net.shown == 0 and index.update(entries, net) == Changes(added=6)


def test_a_damaged_index_says_what_to_do(index, entries, net, tmp_path):
    (tmp_path / "index" / "index.sqlite").write_bytes(b"no database at all" * 100)
    with refused("index-damaged", names="index.sqlite"):
        CaseIndex(tmp_path / "index").update(entries, net)


def test_memory_is_that_of_one_matrix(index, entries, net):
    assert index.nbytes == 6 * 16 * 4
    index.update(entries[::-1], net)
    assert index.nbytes == 2 * 6 * 16 * 4, "another order than that of the disk costs a copy"


def test_an_index_belongs_to_a_model_its_part_its_features_and_a_set(tmp_path):
    def folder(net, features="encoder", part="", path="/set", pattern=""):
        return index_folder(tmp_path, DataSpec(path=path, pattern=pattern), net.plan, "m", part, features)

    net, other = Blocks(), Blocks()
    other.plan = other.plan.__class__(**{**vars(other.plan), "sha256": "0ther"})
    folders = [
        folder(net), folder(other), folder(net, "projector"), folder(net, part="student"), folder(net, path="/other"),
        folder(net, pattern="*.png"),
    ]  # fmt: skip
    assert len(set(folders)) == len(folders)
    assert folder(net) == folders[0], "the same for the same"


def test_volumes_that_were_described_without_their_borders_are_described_again(index, entries, net, monkeypatch):
    monkeypatch.setattr(case_index, "image_size", lambda net: (16, 16, 8))
    assert index.update(entries, net) == Changes(0, 6, 0, 0)
    assert index.update(entries, net) == Changes()
