"""Drawings inside a page: an SVG file as a part of HTML that clashes with nothing else on it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ET.register_namespace("", SVG)
ET.register_namespace("xlink", XLINK)


def inline_svg(text: str, prefix: str, label: str) -> str:
    """Return an SVG file as an element for a page, as wide as its place; `label` says what it shows.

    Its ids, and what refers to them, begin with `prefix`. Style sheets, which would apply to the whole page, scripts,
    links, metadata and comments are left out.
    """
    root = ET.fromstring(text)
    for above in list(root.iter()):
        for child in list(above):
            if child.tag.rsplit("}", 1)[-1] in ("style", "script", "metadata", "a", "foreignObject", "image"):
                above.remove(child)
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id":
                element.set(key, f"{prefix}-{value}")
            elif key in ("href", f"{{{XLINK}}}href"):
                del element.attrib[key]
                if value.startswith("#"):
                    element.set("href", f"#{prefix}-{value[1:]}")
            elif key.startswith("on"):
                del element.attrib[key]
            elif "url(#" in value:
                element.set(key, re.sub(r"url\(#", f"url(#{prefix}-", value))
    width = root.attrib.pop("width", "")
    root.attrib.pop("height", None)
    root.set("role", "img")
    root.set("aria-label", label)
    root.set("class", "figure")
    natural = re.fullmatch(r"([\d.]+)(?:pt)?", width)
    root.set("style", "stroke-linejoin:round;stroke-linecap:butt" + (f";max-width:{natural[1]}pt" if natural else ""))
    return ET.tostring(root, encoding="unicode")
