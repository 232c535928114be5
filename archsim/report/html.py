"""A document as one HTML page that needs no other file and no network: for a screen of any width, and for paper."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup, escape

from archsim.base.bytecode import templates
from archsim.base.texts import for_page, short, slugs, visible
from archsim.base.words import counted
from archsim.report.beside import beside, ticks
from archsim.report.colours import in_dark
from archsim.report.document import Document, Text
from archsim.report.figure import MOST_LETTERS, Figure
from archsim.report.listing import Group, Listed, rows_of
from archsim.report.svg import svg


def page(document: Document) -> str:
    """Return the page of a document.

    All texts are escaped, and a policy in the page forbids whatever is not in it: scripts but its own, and any request.
    """
    script, style = _source("page.js"), _source("page.css")
    return _environment().get_template("page.html").render(
        document=document, script=Markup(script), style=Markup(style), policy=policy(script)
    )  # fmt: skip


def index_page(title: str, groups: Sequence[Group], version: str) -> str:
    """Return the page that lists reports; links lead to pages below its own folder, whatever these are called."""
    scripts, style = [_source("page.js"), _source("index.js")], _source("page.css") + _source("index.css")
    return _environment().get_template("index.html").render(
        title=title, groups=groups, total=sum(len(own.reports) for own in groups), version=version, rows_of=rows_of,
        anchors=slugs([own.name for own in groups]), picture=_picture, policy=policy(*scripts),
        script=Markup(scripts[0]), own_script=Markup(scripts[1]), style=Markup(style),
    )  # fmt: skip


def link(path: str) -> str:
    """Return a relative path as a link that leads nowhere else.

    >>> link("a b/javascript:x#.html")
    './a%20b/javascript%3Ax%23.html'
    """
    return f"./{quote(path)}"


def _picture(own: Listed) -> Markup:
    return Markup() if own.picture is None else Markup(small(own.picture))


def small(figure: Figure) -> str:
    """Return a figure as SVG without its tooltips, to be shown in small; it is made from data, not read from a file."""
    name = escape(for_page(figure.title))
    shown = re.sub(r"<title>.*?</title>", "", svg(figure).strip(), flags=re.DOTALL)
    return re.sub(r'aria-label="[^"]*"', lambda _: f'aria-label="{name}"', shown, count=1)


def policy(*scripts: str) -> str:
    """Return the page's content security policy: nothing from elsewhere, and no script but those given."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()}'" for own in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def inline(text: Text) -> Markup:
    """Return a text with its styles as HTML."""
    styled = Markup("<{0}>{1}</{0}>")
    shown = [verbatim(span.text) if span.style == "code" else for_page(span.text) for span in text.spans]
    return Markup().join(
        styled.format(span.style, own) if span.style else own for span, own in zip(text.spans, shown, strict=True)
    )


def verbatim(text: str) -> Markup:
    """Return a text that is to be copied: no space in it is another than was given."""
    return escape(visible(text))


@lru_cache(maxsize=4096)
def breaks(text: str) -> Markup:
    """Return a text whose names may go on in the next line after each underscore, and after each dot but a number's."""
    return Markup("<wbr>").join(map(escape, re.split(r"(?<=_)(?=.)|(?<=\w\.)(?=[^\W\d])", for_page(text))))


def dark(tone: str, what: str) -> str:
    """Return what follows the declaration of a colour, so that it is another in dark; nothing where it is the same."""
    other = in_dark(tone)
    return "" if other == tone else f";{what}:light-dark({tone},{other})"


def drawn(tone: str, what: str) -> Markup:
    """Return the attributes of a shape of SVG whose fill or stroke has a colour, which is another in dark."""
    style = dark(tone, what)[1:]
    return Markup('{}="{}"').format(what, tone) + (Markup(' style="{}"').format(style) if style else "")


@cache
def _environment() -> Environment:
    return templates("archsim.report", for_page, beside=beside, block=lambda block: type(block).__name__.lower(),
                     breaks=breaks, counted=counted, dark=dark, drawn=drawn, inline=inline, link=link,
                     MOST_LETTERS=MOST_LETTERS, short=short, ticks=ticks, verbatim=verbatim)  # fmt: skip


def _source(name: str) -> str:
    return (files("archsim.report") / "templates" / name).read_text("utf-8")
