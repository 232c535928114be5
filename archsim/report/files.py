"""A document as the files of a report's folder."""

from __future__ import annotations

from archsim.report.document import Document
from archsim.report.html import page
from archsim.report.markdown import markdown
from archsim.report.svg import svg


def files_of(document: Document) -> dict[str, str]:
    """Return all files that show a document to people, as text by relative path."""
    return {
        f"{document.stem}.html": page(document),
        f"{document.stem}.md": markdown(document),
        **{f"{document.tables_in}{name}.csv": table.csv() for name, table in document.tables().items()},
        **{f"{document.figures_in}{name}.svg": svg(figure) for name, figure in document.figures().items()},
    }
