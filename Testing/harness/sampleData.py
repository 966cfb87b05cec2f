"""Slicer's `SampleData` module: the list of sources that other modules add to."""

from __future__ import annotations

import types

import slicer


class SampleDataSource:
    """One entry of the list; the arguments are kept as in the real class, which pairs addresses with file names."""

    def __init__(self, sampleName, uris, fileNames, nodeNames, customDownloader, thumbnailFileName) -> None:
        uris = [uris] if isinstance(uris, str) else uris
        fileNames = [fileNames] if isinstance(fileNames, str) else fileNames
        if len(uris) != len(fileNames):
            raise ValueError("All fields of sample data source must have the same length")
        self.sampleName, self.uris, self.fileNames, self.nodeNames = sampleName, uris, fileNames, nodeNames
        self.customDownloader, self.thumbnailFileName = customDownloader, thumbnailFileName


class SampleDataLogic:
    """The registration of sources."""

    @staticmethod
    def registerCustomSampleDataSource(
        category="Custom", sampleName=None, uris=None, fileNames=None, nodeNames=None, customDownloader=None,
        thumbnailFileName=None, loadFileTypes=None, loadFiles=None, loadFileProperties={}, checksums=None,  # noqa: B006
        loadFileType=None,
    ):  # fmt: skip
        """Add a source to the list `slicer.modules.sampleDataSources`; twice the same is one."""
        source = SampleDataSource(sampleName, uris, fileNames, nodeNames, customDownloader, thumbnailFileName)
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        if not SampleDataLogic.isSampleDataSourceRegistered(category, source):
            slicer.modules.sampleDataSources.setdefault(category, []).append(source)

    @staticmethod
    def isSampleDataSourceRegistered(category, sampleDataSource):
        """Whether the list has it."""
        known = getattr(slicer.modules, "sampleDataSources", {}).get(category, [])
        return sampleDataSource.sampleName in [source.sampleName for source in known]


def build() -> types.ModuleType:
    """Make the `SampleData` module."""
    module = types.ModuleType("SampleData")
    module.SampleDataLogic, module.SampleDataSource = SampleDataLogic, SampleDataSource
    return module
