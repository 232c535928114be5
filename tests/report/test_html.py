"""A document as a page: every kind of block shows texts as they are, and nothing of them becomes an element."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings

from archsim.report.document import Document, say
from archsim.report.html import page, policy
from archsim.report.table import Column, Table
from tests.report.samples import HOSTILE, TEXTS, everything


class Read(HTMLParser):
    """The elements of a page in order, and its texts outside styles and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._in = ""
        self._goes_on = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "wbr":  # where a name may go on in the next line
            self._goes_on = True
            return
        self.found.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._goes_on and self.texts:
            self.texts[-1] += data
        elif self._in not in ("style", "script"):
            self.texts.append(data)
        self._goes_on = False

    @property
    def tags(self) -> list[str]:
        """The names of elements, without texts beside points, for which there may be no room, and what was cut."""
        return [tag for tag, own in self.found if own.get("class") not in ("beside", "cut")]


PLAIN = Read(page(everything("abc")))


@settings(max_examples=10)
@given(TEXTS)
def test_texts_are_shown_as_they_are(text: str) -> None:
    made = Read(page(everything(text)))
    assert made.tags == PLAIN.tags
    shown, wanted = ("\0".join(own.texts).count(each) for own, each in ((made, text.strip()), (PLAIN, "abc")))
    assert shown >= wanted - 2  # texts beside points stand where there is room
    tips = [own["title"] for _, own in made.found if "title" in own]
    assert tips == [text] * len(tips)


def test_nothing_of_a_hostile_text_is_an_element_or_runs() -> None:
    made = Read(page(everything(HOSTILE)))
    assert made.tags == PLAIN.tags
    assert made.tags.count("script") == 1
    for tag, own in made.found:
        assert not [name for name in own if name.startswith("on") or name == "src"], tag
        assert tag not in ("link", "iframe", "object", "embed", "base", "b") or not own.get("href")


def test_styles_are_elements() -> None:
    made = Read(page(Document("t", (say("a *b* **c** `d`", kind="warning"),), ())))
    assert [tag for tag in made.tags if tag in ("em", "strong", "code")] == ["em", "strong", "code"]
    assert ("p", {"class": "warning"}) in made.found


@pytest.mark.parametrize("turned", [False, True])
def test_a_turned_table_has_its_rows_as_columns(turned: bool) -> None:
    rows = (("one", 1.5), ("two", 2.5))
    table = Table("x", "x", (Column("name"), Column("time", "s")), rows, turned=turned)
    made = Read(page(Document("t", (table,), ())))
    cells = [text for text in made.texts if text.strip()]
    inside = [text.replace("\xa0", " ") for text in cells[cells.index("x") + 1 :][:6]]
    assert inside == (["name", "one", "two", "time", "1.5 s", "2.5 s"] if turned else
                      ["name", "time", "one", "1.5 s", "two", "2.5 s"])  # fmt: skip
    sorts = [own for tag, own in made.found if tag == "table" and "sorts" in (own.get("class") or "")]
    assert len(sorts) == (0 if turned else 1)


def test_rows_left_out_are_told_with_their_file() -> None:
    table = Table("x", "x", (Column("n"),), tuple((i,) for i in range(7)), most=5)
    text = " ".join("".join(Read(page(Document("t", (table,), (), tables_in="t/"))).texts).split())
    assert "2 more rows are in t/x.csv." in text


def test_the_policy_names_the_scripts_by_what_they_are() -> None:
    # Origin: printf 'alert(1)' | openssl dgst -sha256 -binary | base64
    assert "script-src 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='" in policy("alert(1)")
    assert policy().startswith("default-src 'none'; script-src ;")
