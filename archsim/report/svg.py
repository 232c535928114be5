"""Figures as SVG files: a painter for each kind. Their bytes depend on the figure alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from types import MappingProxyType

from archsim.report.beside import DOT, apart, beside
from archsim.report.figure import Axis, Bars, Figure, Label, Lanes, Legend, Plan, Plot

WIDTH = 760
NAMES, VALUES = 190, 150
"""What names, at least, and values take of the width of bars."""
LONGEST = 52
"""So many letters of a bar's name are written; its tooltips have all."""
LETTER = 6.4
"""How wide a letter is taken to be, in pixels, at the size of most texts."""
STYLE = (
    "text{font:12px 'DejaVu Sans',Verdana,sans-serif;fill:#22262a}.s{font-size:11px;fill:#5a646b}.e{text-anchor:end}"
    ".m{text-anchor:middle}.g{stroke:#e2e6e8}.a{stroke:#8f999f}.h{paint-order:stroke;stroke:#fff;stroke-width:3px}"
    ".b{font-weight:bold}"
)


_KEYS = {
    "": '<rect x="{x:.6g}" y="{y:.6g}" width="11" height="11" rx="2" fill="{tone}"/>',
    "dashed": '<path d="M{x:.6g} {middle:.6g}h4.5m2 0h4.5" stroke="{tone}" stroke-width="2"/>',
    "hollow": '<circle cx="{centre:.6g}" cy="{middle:.6g}" r="4.5" fill="#fff" stroke="{tone}"/>',
}


def svg(figure: Figure) -> str:
    """Return a figure as the text of an SVG file that shows itself, with tooltips."""
    match figure:
        case Bars():
            return _bars(figure)
        case Plot():
            return _plot(figure)
        case Lanes():
            return _lanes(figure)
        case Plan():
            return _plan(figure)


def _file(height: float, title: str, parts: Iterable[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
        f'height="{height:g}" role="img" aria-label="{escape(title)}">'
    )
    paper = f'<rect width="{WIDTH}" height="{height:g}" fill="#fff"/>'
    return "\n".join([head, f"<style>{STYLE}</style>", paper, *parts, "</svg>", ""])


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    own = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.6g}" y="{y:.6g}"{own}>{escape(text)}</text>'


def _rect(x: float, y: float, width: float, height: float, tone: str, tip: str = "", more: str = "") -> str:
    place = f'x="{x:.6g}" y="{y:.6g}" width="{width:.6g}" height="{height:.6g}"'
    return f'<rect {place} fill="{tone}"{more}' + (f"><title>{escape(tip)}</title></rect>" if tip else "/>")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.6g}" y1="{y1:.6g}" x2="{x2:.6g}" y2="{y2:.6g}" class="{kind}"/>'


def _across(axis: Axis, left: float, wide: float, begin: float, end: float, low: float, kind: str = "a") -> list[str]:
    """Return an axis' ticks as lines down to `end`, and as texts at `low` but those that would touch the one before."""
    marks = [(left + wide * share / 100, text) for share, text in axis.marks()]
    shown = apart([(at - LETTER * len(text) / 2, at + LETTER * len(text) / 2) for at, text in marks], gap=4)
    parts = []
    for i, (at, text) in enumerate(marks):
        parts += [_line(at, begin, at, end, kind), *([_text(at, low, text, "s m")] if i in shown else [])]
    return parts


def _legend(
    legend: Legend, left: float, top: float, marks: Mapping[str, str] = MappingProxyType({})
) -> tuple[list[str], float]:
    """Return the parts of a legend, in as many lines as it needs, and where it ends."""
    parts, x, y = [], left, top
    for text, tone in legend:
        width = 26 + LETTER * len(text)
        if x > left and x + width > WIDTH - 10:
            x, y = left, y + 17
        key = _KEYS[marks.get(text, "")].format(x=x, y=y, middle=y + 5.5, centre=x + 5.5, tone=tone)
        parts += [key, _text(x + 15, y + 10, text, "s")]
        x += width
    return parts, (y + 22 if legend else top)


