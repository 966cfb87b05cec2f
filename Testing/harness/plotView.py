"""A stand-in for Slicer's plot view: paints a vtkMRMLPlotChartNode with QPainter."""

from __future__ import annotations

import math
import weakref

import shiboken6
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from .qtNamespace import QtCore, QtGui, QtWidgets, emitter, registerCustomWidget

LEFT, RIGHT, TOP, BOTTOM = 62, 14, 26, 40  # margins of the axes, pixels
DEFAULT = ((0.0, 6.66), (0.0, 6.66))  # VTK's axes before anything was fitted


class Observers:
    """Observers of nodes on behalf of a widget, which may be gone when they are called.

    They are kept in `_kept`: in a cycle of widget, observer and node that Python no longer needs, its collector would empty
    an observer that the node, still in the scene, goes on to call.
    """

    _kept: list[Observers] = []

    def __init__(self, widget, method: str) -> None:
        self._widget, self._method, self._tags = weakref.ref(widget), method, []
        self._kept.append(self)

    def watch(self, nodes) -> None:
        for node, tag in self._tags:
            node.RemoveObserver(tag)
        event = vtk.vtkCommand.ModifiedEvent
        self._tags = [(node, node.AddObserver(event, self._call)) for node in nodes if node is not None]

    def _call(self, *_event) -> None:
        widget = self._widget()
        if widget is not None and shiboken6.isValid(widget):
            getattr(widget, self._method)()


@registerCustomWidget
class qMRMLPlotView(QtWidgets.QWidget):
    """Shows the chart that its vtkMRMLPlotViewNode names, repainted when the chart or a table changes.

    As in Slicer the axes are fitted when another chart is shown and when `fitToContent` is called, never by themselves; an
    curve that makes no line is a warning of VTK's at every paint, also counted here.
    """

    mrmlSceneChanged = emitter(object)
    dataSelected = emitter(object, object)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        self._viewNode, self._scene = None, None
        self._ofView, self._ofChart = Observers(self, "_observeChart"), Observers(self, "update")
        self._fitted, self._extent, self._warnings = None, DEFAULT, 0
        self.minimumHeight = 120

    def setMRMLScene(self, scene) -> None:
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def setMRMLPlotViewNode(self, node) -> None:
        self._viewNode = node
        self._ofView.watch([node])
        self._observeChart()

    def fitToContent(self) -> None:
        curves = [(x, y) for _, x, y in self._curves() if len(x)]
        if curves:
            self._extent = tuple((min(v.min() for v in axis), max(v.max() for v in axis)) for axis in zip(*curves))
        self.update()

    def _observeChart(self) -> None:
        if self._chart() is not self._fitted:
            self._fitted = self._chart()
            self.fitToContent()
        self._ofChart.watch([self._chart(), *self._series(), *[s.GetTableNode() for s in self._series()]])
        self.update()

    def _curves(self) -> list[tuple]:
        return [(series, *_points(series)) for series in self._series()]

    def _chart(self):
        return self._viewNode.GetPlotChartNode() if self._viewNode is not None else None

    def _series(self) -> list:
        chart = self._chart()
        return (
            [] if chart is None else [chart.GetNthPlotSeriesNode(i) for i in range(chart.GetNumberOfPlotSeriesNodes())]
        )

    def paintEvent(self, event) -> None:
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect, QtGui.QColor("white"))
        curves = self._curves()
        for series, x, _ in curves:
            if len(x) < 2 and series.GetMarkerStyle() == slicer.vtkMRMLPlotSeriesNode.MarkerStyleNone:
                self._warnings += 1
                vtk.vtkOutputWindow.GetInstance().DisplayWarningText(
                    f"Can't draw {series.GetName()}: line with < 2 points"
                )
        curves = [curve for curve in curves if len(curve[1])]
        if curves:
            _paintChart(painter, self.rect, self._chart(), curves, self._extent)
        painter.end()


