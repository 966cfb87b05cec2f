"""The samples in Slicer's Sample Data module."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import SampleData
import slicer
from MedSSLPretrainLib import sampleData


@pytest.fixture
def sources(load_module):
    """What Sample Data lists when Slicer has started with the module."""
    slicer.modules.sampleDataSources = {}
    load_module("MedSSLPretrain")
    slicer.app.startupCompleted.emit()
    return slicer.modules.sampleDataSources["MedSSL"]


def test_every_sample_is_offered_once(sources):
    assert [source.sampleName for source in sources] == list(sampleData.SAMPLES.values())
    assert all(Path(source.thumbnailFileName).is_file() for source in sources)


def test_a_chosen_sample_is_fetched_by_its_own_name(sources, monkeypatch):
    monkeypatch.setattr(sampleData, "fetchAndLoad", lambda name: [name])
    assert [source.customDownloader(source) for source in sources] == [[name] for name in sampleData.SAMPLES]


def test_a_slicer_without_that_module_starts_too(scene, monkeypatch):
    monkeypatch.setitem(sys.modules, "SampleData", None)
    sampleData.registerSampleData()


def test_the_real_function_wants_addresses_and_file_names(scene):
    """As in the application: both are counted even where a function of one's own downloads."""
    with pytest.raises(TypeError):
        SampleData.SampleDataLogic.registerCustomSampleDataSource(sampleName="x", customDownloader=print)
