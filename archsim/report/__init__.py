"""Reports: a run as metrics.json, Markdown, tables, figures and traces, in a folder that repeats it."""

from archsim.report.folder import check_folder, write_folder
from archsim.report.run import write_report
from archsim.report.traces import TRACES

__all__ = ["TRACES", "check_folder", "write_folder", "write_report"]
