"""archsim beside its peers on the same work: ZigZag, CiMLoop's macros, BookSim's routers, measured GPUs.

`python -m benchmarks.beside_peers [zigzag|chips|networks|gpus ...]` measures these parts, all if none is named, and
writes docs/explained/beside_peers.json, the page beside it and its figures. Parts that are not measured, or whose peer
is not installed, stay as the file has them. `page` writes the page again from the file alone.
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

from archsim.base.errors import SpecError
from archsim.base.record import Record
from archsim.report.document import Document, Points, say
from archsim.report.markdown import markdown
from archsim.report.svg import svg
from benchmarks.peers import chips, gpus, networks, zigzag

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "explained"
STEM = "beside_peers"


class Peers(Record):
    """What the page is made of: the versions, and the figures of each part."""

    archsim: str
    zigzag: zigzag.ZigZag
    chips: chips.Chips
    networks: networks.Networks
    gpus: gpus.Gpus


def document(data: Peers) -> Document:
    """Return the page."""
    return Document(
        "Beside its peers",
        (
            say("The same work on archsim and on what can be run or was measured beside it: what agrees, what does "
                "not, and why. Figures are those of archsim {archsim} and `{package}` {zigzag}. `python -m "
                "benchmarks.beside_peers` measures them again and writes this page.",
                archsim=data.archsim, package=zigzag.PACKAGE, zigzag=data.zigzag.version),
            Points((
                say("Given the same parts, archsim and ZigZag bill reads alike to all digits; they differ in what "
                    "overlaps in time, in what a bit line is, and in who uses the buffer."),
                say("Given a chip's own parts at one supply, archsim tells its efficiency at another; what it does "
                    "not tell is what nobody models, memories beside the macro."),
                say("Networks are those of BookSim's router model, packet by packet and cycle by cycle."),
                say(
                    "Trainings beside aihwkit, device by device, are in `benchmarks/README.md`."
                ),
                say("The model of GPUs predicts steps of training that it was not fitted to, and says how well. Of "
                    "recurrent layers no time of a named card is at hand, and none is here."),
            )),
        ),
        (zigzag.section(data.zigzag), chips.section(data.chips), networks.section(data.networks),
         gpus.section(data.gpus)),
        stem=STEM, figures_in="",
    )  # fmt: skip


def files(data: Peers) -> dict[str, str]:
    """Return the page and its figures by name."""
    page = document(data)
    return {f"{STEM}.md": markdown(page), **{f"{name}.svg": svg(own) for name, own in page.figures().items()}}


def read() -> Peers:
    """Return the committed figures; raise SpecError if the file is not what this script writes."""
    return Peers.read_file(FOLDER / f"{STEM}.json", f"docs/explained/{STEM}.json", "remove it and measure all parts")


def measured(names: list[str]) -> Peers:
    """Return the figures with those of the named parts measured again."""
    before = read() if (FOLDER / f"{STEM}.json").exists() else None
    found = {} if before is None else {name: getattr(before, name) for name in PARTS}
    for name in names:
        if name == "zigzag" and not zigzag.installed():
            print(f"{zigzag.MISSING}; its figures stay as they were", file=sys.stderr)
            continue
        if name == "gpus" and gpus.table_path() is None:
            print(gpus.MISSING, file=sys.stderr)
        print(f"measuring {name} ...", file=sys.stderr)
        found[name] = gpus.measure(found.get(name)) if name == "gpus" else PARTS[name]()
    missing = [name for name in PARTS if name not in found]
    if missing:
        sys.exit(f"there are no figures of {', '.join(missing)} yet, and they were not measured")
    return Peers(archsim=importlib.metadata.version("archsim"), **found)


PARTS = {"zigzag": zigzag.measure, "chips": chips.measure, "networks": networks.measure, "gpus": gpus.measure}


def main(arguments: list[str]) -> int:
    strange = [name for name in arguments if name not in (*PARTS, "page")]
    if strange:
        print(f"no part '{strange[0]}'; there are {', '.join(PARTS)}, and page", file=sys.stderr)
        return 2
    try:
        data = measured([name for name in arguments or PARTS if name != "page"])
    except SpecError as error:
        print(error, file=sys.stderr)
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{STEM}.json").write_text(data.json_text(), "utf-8")
    for name, text in files(data).items():
        (FOLDER / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
