"""A small Qt window to play with from a notebook; runs with PySide6, PyQt6 or PyQt5.

    hostkernel run --host qt examples/qt_window.py

Then, in a cell of the kernel that this starts::

    import __main__
    window = __main__.window
    window.slider.setValue(80)

Any program that makes a QApplication and calls ``exec()`` works the same way: nothing here
knows of the kernel. The environment variable QT_API names the binding if there are several.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import Any

BINDINGS = ("PySide6", "PyQt6", "PyQt5")


def choose_binding() -> str:
    """The binding that QT_API names, else the first that is installed."""
    wanted = os.environ.get("QT_API", "").lower()
    for name in BINDINGS:
        if wanted in {"", name.lower()} and importlib.util.find_spec(name):
            return name
    sys.exit(f"no Qt binding to be found: QT_API={wanted}, looked for {', '.join(BINDINGS)}")


BINDING = choose_binding()
QtCore: Any = importlib.import_module(f"{BINDING}.QtCore")
QtGui: Any = importlib.import_module(f"{BINDING}.QtGui")
QtWidgets: Any = importlib.import_module(f"{BINDING}.QtWidgets")


class Gauge(QtWidgets.QWidget):
    """A ring that is as full as its value, in a colour that a cell can change."""

    def __init__(self) -> None:
        super().__init__()
        self.value = 0
        self.color = QtGui.QColor("#2a7de1")
        self.setMinimumSize(180, 180)

    def show_value(self, value: int) -> None:
        """Draw ``value`` percent."""
        self.value = value
        self.update()

    def paintEvent(self, _event: object) -> None:  # noqa: N802
        """Called by Qt: draw the track, the arc and the number."""
        side = min(self.width(), self.height()) - 24
        area = QtCore.QRect((self.width() - side) // 2, (self.height() - side) // 2, side, side)
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        for color, percent in ((self.palette().mid().color(), 100), (self.color, self.value)):
            painter.setPen(QtGui.QPen(color, 16))
            painter.drawArc(area, 90 * 16, round(-360 * 16 * percent / 100))
        painter.setPen(self.palette().text().color())
        painter.drawText(area, QtCore.Qt.AlignmentFlag.AlignCenter, f"{self.value} %")
        painter.end()


class Window(QtWidgets.QWidget):
    """A gauge, the slider that moves it, and a clock that shows that the window lives."""

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("A Qt window")
        self.gauge = Gauge()
        self.slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self.slider.setRange(0, 100)
        self.slider.valueChanged.connect(self.gauge.show_value)
        self.label = QtWidgets.QLabel("Move the slider, or let a cell do it.")
        self.ticks = 0
        self.clock = QtWidgets.QLabel()
        self.timer = QtCore.QTimer(self)
        self.timer.timeout.connect(self.count)
        self.timer.start(100)
        self._arrange()
        self.slider.setValue(25)

    def _arrange(self) -> None:
        layout = QtWidgets.QVBoxLayout(self)
        layout.addWidget(self.gauge, 1)
        for widget in (self.slider, self.label, self.clock):
            layout.addWidget(widget)
        self.resize(320, 360)

    def count(self) -> None:
        """Called by the window's own timer ten times a second."""
        self.ticks += 1
        self.clock.setText(f"alive for {self.ticks / 10:.1f} s ({BINDING})")


if __name__ == "__main__":
    app = QtWidgets.QApplication(sys.argv)
    window = Window()
    window.show()
    sys.exit(app.exec())
