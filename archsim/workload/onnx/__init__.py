"""Workloads from ONNX models: matrices with constant weights become layers, the rest digital work or the host's."""

from archsim.workload.onnx.importing import Imported, import_onnx
from archsim.workload.onnx.sizes import sizes_of

__all__ = ["Imported", "import_onnx", "sizes_of"]