def _bars(own: Bars) -> str:
    values = VALUES if any(bar.text for bar in own.bars) else 20
    left = max(NAMES, 12 + LETTER * max((min(len(bar.label), LONGEST) for bar in own.bars), default=0))
    wide = WIDTH - left - values
    parts, y = _legend(own.legend, left, 8)
    top = y
    for bar in own.bars:
        name = bar.label if len(bar.label) <= LONGEST else f"{bar.label[: LONGEST - 3]}..."
        parts.append(_text(left - 8, y + 15, name, "e b" if bar.head else "e"))
        for piece in bar.pieces:
            begin, end = (own.axis.place(at) for at in (piece.start, piece.start + piece.length))
            place, count = piece.strip
            parts.append(_rect(left + wide * begin / 100, y + 3 + 16 * place / count,
                               max(wide * (end - begin) / 100, 0.5), 16 / count, piece.tone, piece.tip))  # fmt: skip
        parts.append(_text(left + wide + 8, y + 15, bar.text))
        y += 22
    ticks = _across(own.axis, left, wide, top, y, y + 16, "g")
    if own.tinted is not None:
        begin, share = own.tinted
        ticks.insert(0, _rect(left + wide * begin / 100, top, wide * share / 100, y - top, "#e8eff4"))
    if own.zero is not None:
        at = left + wide * own.axis.place(own.zero) / 100
        parts.append(_line(at, top, at, y, "a"))
    parts += [_line(left, y, left + wide, y, "a"), _text(left + wide / 2, y + 33, own.axis.label, "s m")]
    return _file(y + (42 if own.axis.label else 24), own.title, [*ticks, *parts])


def _frame(x: Axis, y: Axis, left: float, top: float, wide: float, high: float) -> list[str]:
    parts = []
    for at, text in y.marks():
        level = top + high * (1 - at / 100)
        parts += [_line(left, level, left + wide, level, "g"), _text(left - 6, level + 4, text, "s e")]
    parts += _across(x, left, wide, top + high, top + high + 4, top + high + 17)
    parts += [_line(left, top, left, top + high, "a"), _line(left, top + high, left + wide, top + high, "a")]
    parts.append(_text(left + wide / 2, top + high + 36, x.label, "m"))
    return [*parts, _text(8, top - 8, y.label)]


def _plot(own: Plot) -> str:
    parts, top = _legend(own.legend, 8, 8, own.marks)
    top += 18
    left, high = 30 + LETTER * max((len(text) for _, text in own.y.ticks), default=0), 300.0
    wide = WIDTH - left - 20

    def at(x: float, y: float) -> tuple[float, float]:
        return left + wide * own.x.place(x) / 100, top + high * (1 - own.y.place(y) / 100)

    parts += _frame(own.x, own.y, left, top, wide, high)
    for box in own.boxes:
        (x, y), (x2, y2) = at(box.x, box.y + box.height), at(box.x + box.width, box.y)
        parts.append(_rect(x, y, max(x2 - x, 0.5), y2 - y, box.tone, box.tip, ' fill-opacity="0.5"'))
    for series in own.series:
        places = [at(dot.x, dot.y) for dot in series.dots]
        if series.line and len(places) > 1:
            line = " ".join(f"{x:.2f},{y:.2f}" for x, y in places)
            dashes = ' stroke-dasharray="6 4"' if series.dashed else ""
            width = ' stroke-width="0.8" stroke-opacity="0.55"' if series.thin else ' stroke-width="1.8"'
            parts.append(f'<polyline points="{line}" fill="none" stroke="{series.tone}"{width}{dashes}>'
                         f"<title>{escape(series.tip or series.label)}</title></polyline>")  # fmt: skip
        for dot, half in zip(series.dots, series.spread, strict=False):
            low, up = max(dot.y - half, own.y.low), min(dot.y + half, own.y.high)
            (x, y), (_, y2) = at(dot.x, up), at(dot.x, low)
            parts.append(f'<path d="M{x - 3:.2f} {y:.2f}h6M{x:.2f} {y:.2f}V{y2:.2f}M{x - 3:.2f} {y2:.2f}h6" '
                         f'stroke="{series.tone}" fill="none"/>')  # fmt: skip
        for dot, (x, y) in zip(series.dots if series.shown else (), places, strict=False):
            fill, edge = ("#fff", series.tone) if dot.hollow else (series.tone, "#fff")
            parts.append(f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{max(dot.size * DOT / 2, 2):.3g}" fill="{fill}" '
                         f'stroke="{edge}"><title>{escape(dot.tip)}</title></circle>')  # fmt: skip
    for text in beside(own, wide, high):
        x, y = left + wide * text.x / 100 + text.dx, top + high * text.y / 100 + text.dy + 4
        parts.append(_text(x, y, text.text, "s m h"))
    return _file(top + high + 48, own.title, parts)


