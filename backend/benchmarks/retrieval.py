"""What an index of radiographs costs, and how soon it answers: `python benchmarks/retrieval.py [FOLDER] [--model WEIGHTS]`.

FOLDER holds radiographs or is a catalogue CSV; without one, smooth noise is written to a temporary folder. Goals: the nearest
cases of 755 are found in at most 20 ms once their vectors are known, and not later than by scikit-learn's brute-force search
over the same vectors, in turns of the same run.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage
from sklearn.neighbors import NearestNeighbors

from medssl.client import backend
from medssl.client.session import connect
from medssl.core.protocol import DataSpec, VolumeRef
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.entry import Entry
from medssl.inference.models import WarmModels
from medssl.inspection.search.case_images import describe_query, features_of
from medssl.inspection.search.case_index import CaseIndex
from medssl.networks.network import Network

QUERY_MS, COUNT = 20.0, 8
LARGE = 100_000  # vectors of the second table


def write_noise(folder: Path, count: int, side: int) -> Path:
    """Smooth noise as PNG."""
    folder.mkdir()
    for n in range(count):
        noise = ndimage.gaussian_filter(np.random.default_rng(n).normal(size=(side // 4,) * 2), 8)
        grey = np.rint(127 + 40 * noise / noise.std()).clip(0, 255).astype(np.uint8)
        Image.fromarray(grey).resize((side, side), Image.Resampling.BILINEAR).save(folder / f"{n:05d}.png")
    return folder


def milliseconds(work: Callable[[], object]) -> float:
    """Of one call."""
    begun = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - begun)


def measure_index(entries: list[Entry], net: Network, folder: Path) -> tuple[CaseIndex, dict[str, float]]:
    """Building from nothing, opening what is there, and looking through files of which two have changed."""
    features = features_of(net, "projector")
    index = CaseIndex(folder)
    found = {"build (s)": milliseconds(lambda: index.update(entries, net, features)) / 1000}
    found["build, images a second"] = len(index) / found["build (s)"]
    index = CaseIndex(folder)
    found["open and check every file (ms)"] = milliseconds(lambda: index.update(entries, net, features))
    found["check every file again (ms)"] = milliseconds(lambda: index.update(entries, net, features))
    index.update(entries[2:], net, features)
    found["take out and add two images (ms)"] = milliseconds(lambda: index.update(entries, net, features))
    return index, found


def measure_queries(vectors: np.ndarray, index: CaseIndex, turns: int) -> dict[str, float]:
    """The index beside scikit-learn, in turns, with queries near the vectors; answers must be equal."""
    brute = NearestNeighbors(n_neighbors=COUNT, metric="cosine", algorithm="brute").fit(vectors)
    random, ours, theirs = np.random.default_rng(0), [], []
    for _ in range(turns):
        query = vectors[random.integers(len(vectors))] + 0.1 * random.normal(size=vectors.shape[1]) / vectors.shape[1]
        ours.append(milliseconds(lambda q=query: index.query(q, COUNT)))
        theirs.append(milliseconds(lambda q=query: brute.kneighbors(q[None])))
        near = [case.similarity for case in index.query(query, COUNT)]
        assert np.allclose(near, 1 - brute.kneighbors(query[None])[0][0], atol=1e-5)
    return {
        "query, index (ms)": statistics.median(ours), "query, slowest of 20 (ms)": float(np.percentile(ours, 95)),
        "query, scikit-learn (ms)": statistics.median(theirs), "ratio": statistics.median(ours) / statistics.median(theirs),
    }  # fmt: skip


def measure_whole(data: str, image: Path, model: str, device: str, turns: int) -> dict[str, float]:
    """A search through a local server and its worker: the image read and described, files checked, pictures written."""
    with tempfile.TemporaryDirectory() as home:
        session = connect(home)
        try:
            ref, spec = VolumeRef(path=str(image)), DataSpec(path=data)
            times = [milliseconds(lambda: session.retrieve(ref, spec, model, device=device)) for _ in range(turns + 1)]
        finally:
            backend.stop(backend.find(Path(home)))
    return {"whole search, first: index built (ms)": times[0], "whole search, warm (ms)": statistics.median(times[1:])}


def filled_index(vectors: np.ndarray) -> CaseIndex:
    """An index of vectors without images, as it is in memory."""
    index = CaseIndex(Path(tempfile.mkdtemp()))
    index.entries = [Entry(Path(f"{n}.png"), f"p{n // 3}") for n in range(len(vectors))]
    index._vectors, index._patients = vectors, np.array([entry.patient for entry in index.entries], object)
    return index


def main() -> int:
    """Print the table; exit status 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default="", help="folder or catalogue CSV of radiographs")
    parser.add_argument("--model", default="untrained:laptop")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=int, default=200, help="of noise, where no data is named")
    parser.add_argument("--side", type=int, default=1024, help="of the noise in pixels")
    parser.add_argument("--turns", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        data = options.data or str(write_noise(Path(temporary) / "noise", options.images, options.side))
        entries = list(read_catalog(DataSpec(path=data), Path(temporary)))
        net = WarmModels(Path(temporary)).get(options.model, "", options.device)
        index, found = measure_index(entries, net, Path(temporary) / "index")
        vectors = np.stack([index._vectors[n] for n in range(len(index))])
        found |= measure_queries(vectors, index, options.turns)
        features = features_of(net, "projector")
        volume = read_first(entries)
        found["describe the query (ms)"] = statistics.median(
            milliseconds(lambda: describe_query(volume, net, features, "", False)) for _ in range(5)
        )
        found |= measure_whole(data, entries[0].image, options.model, options.device, 5)
    large = np.random.default_rng(1).normal(size=(LARGE, vectors.shape[1])).astype(np.float32)
    large /= np.linalg.norm(large, axis=1, keepdims=True)
    many = measure_queries(large, filled_index(large), 5)
    print(f"{len(entries)} images, {vectors.shape[1]} numbers each")
    for name, value in {**found, **{f"{LARGE} vectors: {name}": value for name, value in many.items()}}.items():
        print(f"{name:50} {value:9.2f}")
    return int(found["query, index (ms)"] > QUERY_MS or found["ratio"] > 1.0)


def read_first(entries: list[Entry]):
    """The first image of a set."""
    from medssl.images.formats.reading import read_volume

    return read_volume(entries[0].image, entries[0].modality)


if __name__ == "__main__":
    sys.exit(main())
