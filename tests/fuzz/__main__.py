"""`python -m tests.fuzz`: cases from a seed on, for a time or so many; distinct faults are told, made small."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.fuzz.judging import Case, Verdict, judged, minimised, warm


def main() -> int:
    """Fuzz; return 1 if a fault was found."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("--seconds", type=float, default=60.0, help="for so long")
    asked.add_argument("--cases", type=int, default=0, help="so many instead")
    asked.add_argument("--seed", type=int, default=0, help="of the first case; those after it follow")
    asked.add_argument("--one", type=int, help="the case with this seed alone, told whole")
    given = asked.parse_args()
    if given.one is not None:
        return _tell(judged(Case(given.one)))
    warm()
    faults: dict[tuple[str, str, str], tuple[int, Verdict]] = {}
    ways: Counter[tuple[str, int | None]] = Counter()
    begin, done = time.monotonic(), 0
    while done < given.cases if given.cases else time.monotonic() - begin < given.seconds:
        seed = given.seed * 10_000_000 + done
        found = judged(Case(seed))
        ways[found.way, found.status] += 1
        done += 1
        if found.fault and (found.way, found.fault, found.where) not in faults:
            faults[found.way, found.fault, found.where] = (seed, found)
            sys.stdout.write(f"fault {len(faults)}, seed {seed}: {found.way}: {found.fault}: {found.where}\n")
            sys.stdout.flush()
    took = time.monotonic() - begin
    for kind, (seed, _) in faults.items():
        small = minimised(Case(seed), kind)
        sys.stdout.write(f"\nseed {small.seed}, mutations {small.left}\n")
        _tell(judged(small))
    told = ", ".join(f"{way} {status}: {count:,}" for (way, status), count in sorted(ways.items(), key=str))
    sys.stdout.write(f"\n{done:,} cases in {took:,.0f} s, {len(faults)} distinct faults; by way and status: {told}\n")
    return 1 if faults else 0


def _tell(found: Verdict) -> int:
    sys.stdout.write(
        f"{found.way}: {found.fault or 'fine'} {found.where} (status {found.status}, {found.seconds:.1f} s)\n"
    )
    sys.stdout.write(f"  archsim {' '.join(map(repr, found.words))}\n  {found.said[-1500:]}\n")
    return 1 if found.fault else 0


if __name__ == "__main__":
    sys.exit(main())
