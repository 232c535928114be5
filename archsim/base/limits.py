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
    "bytes in a result file", 200_000_000, "100,000 tiles take some 41,000,000. An assumption.",
    "give a file that archsim wrote",
)  # fmt: skip
RESULT_KEYS = Limit(
    "keys in one mapping of a result file", 400_000, "Links of 100,000 tiles are some 400,000. An assumption.",
    "give a file that archsim wrote",
)  # fmt: skip
ARRAY_BYTES = Limit(
    "bytes of data, unpacked", 2**31, "MNIST has 55,000,000, and as doubles 440,000,000. An assumption.",
    "give fewer examples, or values of fewer bytes",
)  # fmt: skip
KEPT_BYTES = Limit(
    "bytes of a file that is kept with a report", 2**31, "It is held in memory meanwhile. An assumption.",
    "give weights or data of fewer numbers",
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
NAME_LETTERS = Limit("letters in a name", 300, "It is shown on a line. An assumption.", "use a shorter one")
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

NETWORK_LAYERS = Limit(
    "layers", 50_000, "Large networks have hundreds. An assumption.", "cut the network, or say what recurs as steps",
)  # fmt: skip
GAPS = Limit(
    "places where columns and rows of edges cross", 400_000_000, "A byte for each is 400 MB. An assumption.",
    "align the rectangles, so that they share edges",
)  # fmt: skip
TILES = Limit(
    "tiles in all (tile.count and that of variants, times package.chips)", 250_000,
    "A wafer of 300 mm has room for 100,000 of 0.7 mm2. An assumption.",
    "use fewer tiles of more rows and columns, or one chip of several",
)  # fmt: skip
PASSES = Limit(
    "passes of crossbars in an example (steps times shards)", 1_000_000, "Each is some 2 kB. An assumption.",
    "give fewer steps, or larger crossbars",
)  # fmt: skip
EXAMPLES = Limit(
    "examples", 10**12, "MNIST for 16,000,000 epochs. An assumption.", "give fewer; figures per example stay the same",
)  # fmt: skip
EVENTS = Limit(
    "examples gone through event by event", 10**7, "Some hours of them. An assumption.",
    "give fewer with --examples; a run without --full jumps over what recurs",
)  # fmt: skip
CYCLES = Limit(
    "cycles at most", 2**62, "Times are counted in words of 64 bits: numpy.org, Data types.",
    "give fewer examples, or shorter times",
)  # fmt: skip
EPOCHS = Limit(
    "epochs of a training in numbers", 10_000, "MNIST takes minutes for each. An assumption.", "give fewer epochs",
)  # fmt: skip
SEED = Limit(
    "as a seed", 2**32 - 2, "Words of 32 bits, the last for what is drawn at the fab: numpy.org, Philox.",
    "give a smaller one",
)  # fmt: skip
SEEDS = Limit(
    "seeds", 1000, "A mean is known to 3 % of its spread. An assumption.", "give fewer, and go on from a later --seed",
)  # fmt: skip
JOBS = Limit(
    "processes", 1024, "More than any machine has cores. An assumption.", "give the machine's cores, or a --cluster",
)  # fmt: skip
POINTS = Limit(
    "points of a grid", 100_000, "An hour of them on one core, 1 GB of results. An assumption.",
    "give fewer values, or sweep one part after another",
)  # fmt: skip
SIMULATIONS = Limit(
    "simulations of a search", 10_000, "Hours of them. An assumption.", "give a smaller --budget",
)  # fmt: skip
BATCH = Limit("examples in a batch", 1_000_000, "No GPU holds so many. An assumption.", "give smaller batches")
MOVES = Limit(
    "moves of annealing for each shard", 100_000, "Thirty times the default. An assumption.", "give fewer moves",
)  # fmt: skip
TRIES = Limit(
    "moves of annealing in all (moves times shards)", 10**9, "Some ten minutes of them. An assumption.",
    "give fewer moves, or the placement spectral",
)  # fmt: skip
DRAWS = Limit(
    "moves of annealing at a temperature", 20_000_000, "Each is drawn in 40 bytes. An assumption.",
    "give more temperatures",
)  # fmt: skip
ROUNDS = Limit("rounds of a placement", 10_000, "A hundred times the defaults. An assumption.", "give fewer")
CHIP_LINKS = Limit("links of a chip to others", 1000, "Chips have four neighbours. An assumption.", "give 4")
ROUTERS = Limit(
    "tiles of a network", 1024, "Beyond, finding the routes of all pairs takes minutes. An assumption.",
    "give a smaller --size",
)  # fmt: skip

DELAY = Limit("cycles of a delay in a network", 1000, "Routers have 1 to 10. An assumption.", "give a shorter one")
PACKET = Limit("flits of a packet", 10_000, "A vector of 10,000 numbers. An assumption.", "give shorter packets")
BUFFERS = Limit(
    "flits in buffers (tiles x vcs x buffer_flits)", 4_000_000, "1,024 tiles of 16 x 64 have 1,000,000. An assumption.",
    "give fewer virtual channels, or shorter buffers",
)  # fmt: skip
NETWORK_CYCLES = Limit(
    "cycles of routers (tiles x cycles, those of warming up included)", 100_000_000,
    "Some minutes for each load. An assumption.", "give fewer --cycles or --warmup-cycles",
)  # fmt: skip
LOADS = Limit("loads of a network", 100, "A curve has ten. An assumption.", "give fewer")

LIMITS = {name: value for name, value in list(globals().items()) if isinstance(value, Limit)}
"""All of them, by name."""
