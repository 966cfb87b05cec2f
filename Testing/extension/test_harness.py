"""The harness itself: does it build, and is it strict where PythonQt would fail silently?"""

import harness as harness_package
import pytest

pytestmark = pytest.mark.skipif(bool(harness_package.missing()), reason=harness_package.missing() or "complete")

UI = """<ui version="4.0"><class>Panel</class><widget class="qMRMLWidget" name="Panel"><layout class="QVBoxLayout">
<item><widget class="ctkCollapsibleButton" name="box"><property name="text"><string>Box</string></property>
<layout class="QFormLayout"><item row="0" column="0"><widget class="QLineEdit" name="line">
<property name="SlicerParameterName" stdset="0"><string>title</string></property></widget></item>
<item row="1" column="0"><widget class="qMRMLNodeComboBox" name="selector"><property name="nodeTypes">
<stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property><property name="noneEnabled"><bool>true</bool></property>
<property name="SlicerParameterName" stdset="0"><string>volume</string></property></widget></item>
</layout></widget></item></layout></widget></ui>"""


@pytest.fixture
def panel(scene, tmp_path):
    import slicer

    (tmp_path / "panel.ui").write_text(UI)
    widget = slicer.util.loadUI(str(tmp_path / "panel.ui"))
    ui = slicer.util.childWidgetVariables(widget)
    ui.selector.setMRMLScene(scene)
    return widget, ui


def test_ui_file_gives_named_widgets(panel, grab):
    widget, ui = panel
    assert ui.box.text == "Box" and ui.box.className() == "ctkCollapsibleButton" and ui.line.inherits("QLineEdit")
    grab(widget, "harness", 300, 200)
    ui.box.collapsed = True
    assert not ui.line.visible


@pytest.mark.parametrize("name", ["qMRMLPlotView", "ctkMessageBox", "qSlicerUnknownWidget"])
def test_a_class_that_the_applications_loader_does_not_know_becomes_a_plain_widget(harness, tmp_path, name):
    import slicer

    text = UI.replace('class="qMRMLNodeComboBox" name="selector"', f'class="{name}" name="selector"')
    (tmp_path / "panel.ui").write_text(text)
    ui = slicer.util.childWidgetVariables(slicer.util.loadUI(str(tmp_path / "panel.ui")))
    assert ui.selector.className() == "QWidget" and not hasattr(ui.selector, "setMRMLScene")
    assert ui.box.className() == "ctkCollapsibleButton" and ui.line.className() == "QLineEdit"


def test_parameter_node_follows_widgets_and_back(panel, scene):
    import numpy as np
    import slicer
    from slicer.parameterNodeWrapper import parameterNodeWrapper

    @parameterNodeWrapper
    class Parameters:
        title: str = "first"
        volume: slicer.vtkMRMLScalarVolumeNode

    _, ui = panel
    parameters = Parameters(scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    tag = parameters.connectGui(ui)
    assert ui.line.text == "first"
    ui.line.text = "second"
    assert parameters.title == "second"
    node = slicer.util.addVolumeFromArray(np.zeros((4, 5, 6)), name="ct")
    parameters.volume = node
    assert ui.selector.currentNode() is node
    ui.selector.setCurrentNode(None)
    assert parameters.volume is None
    parameters.disconnectGui(tag)
    ui.line.text = "third"
    assert parameters.title == "second"


def test_wrong_signal_signature_fails(harness):
    import qt

    with pytest.raises(AssertionError, match="has no signal"):
        qt.QPushButton().connect("clicked(int)", lambda: None)


def test_slot_errors_are_collected(harness, capsys):
    import qt
    from harness import qtNamespace

    button = qt.QPushButton()
    button.connect("clicked(bool)", lambda on: 1 / 0)
    button.click()
    assert isinstance(qtNamespace.slotErrors.pop(), ZeroDivisionError)


def test_properties_have_no_parentheses(harness):
    import qt

    label = qt.QLabel("x")
    assert label.text == "x"
    label.setText("y")
    assert label.text == "y" and not label.isVisible()
    with pytest.raises(TypeError):
        label.text()


def test_slice_view_shows_the_volume(scene, grab):
    import numpy as np
    import slicer

    node = slicer.util.addVolumeFromArray(np.random.default_rng(0).random((16, 32, 32)), name="noise")
    slicer.util.setSliceViewerLayers(background=node, fit=True)
    view = slicer.app.layoutManager().sliceWidget("Red")
    assert view.mrmlSliceCompositeNode().GetBackgroundVolumeID() == node.GetID()
    grab(slicer.app.layoutManager().viewport(), "harness-views")
    image = slicer.app.layoutManager().sliceWidget("Red").grab().toImage()
    colors = {image.pixel(x, image.height() // 2) for x in range(0, image.width(), 3)}
    assert len(colors) > 10


def test_the_mode_of_a_column_that_does_not_exist_is_refused(harness):
    """The application ends there with a segmentation fault."""
    import qt

    table = qt.QTableWidget()
    table.columnCount = 1
    table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
    with pytest.raises(AssertionError, match="section 1"):
        table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.Stretch)