@registerCustomWidget
class qMRMLPlotWidget(QtWidgets.QWidget):
    """The plot view with its place in a layout."""

    mrmlSceneChanged = emitter(object)

    def __init__(self, parent=None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._view, self._node = qMRMLPlotView(self), None
        layout.addWidget(self._view)

    def plotView(self) -> qMRMLPlotView:
        return self._view

    def setMRMLScene(self, scene) -> None:
        self._view.setMRMLScene(scene)

    def mrmlPlotViewNode(self):
        return self._node

    def setMRMLPlotViewNode(self, node) -> None:
        self._node = node
        self._view.setMRMLPlotViewNode(node)


def _points(series) -> tuple:
    """Finite points of a plot series: two numpy arrays."""
    table = series.GetTableNode()
    if table is None:
        return (), ()
    x = table.GetTable().GetColumnByName(series.GetXColumnName() or "")
    y = table.GetTable().GetColumnByName(series.GetYColumnName() or "")
    if x is None or y is None:
        return (), ()
    x, y = vtk_to_numpy(x), vtk_to_numpy(y)
    finite = (y == y) & (x == x)
    return x[finite], y[finite]


def _paintChart(painter, rect, chart, curves, extent) -> None:
    font = painter.font()
    font.setPointSize(8)
    painter.setFont(font)
    legend = _legendPlaces(painter, rect, chart, curves)
    top = TOP + (legend[-1][1] if legend else 0)
    area = QtCore.QRectF(rect.x() + LEFT, rect.y() + top, rect.width() - LEFT - RIGHT, rect.height() - top - BOTTOM)
    xs, ys = extent
    xTicks, yTicks = _ticks(min(xs), max(xs)), _ticks(min(ys), max(ys))
    toX = _scale(min(xs), max(xs), area.left(), area.right())
    toY = _scale(yTicks[0], yTicks[-1], area.bottom(), area.top())
    for value in yTicks:
        painter.setPen(QtGui.QColor("#dddddd"))
        painter.drawLine(QtCore.QPointF(area.left(), toY(value)), QtCore.QPointF(area.right(), toY(value)))
        painter.setPen(QtGui.QColor("#333333"))
        painter.drawText(QtCore.QRectF(14, toY(value) - 8, LEFT - 20, 16), _right(), f"{value:.4g}")
    for value in (v for v in xTicks if min(xs) <= v <= max(xs)):
        painter.drawText(QtCore.QRectF(toX(value) - 30, area.bottom() + 3, 60, 16), _middle(), f"{value:.6g}")
    painter.drawText(
        QtCore.QRectF(area.left(), area.bottom() + 19, area.width(), 18), _middle(), chart.GetXAxisTitle() or ""
    )
    painter.drawText(QtCore.QRectF(0, 3, LEFT, 18), _middle(), chart.GetYAxisTitle() or "")
    if chart.GetTitle() and chart.GetTitleVisibility() and not chart.GetLegendVisibility():
        painter.drawText(QtCore.QRectF(area.left(), 3, area.width(), 18), _middle(), chart.GetTitle())
    for number, (series, x, y) in enumerate(curves):
        painter.setClipRect(area.adjusted(-6, -6, 6, 6))  # markers on the edge are whole
        color = QtGui.QColor.fromRgbF(*series.GetColor())
        dashed = series.GetLineStyle() == slicer.vtkMRMLPlotSeriesNode.LineStyleDash
        style = QtCore.Qt.PenStyle.DashLine if dashed else QtCore.Qt.PenStyle.SolidLine
        painter.setPen(QtGui.QPen(color, max(1.0, series.GetLineWidth()), style))
        points = [QtCore.QPointF(toX(a), toY(b)) for a, b in zip(x, y)]
        if series.GetLineStyle() != slicer.vtkMRMLPlotSeriesNode.LineStyleNone:
            painter.drawPolyline(QtGui.QPolygonF(points))
        _paintMarkers(painter, series, points, color)
        painter.setClipping(False)
        if chart.GetLegendVisibility():
            x, y = legend[number]
            painter.drawLine(QtCore.QPointF(x, y + 13), QtCore.QPointF(x + 18, y + 13))
            painter.setPen(QtGui.QColor("#333333"))
            painter.drawText(QtCore.QPointF(x + 23, y + 17), series.GetName())
    painter.setPen(QtGui.QColor("#333333"))
    painter.drawRect(area)


def _legendPlaces(painter, rect, chart, curves) -> list[tuple[float, float]]:
    """Where each curve's name begins, from left to right in as many lines as it takes; none where there is no legend."""
    advance = painter.fontMetrics().horizontalAdvance
    start = LEFT + max(0, advance(chart.GetYAxisTitle() or "") - LEFT + 12)
    places, x, y = [], start, 0
    for series, _, _ in curves if chart.GetLegendVisibility() else ():
        width = 40 + advance(series.GetName())
        if x > start and x + width > rect.width():
            x, y = start, y + 16
        places.append((x, y))
        x += width
    return places


def _paintMarkers(painter, series, points, color) -> None:
    kind, half = slicer.vtkMRMLPlotSeriesNode, series.GetMarkerSize() / 2
    for point in points if series.GetMarkerStyle() != kind.MarkerStyleNone else ():
        x, y = point.x(), point.y()
        if series.GetMarkerStyle() in (kind.MarkerStyleCross, kind.MarkerStylePlus):
            across = half if series.GetMarkerStyle() == kind.MarkerStyleCross else 0
            painter.setPen(QtGui.QPen(color, 2))
            painter.drawLine(QtCore.QPointF(x - half, y - across), QtCore.QPointF(x + half, y + across))
            painter.drawLine(QtCore.QPointF(x + across, y - half), QtCore.QPointF(x - across, y + half))
            continue
        painter.setBrush(color)
        if series.GetMarkerStyle() == kind.MarkerStyleDiamond:
            corners = [(x - half, y), (x, y - half), (x + half, y), (x, y + half)]
            painter.drawPolygon(QtGui.QPolygonF([QtCore.QPointF(*corner) for corner in corners]))
        elif series.GetMarkerStyle() == kind.MarkerStyleSquare:
            painter.drawRect(QtCore.QRectF(x - half, y - half, 2 * half, 2 * half))
        else:
            painter.drawEllipse(point, half, half)
        painter.setBrush(QtCore.Qt.BrushStyle.NoBrush)


def _right():
    return QtCore.Qt.AlignmentFlag.AlignRight | QtCore.Qt.AlignmentFlag.AlignVCenter


def _middle():
    return QtCore.Qt.AlignmentFlag.AlignCenter


def _scale(low: float, high: float, start: float, end: float):
    span = float(high - low) or 1.0
    return lambda value: start + (end - start) * (float(value) - float(low)) / span


def _ticks(low: float, high: float) -> list[float]:
    """About five round values that enclose low…high."""
    span = float(high - low) or abs(float(high)) or 1.0
    step = 10 ** math.floor(math.log10(span / 4))
    step *= next(f for f in (1, 2, 5, 10) if span / (step * f) <= 5)
    first = math.floor(float(low) / step)
    return [step * n for n in range(first, math.ceil(float(high) / step) + 1)] or [float(low), float(high)]
