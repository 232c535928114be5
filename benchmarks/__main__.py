"""`python -m benchmarks [NAME ...]`: measure and print a table; of all of them, write benchmarks/results.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks import (
    carry,
    cluster,
    deep,
    engine,
    large,
    network,
    recurrent,
    run20,
    scaling,
    setup,
    startup,
    store,
    sweep,
    training,
)

PARTS = {
    "startup": startup, "run20": run20, "engine": engine, "setup": setup, "scaling": scaling, "carry": carry,
    "training": training, "recurrent": recurrent,
    "network": network, "large": large, "deep": deep, "store": store, "sweep": sweep, "cluster": cluster,
}  # fmt: skip


def main(names: list[str]) -> int:
    strange = [name for name in names if name not in PARTS]
    if strange:
        print(f"no benchmark '{strange[0]}'; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    figures = []
    for name in names or PARTS:
        for figure in PARTS[name].measure():
            figures.append(figure)
            verdict = "" if figure.limit is None else f"{figure.limit:>14}  {'passed' if figure.passed else 'FAILED'}"
            print(f"{figure.name:70} {figure.value:>14,.4g} {figure.unit:4} {verdict}".rstrip(), flush=True)
    if not names:
        path = Path(__file__).parent / "results.json"
        path.write_text(json.dumps([figure.row() for figure in figures], indent=1) + "\n")
    return 0 if all(figure.passed for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
