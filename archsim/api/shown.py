"""Results as scripts and notebooks look at them: figures, tables, frames, a report, and a few lines that sum it up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from markupsafe import Markup

from archsim.api.inputs import path
from archsim.base.atomic import Content
from archsim.base.errors import SpecError, nearest
from archsim.base.record import Record
from archsim.report.document import Cards, Document
from archsim.report.folder import reserved
from archsim.report.paint import painted
from archsim.report.svg import svg
from archsim.report.table import Table
from archsim.report.terminal import lines
from archsim.results.evaluate import Result
from archsim.studies.run.plan import RunPlan
from archsim.studies.run.study import document_of, written
from archsim.studies.study import Inputs, Progress, Study, silent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

D = TypeVar("D", bound=Record)
I = TypeVar("I", bound=Inputs)  # noqa: E741
MOST_LINES = 12
"""So many lines sum a result up."""
FIGURE = Markup('<figure style="margin:1em 0;max-width:760px">{}<figcaption>{}</figcaption></figure>')
WHOLE = Markup("<div><p><strong>{}</strong></p><pre>{}</pre>{}</div>")
SHOWN = ("floorplan", "step")
"""The figures that a notebook shows of a result which has them; of others it shows the first."""


class Shown(ABC):
    """A result with a report: what all results have."""

    @property
    @abstractmethod
    def document(self) -> Document:
        """Its report, as data."""

    @property
    @abstractmethod
    def metrics(self) -> Mapping[str, Any]:
        """Its figures by name, in SI units, which a name ends in; None for what is undefined."""

    @property
    @abstractmethod
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """What it consists of, such as the points of a sweep, each as flat figures by name."""

    @property
    @abstractmethod
    def passed(self) -> bool:
        """Whether every audit passed, and every check that was made."""

    @abstractmethod
    def report(self, folder: str | Path | None = None) -> Path:
        """Write the report as the command does, and return its page, `folder`/NAME.html.

        Without a folder it is `reports/...` in the current one, by the names of what was studied. Raises SpecError
        where that cannot be written or holds something else.
        """

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of the figures in its report."""
        return tuple(self.document.figures())

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables in its report."""
        return tuple(self.document.tables())

    def figure(self, name: str) -> Figure:
        """Return a figure as matplotlib's, to be changed or saved; raise SpecError where there is none of that name."""
        return painted(_named(self.document.figures(), name, "figure"))

    def to_frame(self, table: str | None = None) -> Any:
        """Return its rows as a data frame of pandas, or those of one of its `tables`; a run's one row are its metrics.

        Raises SpecError where there is no such table, or pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            what = f"the package {error.name} is not installed"
            raise SpecError.at("to_frame", what, "pip install 'archsim[frames]'") from None
        if table is None:
            return pd.DataFrame(list(self.rows))
        found: Table = _named(self.document.tables(), table, "table")
        return pd.DataFrame([list(row) for row in found.values()], columns=found.heads())

    def __repr__(self) -> str:
        """Return a few lines: what it is, and its headline."""
        said = self._lines()
        more = ["..."] if len(said) > MOST_LINES else []
        return "\n".join([self.document.title, *(f"  {line}" for line in [*said[:MOST_LINES], *more])])

    def _lines(self) -> list[str]:
        """Return the headline figures, or what a terminal shows."""
        cards = [card for block in self.document.blocks() if isinstance(block, Cards) for card in block.cards]
        if cards:
            return [f"{card.label + ':':21}{card.value}" for card in cards]
        _, *said = lines(self.document)
        return [line.removeprefix("  ") for line in said if line.strip()]

    def _repr_html_(self) -> str:
        """Return what a notebook shows: title, headline and main figures."""
        figures = self.document.figures()
        names = [name for name in SHOWN if name in figures] or list(figures)[:1]
        drawn = Markup().join(FIGURE.format(Markup(_inline(svg(figures[name]))), figures[name].title) for name in names)
        return str(WHOLE.format(self.document.title, "\n".join(self._lines()[:MOST_LINES]), drawn))


def _inline(drawing: str) -> str:
    """Return a drawing without what only a file of its own has: the declaration of XML."""
    return drawing[drawing.index("<svg") :]


T = TypeVar("T")


def _named(found: Mapping[str, T], name: str, noun: str) -> T:
    if name not in found:
        hint = nearest(name, found) if found else f"it has no {noun}s"
        raise SpecError.at(f"'{name}'", f"is not a {noun} of this result", hint)
    return found[name]


class StudyResult(Shown, Generic[D]):
    """What a study found: its `data`, as its file holds them, and the ways to look at them."""

    def __init__(
        self, study: Study[Any, D], data: D, folder: Path, again: Mapping[str, Content] = {},
        document: Document | None = None, *, is_written: bool,
    ):  # fmt: skip
        self.study, self.data = study, data
        self._folder, self._again, self._document, self._is_written = folder, again, document, is_written

    @cached_property
    def document(self) -> Document:
        """Its report, as data."""
        return self._document or self.study.document(self.data)

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Its figures as a whole, by name, in SI units; those of its parts are its `rows`."""
        return self.study.metrics(self.data)

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """What it consists of: points of a sweep, GPUs and batches, epochs of seeds, chips, each as flat figures."""
        return self.study.rows(self.data)

    @property
    def passed(self) -> bool:
        """Whether every audit passed, and every check that was made."""
        return self.study.passed(self.data)

    @property
    def folder(self) -> Path | None:
        """The folder of its report, None before there is one."""
        return self._folder if self._is_written else None

    def report(self, folder: str | Path | None = None) -> Path:
        """Write the report as the command does, and return its page; see `Shown.report`."""
        into = path(folder) or self._folder
        if not (self._is_written and into == self._folder):
            with reserved(into):
                self.study.write(self.data, into, self._again)
            self._folder, self._is_written = into, True
        return into / f"{self.study.stem}.html"


