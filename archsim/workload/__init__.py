"""Workloads: fully connected networks, their data sets and how they are trained."""

from archsim.workload.loading import load_workload
from archsim.workload.network import Dataset, Dense, Training, Workload

__all__ = ["Dataset", "Dense", "Training", "Workload", "load_workload"]
