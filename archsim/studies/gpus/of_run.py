"""The section of a run's report that sets the chip against GPUs."""

from __future__ import annotations

from archsim.report.document import Section, say
from archsim.studies.gpus.figures import figures
from archsim.studies.gpus.shape import Compared
from archsim.studies.gpus.tables import catches_table, conventions, ladder_table, measured_table, modelled_table


def gpu_section(data: Compared) -> Section:
    """Return the section, made of what was compared when the run was made."""
    measured = (measured_table(data, brief=True),) if data.measured else ()
    tables = (ladder_table(data), catches_table(data), modelled_table(data, brief=True), *measured)
    shown = tuple(table for table in tables if table.rows)
    texts = tuple(say("{text}", text=text) for text in conventions(data))
    return Section("gpus", "Against GPUs", (*texts, *figures(data, ("gpus_time", "gpus_energy")), *shown))
