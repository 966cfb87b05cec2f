"""Folders of the subject hierarchy that hold results beside their source."""

from __future__ import annotations

import slicer
import vtk

MADE_HERE = "MedSSL.folder"  # attribute of an item


def createFolder(name: str, besideNode) -> int:
    """A new folder next to a node, named uniquely there; returns its item."""
    hierarchy = _hierarchy()
    item = hierarchy.GetItemByDataNode(besideNode)
    parent = hierarchy.GetItemParent(item) if item else hierarchy.GetSceneItemID()
    base, count = name, 1
    while hierarchy.GetItemChildWithName(parent, name):
        count += 1
        name = f"{base} ({count})"
    folder = hierarchy.CreateFolderItem(parent, name)
    hierarchy.SetItemAttribute(folder, MADE_HERE, "1")
    return folder


def restoreFolder(item: int, name: str, parent: int) -> int:
    """The folder with this name below an item: the one that is there, or a new one."""
    hierarchy, known = _hierarchy(), _items()
    if item in known and hierarchy.GetItemName(item) == name:
        return item
    parent = parent if parent in known else hierarchy.GetSceneItemID()
    found = hierarchy.GetItemChildWithName(parent, name)
    if found:
        return found
    folder = hierarchy.CreateFolderItem(parent, name)
    hierarchy.SetItemAttribute(folder, MADE_HERE, "1")
    return folder


def removeEmptyFolders() -> None:
    """Remove the folders made here that hold nothing any more."""
    hierarchy = _hierarchy()
    for item in _items():
        if hierarchy.GetItemAttribute(item, MADE_HERE) and not hierarchy.GetNumberOfItemChildren(item):
            hierarchy.RemoveItem(item)


def folderName(folder: int) -> str:
    """What a folder is called."""
    return _hierarchy().GetItemName(folder)


def folderOf(node) -> int:
    """The item that holds a node's item; 0 where it is in no folder."""
    hierarchy = _hierarchy()
    item = hierarchy.GetItemByDataNode(node)
    parent = hierarchy.GetItemParent(item) if item else 0
    return 0 if parent == hierarchy.GetSceneItemID() else parent


def placeInFolder(node, folder: int) -> None:
    """Put a node into a folder."""
    hierarchy = _hierarchy()
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, folder)
    else:
        hierarchy.CreateItem(folder, node)


def _items() -> list[int]:
    """All items of the hierarchy."""
    hierarchy, items = _hierarchy(), vtk.vtkIdList()
    hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
    return [items.GetId(number) for number in range(items.GetNumberOfIds())]


def _hierarchy():
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
