"""Pictures drawn from data with Pillow alone: shapes, charts, signs and receipts.

The curriculum makes its pictures here, and so do the course's notebooks: what the twin is asked to see
in a lesson comes from the same pencils it learned from. Every function returns an RGB `PIL.Image`.
"""

from pocket.drawings.bars import draw_bar_chart
from pocket.drawings.lines import draw_line_chart
from pocket.drawings.paper import Receipt, draw_receipt, draw_words
from pocket.drawings.pies import draw_pie_chart
from pocket.drawings.shapes import SHAPES, Thing, draw_shapes
from pocket.drawings.style import COLOURS, Style

__all__ = [
    "COLOURS",
    "SHAPES",
    "Receipt",
    "Style",
    "Thing",
    "draw_bar_chart",
    "draw_line_chart",
    "draw_pie_chart",
    "draw_receipt",
    "draw_shapes",
    "draw_words",
]