def _lanes(own: Lanes) -> str:
    parts, top = _legend(own.legend, 8, 8)
    left, y = 120.0, top
    wide = WIDTH - left - 24
    for name in own.lanes:
        parts.append(_text(left - 8, y + 14, name if len(name) <= 16 else f"{name[:14]}...", "s e"))
        parts.append(_rect(left, y + 2, wide, 16, "#f0f2f3"))
        y += 20
    for part in own.stretches:
        parts.append(_rect(left + wide * part.begin / own.cycles, top + 20 * part.lane + 2,
                           max(wide * part.length / own.cycles, 0.3), 16, part.tone, part.tip))  # fmt: skip
    return _file(y + 26, own.title, [*parts, *_across(own.axis, left, wide, y, y + 4, y + 16)])


def _plan(own: Plan) -> str:
    parts, top = _legend(own.legend, 8, 8)
    for i, ramp in enumerate(own.ramps):
        stops = "".join(f'<stop offset="{j / (len(ramp.tones) - 1):.4g}" stop-color="{tone}"/>'
                        for j, tone in enumerate(ramp.tones))  # fmt: skip
        parts += [f'<defs><linearGradient id="ramp{i}">{stops}</linearGradient></defs>',
                  f'<rect x="8" y="{top:g}" width="90" height="11" fill="url(#ramp{i})"/>',
                  _text(104, top + 10, f"0 to {ramp.text}", "s")]  # fmt: skip
        top += 18
    scale = min((WIDTH - 20) / 1000, 900 / own.height)
    parts.append(f'<g transform="translate(10 {top + 6:g}) scale({scale:.6g})">')
    parts.append(f'<rect width="1000" height="{own.height:g}" fill="#fff" stroke="#6b6b6b"/>')
    parts += [f'<path d="{path.d}" fill="{path.tone}"/>' for path in own.crowd]
    parts += [_rect(box.x, box.y, box.width, box.height, box.tone, box.tip,
                    "" if box.tone == "transparent" else ' stroke="#6b6b6b" stroke-width="0.8"')
              for box in own.boxes]  # fmt: skip
    for wire in own.wires:
        parts.append(
            f'<g fill="none"><title>{escape(wire.tip)}</title><path d="{wire.d}" stroke="#2b2b2b" '
            f'stroke-width="{wire.width + 1.2:.3g}"/><path d="{wire.d}" stroke="{wire.tone}" '
            f'stroke-width="{wire.width:.3g}"/></g>'
        )
    parts.append("\n".join(map(_named, own.texts)))
    return _file(round(top + 14 + own.height * scale, 1), own.title, [*parts, "</g>"])


def _named(text: Label) -> str:
    fill, halo = ("#fff", "#0009") if text.dark else ("#22262a", "#ffffffb0")
    turn = f' transform="rotate(-90 {text.x:g} {text.y:g})"' if text.upright else ""
    return (
        f'<text x="{text.x:g}" y="{text.y:g}" text-anchor="middle" dominant-baseline="central"{turn} '
        f'style="font-size:{text.size:g}px;fill:{fill};paint-order:stroke;stroke:{halo};stroke-width:3px">'
        f"{escape(text.text)}</text>"
    )
