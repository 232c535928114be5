"""Figures as SVG whose bytes depend on what they show alone."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


STYLE: dict[Any, Any] = {
    "svg.hashsalt": "archsim", "svg.fonttype": "path", "font.family": ["DejaVu Sans"], "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "axes.titlelocation": "left",
    "axes.axisbelow": True, "grid.color": "#e4e4e4", "path.simplify": False, "legend.frameon": False,
}  # fmt: skip
_MOST_LETTERS = 34


def draw(paint: Callable[[Figure], None], width: float = 8.0, height: float = 3.2) -> str:
    """Return the SVG that `paint` draws on an empty figure of that size in inches."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "archsim"})
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def literal(text: str) -> str:
    r"""Return text that a figure shows as it is: dollar signs are no mathematics; and cut where it is too long.

    >>> print(literal("a$b"), literal("a" * 40))
    a\$b aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...
    """
    return (text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 3] + "...").replace("$", r"\$")
