"""Reports as the command makes them again: from what their folders hold, without simulating."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from archsim.errors import Problem, SpecError
from archsim.report import write_folder
from archsim.report.page import Page
from archsim.report.run import RENDERED, render
from archsim.report.saved import load_page


def render_again(folder: Path) -> tuple[Page, Path]:
    """Return what a report shows, and its folder, whose rendered files were made anew; all others are kept.

    Raises SpecError where the folder holds no report that can be read, or cannot be written.
    """
    page = load_page(folder)
    files = render(page)
    return page, write_folder(folder, {**_others(folder, files), **files}, RENDERED)


def _others(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Return what others, such as a training, have put beside the files of a report, in the same folders."""
    found = [path for name in RENDERED if (folder / name).is_dir() for path in sorted((folder / name).iterdir())]
    try:
        return {
            name: path.read_text("utf-8") for path in found
            if path.is_file() and (name := path.relative_to(folder).as_posix()) not in files
        }  # fmt: skip
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([Problem(str(folder), f"cannot be read: {error}", "move what is not text elsewhere")]) from None
