"""Tables of results come back from a file as they were saved."""

from __future__ import annotations

ROWS = [
    {"part": 1, "name": "left lung #2", "colour": "#e6194b", "images": 2, "share": 0.25},
    {"part": 2, "name": "", "colour": "#3cb44b", "images": 1, "share": 0.5},
]


def test_texts_with_a_hash_and_what_stands_behind_them_are_not_lost(scene, tmp_path, load_module):
    load_module("MedSSLInference")
    from MedSSLInferenceLib.scene.tableNodes import createTable, rowsOf

    node = createTable(ROWS, "parts")
    assert rowsOf(node) == ROWS
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetFileName(str(tmp_path / "parts.tsv"))
    assert node.GetStorageNode().WriteData(node)
    again = scene.AddNewNodeByClass("vtkMRMLTableNode")
    again.AddDefaultStorageNode()
    again.GetStorageNode().SetFileName(str(tmp_path / "parts.tsv"))
    assert again.GetStorageNode().ReadData(again)
    assert rowsOf(again) == ROWS