def performed(
    study: Study[I, D], inputs: I, out: Path | None = None, progress: Progress = silent
) -> StudyResult[D]:  # fmt: skip
    """Return what a study finds, its report written into `out`, or a folder by the names of what is studied."""
    done = study.perform(inputs, out, progress)
    return StudyResult(study, done.data, done.folder, done.again, done.document, is_written=True)


class Metric:
    """A metric of a run as an attribute, in SI units, which its name ends in; None where it is undefined."""

    def __init__(self, says: str) -> None:
        self.__doc__ = says

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, run: None, owner: type) -> Metric: ...
    @overload
    def __get__(self, run: Run, owner: type) -> float: ...
    def __get__(self, run: Run | None, owner: type) -> Metric | float:
        """Return the metric's value."""
        if run is None:
            return self
        value: float = run.metrics[self.name]
        return value


class Run(Shown):
    """A simulated run: its metrics as attributes, and all that it was made from in `result`."""

    time_per_example_s = Metric("Time per example, transfers and host port included, in seconds.")
    time_per_example_lower_bound_s = Metric("The same operations with unlimited units and links, in seconds.")
    time_total_s = Metric("Time of the whole run, in seconds.")
    throughput_op_per_s = Metric("Operations per second, sustained.")
    throughput_peak_op_per_s = Metric("Operations per second at the peak: all tiles busy back to back.")
    efficiency_op_per_j = Metric("Operations per joule, sustained, leakage and host port included.")
    efficiency_peak_op_per_j = Metric("Operations per joule at the peak.")
    throughput_per_area_op_per_s_m2 = Metric("Operations per second and square metre of the whole die, sustained.")
    throughput_per_area_peak_op_per_s_m2 = Metric("Operations per second and square metre at the peak.")
    energy_per_example_j = Metric("Energy of an example, the whole chip's, in joules.")
    power_w = Metric("Mean power of the run, in watts.")
    area_m2 = Metric("Area of the whole die, in square metres.")
    tile_utilisation = Metric("Share of the used tiles' cycles that compute, 0 to 1.")

    def __init__(self, result: Result, plan: RunPlan, folder: Path):
        self.result = result
        self._plan, self._folder = plan, folder

    if not TYPE_CHECKING:  # the headline's are declared above

        def __getattr__(self, name: str) -> Any:
            """Return any other metric of the run; raise AttributeError with the nearest where there is none."""
            metrics = vars(self)["result"].data["metrics"] if "result" in vars(self) else {}
            if name in metrics:
                return metrics[name]
            hint = f"; {nearest(name, [*metrics, *dir(type(self))])}" if metrics and name[0] != "_" else ""
            raise AttributeError(f"a run has no '{name}'{hint}")

    @cached_property
    def document(self) -> Document:
        """Its report, as data."""
        return document_of(self.result, self._folder)

    @property
    def data(self) -> Mapping[str, Any]:
        """What metrics.json holds."""
        return self.result.data

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Its figures by name, in SI units, which a name ends in; None for what is undefined."""
        found: Mapping[str, Any] = self.data["metrics"]
        return found

    @property
    def intervals(self) -> Mapping[str, tuple[float, float]]:
        """How low and how high metrics may be, 80 %, by name; empty where no figure of the chip has a range."""
        return {name: (low, high) for name, (low, high) in self.data.get("intervals", {}).items()}

    @property
    def crosscheck(self) -> Sequence[Mapping[str, Any]]:
        """The comparison with the accuracy model, where it was made."""
        found: Sequence[Mapping[str, Any]] = self.data.get("crosscheck", ())
        return found

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Its metrics, as one row."""
        return [self.metrics]

    @property
    def passed(self) -> bool:
        """Whether every audit passed, and every cross-check that was made."""
        return self.result.passed

    def report(self, folder: str | Path | None = None) -> Path:
        """Write the report as the command does, and return its page; see `Shown.report`."""
        into = path(folder) or self._folder
        with reserved(into):
            written(self.result, into, files=self._plan.files(), trace=self._plan.trace)
        return into / "report.html"
