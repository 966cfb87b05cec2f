"""The images of the next round are read as those of the round before, where nothing else was chosen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medssl.core.protocol import DataSpec, VolumeRef

BEFORE = DataSpec(
    path="/data/scans", pattern="*/t1.nii", channels=("*/ct.nii",), channel_names="T1,CT", modality="MR,CT", masks="{stem}-seg.nii",
    patient_ids="plain", gaps="resample", unreadable_share=0.1, test_fraction=0.3, validation_fraction=0.25,
)  # fmt: skip


@pytest.fixture
def nextData(load_module):
    load_module("MedSSLPretrain")
    from MedSSLPretrainLib.runs.continueSteps import nextData

    return nextData


def test_a_folder_again_is_read_likewise(nextData):
    assert nextData(BEFORE, DataSpec(path="/data/more")) == replace(BEFORE, path="/data/more", test_fraction=0.0)
    assert nextData(BEFORE, DataSpec(path="/data/more", modality="CT")).modality == "CT"


def test_a_table_has_columns_for_what_a_folder_needs_patterns_for(nextData):
    data = nextData(BEFORE, DataSpec(path="/data/more.csv"))
    assert (data.pattern, data.channels, data.masks, data.modality) == ("", (), "", "")
    assert (data.patient_ids, data.gaps, data.unreadable_share, data.validation_fraction) == (
        "plain",
        "resample",
        0.1,
        0.25,
    )


def test_volumes_of_the_scene_say_all_but_what_is_read_from_files(nextData):
    chosen = DataSpec(volumes=(VolumeRef(path="/a.nrrd"),), channel_names="T1")
    data = nextData(BEFORE, chosen)
    assert data.volumes == chosen.volumes and not data.path and data.channel_names == "T1" and data.gaps == "resample"
    assert nextData(replace(BEFORE, folds=3, fold=1), chosen).folds == 0
