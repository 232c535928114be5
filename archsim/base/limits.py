"""Limits: how much of everything is taken, declared once, asked before any work, and told with a way round.

They keep slips and files of others from taking all memory or all night; none changes a result. What is large and
sensible, such as 100,000 tiles or 10,000 layers, lies below them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archsim.base.errors import Problem, SpecError


class TooMuchError(SpecError, ValueError):
    """A limit was crossed. As a ValueError it is told, where a section is checked, beside its other faults."""


@dataclass(frozen=True)
class Limit:
    """So many `of` something are taken, `why` not more, and what can be done `instead`."""

    of: str
    most: int
    why: str
    instead: str

    def faults(self, given: float, where: str = "") -> Iterator[Problem]:
        """Yield what to say of so many, if they are too many.

        >>> [str(each) for each in UNIT_POWER.faults(12, "x")]
        ['x: 12 as the power of a unit, above the limit of 9; write a unit such as fJ/bit/mm']
        """
        if given > self.most:
            yield Problem(where, f"{shown(given)} {self.of}, above the limit of {self.most:,}", self.instead)

    def check(self, given: float, where: str = "") -> None:
        """Raise TooMuchError if so many are too many."""
        if problems := [*self.faults(given, where)]:
            raise TooMuchError(problems)


def shown(number: float) -> str:
    """Return a count as text, also one of more digits than Python writes.

    >>> shown(12_345), shown(10**5000)
    ('12,345', 'more than 10^30')
    """
    return f"{number:,}" if number <= 10**30 else "more than 10^30"


# ---- files

SPEC_BYTES = Limit(
    "bytes in a text file", 4_000_000, "10,000 layers take some 1,000,000. An assumption.",
    "give a spec, or lay out regular chips by a floorplan's kind and tile.count",
)  # fmt: skip
FLOORPLAN_BYTES = Limit(
    "bytes in a floorplan", 40_000_000, "100,000 tiles take some 8,000,000. An assumption.",
    "give a .flp file, or a floorplan that is generated",
)  # fmt: skip
RESULT_BYTES = Limit(
    "bytes in a result file", 200_000_000, "The largest that the shipped specs give has 3,000,000. An assumption.",
    "give a file that archsim wrote",
)  # fmt: skip
ARRAY_BYTES = Limit(
    "bytes of data, unpacked", 2**31, "MNIST has 55,000,000, and as doubles 440,000,000. An assumption.",
    "give fewer examples, or values of fewer bytes",
)  # fmt: skip
STATE_BYTES = Limit(
    "bytes of weights or of a checkpoint", 2**36, "They grow with the network. An assumption.",
    "give a smaller network",
)  # fmt: skip
ONNX_BYTES = Limit(
    "bytes of a model in one file", 2**31 - 1, "The format's: protobuf.dev, Serialized Size Limits.",
    "export it with its data beside it",
)  # fmt: skip
ONNX_NODES = Limit(
    "nodes with the functions of a model", 200_000, "Ten times large models'. An assumption.",
    "import the model's parts one by one",
)  # fmt: skip
ONNX_NUMBERS = Limit(
    "numbers of a constant", 2**28, "A gigabyte of them. An assumption.", "import without --weights",
)  # fmt: skip
ONNX_PRODUCTS = Limit(
    "multiply-adds in a product of constants", 2**36, "A minute of them. An assumption.", "import without --weights",
)  # fmt: skip
DOWNLOAD_BYTES = Limit(
    "bytes or more of a download", 100_000_000, "Ten times the largest file of MNIST. An assumption.",
    "it is not what was asked for; copy the file from elsewhere",
)  # fmt: skip
DOWNLOAD_S = Limit(
    "seconds or more of a download", 600, "For MNIST that is 2 x 10^5 bit/s. An assumption.",
    "copy the files from elsewhere",
)  # fmt: skip

# ---- texts and numbers

NESTING = Limit("levels of nesting", 20, "The shipped specs have 5. An assumption.", "no spec needs that")
QUANTITY_LETTERS = Limit(
    "letters in a quantity", 200, "A double has 17 digits. An assumption.", "write a number and a unit, as in 1.667 pJ",
)  # fmt: skip
UNIT_POWER = Limit(
    "as the power of a unit", 9, "Of the units of specs it is 2. An assumption.", "write a unit such as fJ/bit/mm",
)  # fmt: skip
ORDERS = Limit(
    "as the power of ten of a number", 60, "All that a spec holds lies within 10^-40 to 10^40. An assumption.",
    "out of all proportion; look at the exponent",
)  # fmt: skip

# ---- counts

WIDTH = Limit(
    "inputs, outputs or vectors of a layer", 10**9, "No layer has so many. An assumption.", "cut the layer",
)  # fmt: skip

LIMITS = {name: value for name, value in list(globals().items()) if isinstance(value, Limit)}
"""All of them, by name."""
