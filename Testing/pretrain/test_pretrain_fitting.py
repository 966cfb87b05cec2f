"""What a narrow panel does with long texts, and steps that fold."""

from __future__ import annotations

import pytest

LONG = "lidc-idri-0314-chest-with-contrast-thin-slices-reconstruction-2.nii.gz"


@pytest.fixture
def column(harness):
    """A widget with a box layout and a section in it."""
    import ctk
    import qt

    root = qt.QWidget()
    layout = qt.QVBoxLayout(root)
    section = ctk.ctkCollapsibleButton()
    section.text = "1. Data"
    qt.QVBoxLayout(section).addWidget(qt.QLabel("contents"))
    layout.addWidget(section)
    layout.addWidget(qt.QLabel("next"))
    root.resize(380, 300)
    root.show()
    yield root, section
    root.close()


def test_a_long_name_keeps_its_two_ends():
    from MedSSLLib.widgets.fitting import elideMiddle

    short = elideMiddle(LONG, 21)
    assert len(short) == 21 and LONG.startswith(short.split("…")[0]) and LONG.endswith(short.split("…")[1])
    assert elideMiddle("chest", 21) == "chest"


def test_no_name_makes_a_label_or_a_combo_box_wider_than_the_panel(column, qapp):
    import qt
    from MedSSLLib.widgets.fitting import addItem, breakable, fitCombo, softLabel

    root, _section = column
    label, combo = qt.QLabel(), qt.QComboBox()
    softLabel(label)
    label.text = breakable(LONG * 3)
    fitCombo(combo)
    addItem(combo, LONG * 3, "file")
    for widget in (label, combo):
        root.layout().addWidget(widget)
    qapp.processEvents()
    assert root.minimumSizeHint.width() < 200
    assert label.height > 2 * label.fontMetrics().height()  # in lines, none of them cut
    assert combo.itemData(0, qt.Qt.ToolTipRole) == LONG * 3


def test_an_error_breaks_its_paths_but_no_entity():
    from MedSSLLib.widgets.errorText import errorText

    from medssl.core.errors import InputError

    text = errorText(InputError("/data/" + "a&b" * 20, "is not a folder", "Choose another"))
    assert "&\u200b" not in text and text.count("&amp;") == 20 and "\u200b" in text


def test_a_step_folds_once_and_says_what_was_chosen(column, qapp):
    from MedSSLLib.widgets.step import Step

    root, section = column
    step = Step(section)
    step.summarize("3 volumes, CT")
    assert not step.label.visible and root.layout().indexOf(step.label) == 1
    step.done()
    assert section.collapsed and step.label.visible and "3 volumes" in step.label.text
    section.collapsed = False  # the user looks again
    step.done("4 volumes, CT")
    assert not section.collapsed and not step.label.visible
    section.collapsed = True
    assert step.label.visible and "4 volumes" in step.label.text


@pytest.mark.parametrize("several", [False, True])
def test_a_selector_says_the_whole_names_of_what_is_chosen(column, scene, several):
    import slicer
    from MedSSLLib.widgets.fitting import narrow
    from scaffold import phantoms

    root, _section = column
    kind = slicer.qMRMLCheckableNodeComboBox if several else slicer.qMRMLNodeComboBox
    selector = kind()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.toolTip = "<p>What is restored</p>"  # as the application has turned it into rich text
    selector.setMRMLScene(scene)
    root.layout().addWidget(selector)
    first = phantoms.volume("first")
    if not several:
        selector.setCurrentNode(first)
    narrow(selector)
    assert selector.toolTip == ("What is restored" if several else "first\nWhat is restored")
    nodes = [phantoms.volume(f"{LONG} {number}") for number in (1, 2)]
    if several:
        for node in nodes:
            selector.check(node)
    else:
        selector.setCurrentNode(nodes[0])
    shown = nodes if several else nodes[:1]
    assert selector.toolTip == ", ".join(node.GetName() for node in shown) + "\nWhat is restored"


def test_unticked_boxes_stand_out_in_a_dark_style(column):
    import qt
    from MedSSLLib.widgets.fitting import readableBoxes

    root, section = column
    box = qt.QCheckBox("Same patient")
    section.layout().addWidget(box)
    before = box.palette.color(qt.QPalette.Base).lightness()
    readableBoxes(root)
    assert box.palette.color(qt.QPalette.Base).lightness() == before  # a light style needs no help
    dark = qt.QPalette(root.palette)
    dark.setColor(qt.QPalette.Window, qt.QColor(50, 50, 50))
    root.setPalette(dark)
    readableBoxes(root)
    assert box.palette.color(qt.QPalette.Base).lightness() > 90


def test_a_table_may_be_fitted_before_it_has_columns(harness):
    """In the application a section that is not there is a crash."""
    import qt
    from MedSSLLib.widgets.fitting import fitTable

    table = qt.QTableWidget()
    with pytest.raises(AssertionError, match="no section 0"):
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
    fitTable(table)
    table.columnCount = 2
    fitTable(table, 1)
    assert table.horizontalHeader().sectionResizeMode(1) == qt.QHeaderView.Stretch
