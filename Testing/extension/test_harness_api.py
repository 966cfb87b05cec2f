"""Harness and panels against the names that real Slicer has (reference/slicer_api.json)."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import harness as harness_package
import pytest
from harness import api, scan, signatures

ROOT = Path(__file__).resolve().parents[2]
MODULES = [ROOT / "MedSSLPretrain", ROOT / "MedSSLInference"]
SOURCES = [p for m in MODULES for p in sorted(m.rglob("*.py"))]
UI_FILES = [p for m in MODULES for p in sorted(m.rglob("*.ui"))]
# C++ virtual functions that a stand-in overrides are not reachable in PythonQt and need no entry.
VIRTUAL = {"paintEvent", "resizeEvent", "showEvent", "changeEvent", "event", "staticMetaObject"}
UNKNOWN = """<ui version="4.0"><class>Panel</class><widget class="qMRMLWidget" name="Panel"><layout class="QVBoxLayout">
<item><widget class="{name}" name="view"/></item><item><widget class="Line" name="line"/></item></layout></widget></ui>"""
DECLARED = """<ui version="4.0"><class>Panel</class><widget class="qMRMLWidget" name="Panel"/><customwidgets><customwidget>
<class>{name}</class><extends>QWidget</extends></customwidget></customwidgets></ui>"""


@pytest.mark.skipif(bool(harness_package.missing()), reason=harness_package.missing() or "complete")
def test_stand_ins_offer_only_what_the_real_widgets_have():
    from harness import qtNamespace

    problems = []
    for name, widget in qtNamespace.customWidgets().items():
        known = api.members(scan._qualified(name))
        assert known is not None, f"the reference does not hold {name}"
        own = {n for kind in widget.__mro__ if kind.__module__.startswith("harness") for n in vars(kind)}
        constants = {n for n in own if n.isupper()}
        problems += [f"{name}.{n}" for n in own - known - VIRTUAL - constants if not n.startswith("_")]
    assert not problems


@pytest.mark.skipif(bool(harness_package.missing()), reason=harness_package.missing() or "complete")
def test_application_stand_in_offers_only_what_the_real_one_has():
    from harness.application import SlicerApplication

    own = {n for n in vars(SlicerApplication) if not n.startswith("_")} - {"staticMetaObject"}
    assert own <= set(api.reference()["slicer.app"])


@pytest.mark.skipif(bool(harness_package.missing()), reason=harness_package.missing() or "complete")
@pytest.mark.parametrize("module", ["ScriptedLoadableModule", "parameterNodeWrapper", "i18n"])
def test_added_modules_offer_only_what_the_real_ones_have(module, harness):
    import slicer

    own = {n for n in vars(getattr(slicer, module)) if not n.startswith("__")}
    assert own <= set(api.reference()["slicer submodules"][module])


@pytest.mark.skipif(bool(harness_package.missing()), reason=harness_package.missing() or "complete")
def test_the_python_stand_ins_have_the_real_signatures(harness):
    import SampleData
    from slicer import ScriptedLoadableModule

    found = {}
    for place, kinds in ((SampleData, ["SampleDataLogic"]), (ScriptedLoadableModule, signatures.BASES[:3])):
        prefix = "SampleData." if place is SampleData else ""
        for kind in kinds:
            for name in vars(getattr(place, kind)):
                recorded = signatures.recorded(f"{prefix}{kind}.{name}")
                if recorded is not None:
                    found[f"{kind}.{name}"] = (
                        shape(inspect.signature(getattr(getattr(place, kind), name))),
                        shape(recorded),
                    )
    assert len(found) >= 9
    assert {name: both for name, both in found.items() if both[0] != both[1]} == {}


def shape(signature) -> list:
    """Names, kinds and whether they may be left out."""
    return [(p.name, p.kind, p.default is inspect.Parameter.empty) for p in signature.parameters.values()]


@pytest.mark.skipif(bool(harness_package.missing()), reason=harness_package.missing() or "complete")
@pytest.mark.parametrize(
    ("name", "arguments", "keywords"),
    [
        ("loadVolume", ("x",), {"returnNode": True, "kind": "CT"}),
        ("arrayFromVolume", (), {}),
        ("setSliceViewerLayers", (), {"volume": None}),
        ("addVolumeFromArray", (1, 2, 3, 4, 5), {}),
    ],
)
def test_a_call_that_the_application_would_refuse_fails(harness, name, arguments, keywords):
    import slicer

    with pytest.raises(TypeError, match=name):
        getattr(slicer.util, name)(*arguments, **keywords)


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.name)
def test_panel_sources_use_only_names_that_exist(path):
    module = next(m for m in MODULES if m in path.parents)
    ui = {name: kind for file in module.rglob("*.ui") for name, kind in scan.widgetsOf(file).items()}
    assert not scan.SourceScan(path, ui).problems


@pytest.mark.skipif(bool(harness_package.missing()), reason=harness_package.missing() or "complete")
def test_panel_sources_name_only_vtk_classes_that_slicer_has(harness):
    import slicer
    import vtk

    named = {m for path in SOURCES for m in re.findall(r"\b(slicer|vtk)\.(vtk\w+)", path.read_text(encoding="utf-8"))}
    assert len(named) > 15
    spaces = {"slicer": slicer, "vtk": vtk}
    assert [f"{space}.{name}" for space, name in named if not hasattr(spaces[space], name)] == []


@pytest.mark.parametrize("path", UI_FILES, ids=lambda p: p.name)
def test_ui_files_hold_only_classes_and_properties_that_exist(path):
    assert not scan.uiProblems(path)
    root = next(iter(scan.widgetsOf(path).values()))
    assert root == "slicer.qMRMLWidget"


@pytest.mark.parametrize("name", ["qMRMLPlotView", "qMRMLChartView", "qSlicerUnknownWidget", "ctkNothing", "MyWidget"])
@pytest.mark.parametrize("declared", [False, True])
def test_a_ui_file_with_a_class_that_the_loader_does_not_know_is_reported(tmp_path, name, declared):
    (tmp_path / "panel.ui").write_text(UNKNOWN.format(name=name) if not declared else DECLARED.format(name=name))
    assert scan.uiProblems(tmp_path / "panel.ui") == [f"panel.ui: {name} becomes a plain QWidget"]


@pytest.mark.parametrize(
    "source, complaint",
    [
        ("import qt\ndef f():\n    w = qt.QLabel(text='x')\n", "keywords"),
        ("import qt\ndef f():\n    w = qt.QLabel('x')\n    w.colour = 3\n", "has no colour"),
        ("import qt\ndef f(w):\n    return isinstance(w, qt.QWidget)\n", "isinstance"),
        ("import slicer\ndef f():\n    slicer.util.loadVolumes('x')\n", "loadVolumes"),
        ("class P:\n    def f(self):\n        self.ui.startButton.txt = 1\n", "has no txt"),
        ("import qt\nx = qt.QSignalSpy\n", "missing"),
        (
            "class P:\n    def f(self):\n        self.ui.startButton.connect('pushed(bool)', print)\n",
            "has no signal pushed",
        ),
        (
            "import qt\ndef f():\n    w = qt.QLineEdit('x')\n    w.connect('clicked(bool)', print)\n",
            "has no signal clicked",
        ),
        ("def f(w):\n    w.connect('shouted(bool)', print)\n", "has no signal shouted"),
        ("def f(w):\n    w.connect('clicked', print)\n", "is no signature"),
        ("import slicer\ndef f():\n    return slicer.qMRMLWishWidget()\n", "has no slicer.qMRMLWishWidget"),
        ("import slicer\nslicer.util.loadVolume('x', returnNode=1, kind=2)\n", "unexpected keyword argument 'kind'"),
        ("import slicer\nslicer.util.arrayFromVolume()\n", "missing a required argument: 'volumeNode'"),
        (
            "from SampleData import SampleDataLogic as S\nimport SampleData\nSampleData.SampleDataLogic"
            ".registerCustomSampleDataSource(name='x')\n",
            "unexpected keyword argument 'name'",
        ),
        (
            "class W(ScriptedLoadableModuleWidget):\n    def setup(self):\n"
            "        ScriptedLoadableModuleWidget.setup(self, 1)\n",
            "too many positional",
        ),
    ],
)
def test_the_scan_finds_what_would_fail_in_slicer(tmp_path, source, complaint):
    (tmp_path / "panel.py").write_text(source)
    ast.parse(source)
    problems = scan.SourceScan(tmp_path / "panel.py", {"startButton": "qt.QPushButton"}).problems
    assert len(problems) == 1 and complaint in problems[0]


def test_a_program_of_its_own_may_have_threads(tmp_path):
    thread, main = (
        "import threading\nthreading.Thread(target=print).start()\n",
        'if __name__ == "__main__":\n    print()\n',
    )
    problems = {}
    for name, source in (("panel.py", thread), ("program.py", thread + main)):
        (tmp_path / name).write_text(source)
        problems[name] = len(scan.SourceScan(tmp_path / name, {}).problems)
    assert problems == {"panel.py": 1, "program.py": 0}
