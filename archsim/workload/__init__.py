"""Workloads: networks, their data sets and how they are trained."""

from archsim.workload.kinds import Dense, Digital, Gru, Lstm, Rnn
from archsim.workload.layers import Layer
from archsim.workload.loading import load_workload
from archsim.workload.network import Dataset, Training, Workload

__all__ = ["Dataset", "Dense", "Digital", "Gru", "Layer", "Lstm", "Rnn", "Training", "Workload", "load_workload"]
