"""The check that nothing of a panel is cut, on small panels that are and on ones that are not; folding sections."""

from __future__ import annotations

import harness as harness_package
import pytest

pytestmark = pytest.mark.skipif(bool(harness_package.missing()), reason=harness_package.missing() or "complete")
LONG = "chest-ct-with-contrast-of-the-second-visit-after-treatment-0000042"


@pytest.fixture
def panel(harness):
    import qt

    panel = qt.QWidget()
    qt.QVBoxLayout(panel)
    panel.show()
    return panel


def add(panel, widget, width: int = 0):
    """Put a widget into the panel, narrower than it would like to be."""
    if width:
        widget.setFixedWidth(width)
    panel.layout().addWidget(widget)
    return widget


def cut(panel, width: int = 400) -> str:
    from watch.cut_check import cutAt

    return "; ".join(cutAt(panel, width))


def button(text: str):
    import qt

    return qt.QPushButton(text)


@pytest.mark.parametrize("kind", ["QPushButton", "QCheckBox", "QRadioButton", "QLabel", "QGroupBox"])
def test_a_text_that_lacks_room_is_named(panel, kind):
    import qt

    widget = add(panel, getattr(qt, kind)("Create environment"), 60)
    assert f"{kind}  'Create environment': needs" in cut(panel)
    widget.setFixedWidth(200)
    assert cut(panel) == ""


def test_what_makes_the_panel_too_wide_is_named(panel):
    import ctk

    assert cut(panel) == ""
    section = add(panel, ctk.ctkCollapsibleButton())
    section.text = LONG
    assert "the panel asks for" in cut(panel) and "ctkCollapsibleButton" in cut(panel)
    assert cut(panel, 900) == ""


def test_a_label_that_wraps_may_be_long_unless_a_word_is(panel):
    import qt

    label = add(panel, qt.QLabel("Tick at least two volumes with a segmentation each. " * 4))
    label.wordWrap = True
    assert cut(panel) == ""
    word = "a" * 80
    label.setText(f"not found: {word}")
    assert "asks for" in cut(panel) and "QLabel" in cut(panel)
    label.setText(f"not found: <b>{word[:30]}\u200b{word[30:50]}</b>")
    assert cut(panel) == ""


def test_an_elided_text_needs_its_tooltip(panel):
    import qt

    label = add(panel, qt.QLabel("chest-ct…0042"))
    assert "elided without a tooltip" in cut(panel)
    label.toolTip = LONG
    assert cut(panel) == ""


def test_a_combo_that_clips_its_choice_needs_the_whole_text_as_tooltip(panel):
    import qt

    combo = add(panel, qt.QComboBox(), 120)
    combo.addItem(LONG)
    assert "QComboBox" in cut(panel)
    combo.toolTip = LONG
    assert cut(panel) == ""


def test_tabs_that_do_not_fit(panel):
    import qt

    tabs = add(panel, qt.QTabWidget())
    for title in ("Correspondences", "One point", "Parts", "Patch map", "Landmark retrieval"):
        tabs.addTab(qt.QWidget(), title)
    tabs.usesScrollButtons = True
    assert "QTabBar" in cut(panel)
    assert "QTabBar" not in cut(panel, 800)


def table(headers, cells):
    import qt

    made = qt.QTableWidget(1, len(headers))
    made.setHorizontalHeaderLabels(headers)
    for column, text in enumerate(cells):
        made.setItem(0, column, qt.QTableWidgetItem(text))
    made.verticalHeader().hide()
    return made


def test_a_table_whose_headers_are_cut_or_whose_names_starve(panel):
    import qt

    made = add(panel, table(["Name", "Created", "Steps"], [LONG, "11-18 11:06", "240"]))
    made.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Fixed)
    for column, width in enumerate((60, 40, 240)):
        made.setColumnWidth(column, width)
    found = cut(panel)
    assert "header 'Created' needs" in found and "names have 60 px" in found and f"{LONG!r} in row 0" in found
    made.item(0, 0).setToolTip(LONG)
    for column, width in enumerate((190, 95, 60)):
        made.setColumnWidth(column, width)
    assert cut(panel) == ""
    made.setColumnWidth(2, 200)
    assert "its columns need" in cut(panel)


def test_hidden_things_and_icons_are_not_asked_for(panel):
    import qt

    add(panel, button(LONG), 30).hide()
    tool = add(panel, qt.QToolButton(), 30)
    pixmap = qt.QPixmap(16, 16)
    pixmap.fill(qt.QColor("red"))
    tool.icon = qt.QIcon(pixmap)
    tool.text = LONG
    tool.toolButtonStyle = qt.Qt.ToolButtonIconOnly
    assert cut(panel) == ""


def test_what_is_shown_while_its_section_is_folded_appears_when_it_opens(panel, qapp):
    import ctk
    import qt

    section = add(panel, ctk.ctkCollapsibleButton())
    layout = qt.QVBoxLayout(section)
    status, other = qt.QLabel("first"), qt.QLabel("other")
    for label in (status, other):
        layout.addWidget(label)
    status.hide()
    qapp.processEvents()
    section.collapsed = True
    status.show()
    other.hide()
    qapp.processEvents()
    assert not status.visible and not other.visible
    section.collapsed = False
    assert status.visible and not other.visible


def test_dark_colours_come_and_go(panel, qapp):
    from watch.pictures import darkColours

    add(panel, button("Start"))
    light = panel.grab().toImage().pixelColor(2, 2).lightness()
    with darkColours():
        assert panel.grab().toImage().pixelColor(2, 2).lightness() < 80 < light
    assert panel.grab().toImage().pixelColor(2, 2).lightness() == light
