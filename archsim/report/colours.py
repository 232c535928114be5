"""Colours: one for each state, phase and component, the same in all figures, and told apart with any colour vision.

Hues follow Okabe and Ito (2008); what is alike has one hue in two tones. Each figure names what it shows besides.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

COLOURS = {
    "forward": "#1b6ca8", "backward": "#58a4d8", "update": "#12837a", "convert": "#e0a526", "digital": "#b9770e",
    "send": "#8e5ea2", "receive": "#c39bd3", "flight": "#d7bde2", "transfer": "#b03a2e", "refresh": "#e6846e",
    "waiting_link": "#7f8c8d", "waiting_tile": "#a5b0b1", "waiting_transfer": "#d98880", "waiting_data": "#e6eaea",
    "load": "#566573", "store": "#566573", "program": "#6c3483", "loss": "#e0a526", "leakage": "#c8cdd0",
    "device": "#1b6ca8", "crossbar": "#7db8e0", "row_driver": "#0b5d57", "col_driver": "#5fb3a8",
    "col_converter": "#c77f0a", "row_converter": "#f0c05a", "memory": "#8e5ea2", "neuron": "#c9a6d8",
    "gain_and_polarity": "#8a5a3b", "pcm_write_driver": "#d98880", "clock_and_control": "#b03a2e",
    "router": "#4d5d53", "link": "#8aa17a", "host_port": "#566573", "white_space": "#dfe3e5",
    "floorplan_block": "#a9cdb3", "routing_channel": "#d9d2bd", "chip_link": "#6c3483", "chip_port": "#c9c0d6",
}  # fmt: skip
CYCLE = ("#1b6ca8", "#12837a", "#e0a526", "#b03a2e", "#8e5ea2", "#58a4d8", "#b9770e", "#566573", "#c39bd3", "#7f8c8d")
HEAT = ("#ffffe5", "#fff7bc", "#fee391", "#fec44f", "#fe9929", "#ec7014", "#cc4c02", "#993404", "#662506")
"""Power density, from none to the most: ColorBrewer's YlOrBr."""
BUSY = ("#d0d1e6", "#a6bddb", "#67a9cf", "#3690c0", "#02818a", "#016c59", "#014636")
"""Load of links, from none to the most: ColorBrewer's PuBuGn without what cannot be seen on white."""
DARK_PAPER, LEAST_CONTRAST = "#15181b", 3.0
"""What a page is drawn on in dark, and the least contrast of what is drawn (WCAG 2.2, 1.4.11)."""
QUIET = {COLOURS["waiting_data"]: "#2d3439", COLOURS["white_space"]: "#3b4349"}
"""Where nothing is or happens: such colours stay near the paper, and so have others in dark."""


def colour(name: str, place: int = 0) -> str:
    """Return the colour that a state, phase or component has in all figures; else one by place."""
    return COLOURS.get(name, CYCLE[place % len(CYCLE)])


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2).

    >>> round(contrast("#000000", "#ffffff"), 6)
    21.0
    """

    def luminance(tone: str) -> float:
        parts = (int(tone[k : k + 2], 16) / 255 for k in (1, 3, 5))
        linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@functools.cache
def in_dark(tone: str) -> str:
    """Return the colour which stands for one in dark: itself, where it is told from the paper, or the next lighter."""
    if tone in QUIET or not re.fullmatch("#[0-9a-f]{6}", tone):
        return QUIET.get(tone, tone)
    lighter = (shade((tone, "#ffffff"), step / 50) for step in range(51))
    return next(each for each in lighter if contrast(each, DARK_PAPER) >= LEAST_CONTRAST)


def shade(scale: Sequence[str], share: float) -> str:
    """Return the colour of a share, 0 to 1, of a scale, between its colours.

    >>> shade(("#000000", "#ffffff"), 0.5)
    '#808080'
    """
    at = min(1.0, max(0.0, share)) * (len(scale) - 1)
    i = min(int(at), len(scale) - 2)
    pairs = ((int(scale[i][k : k + 2], 16), int(scale[i + 1][k : k + 2], 16)) for k in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * (at - i)):02x}" for a, b in pairs)
