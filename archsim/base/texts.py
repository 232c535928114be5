"""Free text, as names are: which file a name calls, how much of one is shown, and how each medium shows it as it is.

For each medium there is one function, which its renderer alone calls. Markup is escaped by it, or by the library that
writes the medium; control characters, which no medium shows, stand as their numbers. JSON is data and stays as it is.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

MOST_SLUG = 80
"""Bytes of UTF-8: three slugs and what stands between them stay below the 255 of most file systems."""
_RESERVED = re.compile(r"^(con|prn|aux|nul|(?:com|lpt)[0-9¹²³])(\.|$)", re.IGNORECASE)  # on Windows, with any ending
_JOINED = re.compile("-[0-9a-f]{8}$|--")  # what digests and names of folders are made of
_UNSEEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Control characters but tab and line feed, separators of lines, what overrides the direction, and what XML has not."""
_QUANTITY = re.compile(r"(?<=\d) (?=(%|points\b|[PTGMkmunpfa]?(Hz|OP|op|bit|[sJWmVSFBA])2?(/\S+)?(?!\w)))")
_FORMULA = re.compile(r"[=+@\t\r]|-(?=.)")


# ---- files


def slug(name: str) -> str:
    """Return what a file is called for a name: one part of a path, on any file system.

    A name that would not do, by its characters, its length or since a system keeps it for itself, has a digest of all
    of it at the end; so has one that ends as if it had, so that two names have two slugs.

    >>> slug("mlp_mnist"), slug("../../x"), slug("CON")
    ('mlp_mnist', 'x-9cdf6a50', 'CON-a3dbc4b6')
    """
    kept = re.sub(r"[^\w.+-]+", "_", unicodedata.normalize("NFC", name)).strip("._-")
    if kept == name and len(name.encode()) <= MOST_SLUG and not _RESERVED.match(name) and not _JOINED.search(name):
        return name
    kept = _RESERVED.sub(r"\1_", kept)
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    begin = kept.encode()[: MOST_SLUG - 9].decode("utf-8", "ignore").rstrip("._-")
    return f"{begin}-{digest}" if begin else digest


def slugs(names: Sequence[str]) -> list[str]:
    """Return the slugs of names whose files lie in one folder; none are one file where systems ignore case.

    >>> slugs(["a", "A", "b"])
    ['a', 'A-621c7f1e', 'b']
    """
    found: list[str] = []
    for name in names:
        own, taken = slug(name), {unicodedata.normalize("NFKC", each).casefold() for each in found}
        if unicodedata.normalize("NFKC", own).casefold() in taken:
            own = f"{own[:60]}-{sha256(f'{len(found)} {name}'.encode()).hexdigest()[:8]}"
        found.append(own)
    return found


# ---- what is shown


def cells(text: str) -> int:
    """Return how many letters wide a text is: those of Chinese, Japanese and Korean are two, marks on others none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def short(text: str, most: int) -> str:
    """Return the beginning of a text with an ellipsis if it is wider than so many letters; a tooltip has the whole.

    >>> short("a name", 6), short("a longer name", 6)
    ('a name', 'a lon…')
    """
    if cells(text) <= most:
        return text
    kept = text[: most - 1]
    while cells(kept) >= most:
        kept = kept[:-1]
    return f"{kept.rstrip()}…"


def visible(text: str) -> str:
    r"""Return a text whose control characters stand as their numbers, and with them whatever turns text around.

    >>> print(visible("a\x1b[31mb"))
    a\x1b[31mb
    """
    if text.isprintable():  # as nearly all are, and none of these characters is
        return text
    return _UNSEEN.sub(lambda one: one[0].encode("unicode_escape", "surrogatepass").decode(), text)


# ---- media


def for_page(value: Any) -> Any:
    """Return what a page shows of a value: of a text what is visible, each quantity on one line with its unit.

    Templates escape it then. What is no plain text, such as their own markup, stays as it is.
    """
    return _for_page(value) if type(value) is str else value


@functools.lru_cache(maxsize=4096)  # a page says most of what it says several times
def _for_page(text: str) -> str:
    return _QUANTITY.sub("\u00a0", visible(text))


def for_xml(value: Any) -> Any:
    """Return what a file in XML holds of a value; who writes the file escapes it."""
    return visible(value) if type(value) is str else value


@functools.lru_cache(maxsize=4096)
def for_markdown(text: str, brackets: bool = False) -> str:
    r"""Return text so that Markdown shows it as it is: no HTML, no emphasis, no link and no code; white space is one.

    With `brackets` those are escaped, too, as the name of an image needs it.

    >>> print(for_markdown("<b>5 < 6, 2*3*4 of tile_rows, _a_"))
    &lt;b>5 < 6, 2\*3\*4 of tile_rows, \_a\_
    """
    marks = r"[\\`*#~\[\]]" if brackets else r"[\\`*#~]|\](?=[(\[:])"
    text = re.sub(rf"{marks}|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", re.sub(r"\s+", " ", visible(text)))
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", re.sub(r"&(?=#?\w+;)", "&amp;", text))


def markdown_code(text: str) -> str:
    """Return text as code, between more backticks than it holds in a row.

    >>> print(markdown_code("a"), markdown_code("a`b"))
    `a` `` a`b ``
    """
    text = re.sub(r"\s+", " ", visible(text))
    around = _fence(text, 1)
    room = " " if "`" in text or (text.strip() and text.startswith(" ") and text.endswith(" ")) else ""
    return f"{around}{room}{text}{room}{around}"


def markdown_block(text: str) -> str:
    """Return lines as they are, between more backticks than they hold in a row."""
    around = _fence(text, 3)
    return f"{around}\n{visible(text)}\n{around}"


def _fence(text: str, least: int) -> str:
    return "`" * max(least, 1 + max(map(len, re.findall("`+", text)), default=0))


def for_terminal(text: str) -> str:
    """Return a text as one line of a terminal, which it can neither colour nor command."""
    return visible(re.sub(r"[\t\n]", " ", text))


def for_csv(value: Any) -> Any:
    """Return a cell of a table as CSV: a text that a spreadsheet would take for a formula begins with an apostrophe.

    >>> for_csv("=1+1"), for_csv("-5 V"), for_csv("-5"), for_csv("-"), for_csv(-5)
    ("'=1+1", "'-5 V", '-5', '-', -5)
    """
    if not isinstance(value, str):
        return value
    return f"'{visible(value)}" if _FORMULA.match(value) and not _is_number(value) else visible(value)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.IGNORECASE) is not None
