"""A document as the files of a report's folder."""

from __future__ import annotations

from archsim.report.document import Document
from archsim.report.figure_data import figure_csv
from archsim.report.html import page
from archsim.report.markdown import markdown
from archsim.report.svg import svg


def files_of(document: Document) -> dict[str, str]:
    """Return all files that show a document to people, as text by relative path.

    Beside each figure lie its data, as NAME.csv; where a table of that name lies there, as NAME_figure.csv.
    """
    tables = {f"{document.tables_in}{name}.csv": table.csv() for name, table in document.tables().items()}
    data = {
        f"{document.figures_in}{name}{'_figure' * (f'{document.figures_in}{name}.csv' in tables)}.csv": figure_csv(own)
        for name, own in document.figures().items()
    }
    return {
        f"{document.stem}.html": page(document),
        f"{document.stem}.md": markdown(document),
        **tables,
        **{f"{document.figures_in}{name}.svg": svg(figure) for name, figure in document.figures().items()},
        **data,
    }
