"""Nodes of the scene with schematic anatomy: chests as CT and as radiographs, and segmentations on them."""

from __future__ import annotations

from functools import cache

import numpy as np
import slicer
import vtk

TERMINOLOGY = "Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure~SCT^39607008^Lung~^^~Anatomic codes - DICOM master list~^^~^^"


def volume(name: str = "phantom", shape: tuple[int, int, int] = (96, 80, 48), oblique: bool = False):
    """A volume node with a schematic chest in HU, `shape` voxels along i, j, k."""
    node = slicer.util.addVolumeFromArray(voxels(shape), name=name)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(geometry(oblique)))
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(1600, -200)
    return node


def save(node, path) -> None:
    """Write a volume node to a file."""
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    assert storage.WriteData(node), f"{path} cannot be written"


def voxels(shape: tuple[int, int, int]) -> np.ndarray:
    """HU, indexed [k, j, i]: a body with two lungs, a heart, a spine, ribs and vessels."""
    return drawn(shape).copy()


@cache
def drawn(shape: tuple[int, int, int]) -> np.ndarray:
    """The one array of this shape, drawn once for all tests."""
    k, j, i = np.meshgrid(*(np.linspace(-1, 1, side) for side in reversed(shape)), indexing="ij")

    def ellipsoid(x, y, z, a, b, c):
        return ((i - x) / a) ** 2 + ((j - y) / b) ** 2 + ((k - z) / c) ** 2 < 1

    random = np.random.default_rng(1)
    found = np.full(i.shape, -1000.0)
    found[(i / 0.92) ** 2 + (j / 0.75) ** 2 < 1] = 40.0
    ribs = np.abs((i / 0.80) ** 2 + (j / 0.64) ** 2 - 1) < 0.07
    found[ribs & (np.sin(9 * k + 3 * j) > 0.5)] = 500.0
    for side in (-1, 1):
        found[ellipsoid(0.42 * side, 0.0, 0.0, 0.30, 0.50, 1.1)] = -850.0
    for x, y, z in random.uniform((-0.6, -0.4, -1), (0.6, 0.4, 1), (40, 3)):
        vessel = ellipsoid(x, y, z, 0.03, 0.04, 0.25)
        found[vessel & (found < -800)] = -100.0
    found[ellipsoid(0.08, -0.15, 0.0, 0.28, 0.32, 0.6)] = 120.0
    found[ellipsoid(0.0, 0.52, 0.0, 0.14, 0.14, 2.0)] = 400.0
    return (found + random.normal(0, 12, found.shape)).astype(np.int16)


def geometry(oblique: bool) -> np.ndarray:
    """IJK-to-RAS: an LPS scan as scanners give it, or one turned about two axes."""
    spacing = np.diag([3.5, 3.5, 5.0])
    turn = np.diag([-1.0, -1.0, 1.0])
    if oblique:
        a, b = 0.35, -0.2
        about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
        turn = about_z @ about_x @ turn
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn @ spacing, [140.0, 120.0, -300.0]
    return matrix


def ijk_to_ras(node) -> np.ndarray:
    """The node's matrix as an array."""
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)


def radiograph(name: str, size: tuple[int, int] = (120, 100), seed: int = 0, origin: float = 0.0):
    """A 2D volume node of a schematic chest, `size` columns and rows."""
    node = slicer.util.addVolumeFromArray(pixels(size, seed)[None], name=name)
    matrix = np.diag([-2.0, -2.0, 1.0, 1.0])
    matrix[:3, 3] = [size[0] + origin, size[1], 5.0 * origin]
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(3000, 1600)
    return node


def pixels(size: tuple[int, int], seed: int) -> np.ndarray:
    """(rows, columns) int16: body, two dark lungs, a heart, a spine, ribs."""
    v, u = np.meshgrid(np.linspace(0, 1, size[1]), np.linspace(0, 1, size[0]), indexing="ij")
    random = np.random.default_rng(seed)
    shift = random.uniform(-0.03, 0.03, 4)

    def ellipse(x, y, a, b):
        return ((u - x) / a) ** 2 + ((v - y) / b) ** 2 < 1

    image = np.where(ellipse(0.5, 0.6, 0.46, 0.75), 1800.0, 50.0)
    for x in (0.3 + shift[0], 0.7 + shift[1]):
        image[ellipse(x, 0.5, 0.16, 0.3)] = 700
    image[ellipse(0.54 + shift[2], 0.6, 0.13, 0.16)] = 2200
    image[np.abs(u - 0.5) < 0.03] += 500
    image[(np.sin(40 * v + 6 * np.abs(u - 0.5)) > 0.6) & ellipse(0.5, 0.5, 0.36, 0.36)] += 250
    return (image + random.normal(0, 40, image.shape)).clip(0, 4095).astype(np.int16)


def picture(name: str, grey: bool = True):
    """A vtkMRMLVectorVolumeNode, as Slicer makes of a PNG with three channels."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", name)
    image = np.repeat((pixels((60, 50), 0) // 16).astype(np.uint8)[None, ..., None], 3, axis=-1)
    if not grey:
        image[..., 0] = image[..., 0] // 2
    slicer.util.updateVolumeFromArray(node, image)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(np.diag([-1.0, -1.0, 1.0, 1.0])))
    node.CreateDefaultDisplayNodes()
    return node


def segmented(name: str, names=("left lung", "right lung"), shape=(24, 20, 16), oblique: bool = False):
    """A phantom with a segmentation on it, a half of the volume for each name; returns both nodes."""
    image = volume(name, shape, oblique)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{name} lungs")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(image)
    for number, title in enumerate(names):
        paint(node, image, addSegment(node, title), number)
    return image, node


def addSegment(node, title: str) -> str:
    """An empty segment with a colour and a terminology; returns its ID."""
    colour = [(0.8, 0.2, 0.2), (0.2, 0.4, 0.8), (0.2, 0.8, 0.4)][node.GetSegmentation().GetNumberOfSegments() % 3]
    identifier = node.GetSegmentation().AddEmptySegment("", title, colour)
    segment = node.GetSegmentation().GetSegment(identifier)
    segment.SetTag(segment.GetTerminologyEntryTagName(), TERMINOLOGY)
    return identifier


def paint(node, image, identifier: str, half: int) -> None:
    """Fill a block in the left (0) or right (1) half of the volume."""
    array = np.zeros(slicer.util.arrayFromVolume(image).shape, np.uint8)
    depth, height, width = array.shape
    start = width // 8 + half * width // 2
    array[depth // 4 : 3 * depth // 4, height // 4 : 3 * height // 4, start : start + width // 4] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, identifier, image)


def addInferno() -> None:
    """The colour table that the application reads from a file of its own; the test harness has no such files."""
    import matplotlib

    node = slicer.vtkMRMLColorTableNode()
    node.SetName("Inferno")
    node.SetSingletonTag("FileInferno.txt")
    node.SetTypeToUser()
    node.SetNumberOfColors(256)
    for index, (red, green, blue) in enumerate(matplotlib.colormaps["inferno"].colors):
        node.SetColor(index, red, green, blue, 1.0)
    slicer.mrmlScene.AddNode(node)
