"""What a shell completes: names of chips and workloads, files of their kind, keys, GPUs and other names.

It is asked at each press of a key, so that nothing is imported for it: names and keys are gathered once, by a first
request, and kept with temporary files until the code changes.
"""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from archsim.base.scratch import scratch
from archsim.base.shipped import FOLDERS, builtin_names

HEAD = 2000
"""Bytes of a file among which its kind stands."""
_PACKAGE = Path(__file__).parents[1]


def complete_arch(incomplete: str) -> list[str]:
    """Return chips: built-in ones, and files of that kind."""
    return _specs("arch", incomplete)


def complete_workload(incomplete: str) -> list[str]:
    """Return workloads: built-in ones, and files of that kind."""
    return _specs("workload", incomplete)


def complete_spec(incomplete: str) -> list[str]:
    """Return chips and workloads."""
    return list(dict.fromkeys([*_specs("arch", incomplete), *_specs("workload", incomplete)]))


def complete_run(incomplete: str) -> list[str]:
    """Return chips, and files that repeat a run."""
    return list(dict.fromkeys([*_specs("arch", incomplete), *_files(("run", "study"), incomplete)]))


def complete_setting(incomplete: str) -> list[str]:
    """Return keys of chips and workloads, each with its `=`; after it the words that may stand there."""
    key, equals, _ = incomplete.partition("=")
    keys: dict[str, list[str]] = {**_known()["workload"], **_known()["arch"]}
    found = [f"{key}={word}" for word in keys.get(key, ())] if equals else [f"{path}=" for path in keys]
    return _begin(found, incomplete)


def complete_key(incomplete: str) -> list[str]:
    """Return keys of chips and workloads, and metrics."""
    return _begin([*_known()["arch"], *_known()["workload"], *_known()["metrics"]], incomplete)


def complete_name(what: str) -> Callable[[str], list[str]]:
    """Return what completes names of one sort: "gpus", "traces", "topologies", "ablations", "nouns", "devices"."""

    def complete(incomplete: str) -> list[str]:
        return _begin(_known()[what], incomplete)

    return complete


def complete_word(*words: str) -> Callable[[str], list[str]]:
    """Return what completes one of some words."""
    return lambda incomplete: _begin(words, incomplete)


def _begin(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in dict.fromkeys(words) if word.startswith(incomplete)]


def _specs(kind: str, incomplete: str) -> list[str]:
    folder = next(folder for folder, own in FOLDERS.items() if own == kind)
    return [*_begin(builtin_names(folder), incomplete), *_files((kind,), incomplete)]


def _files(kinds: tuple[str, ...], incomplete: str) -> list[str]:
    """Return paths that begin so: of files of these kinds, and of folders, which end in a slash."""
    above, _, begin = incomplete.rpartition("/")
    place = Path(f"{above}/") if above or incomplete.startswith("/") else Path()
    found = []
    try:
        for path in sorted(place.iterdir()):
            if path.name.startswith(begin) and not path.name.startswith("."):
                text = incomplete[: len(incomplete) - len(begin)] + path.name
                if path.is_dir():
                    found.append(f"{text}/")
                elif path.suffix in (".yaml", ".yml") and _kind(path) in kinds:
                    found.append(text)
    except OSError:
        pass
    return found


def _kind(path: Path) -> str:
    try:
        with path.open("rb") as file:
            match = re.search(rb"^kind:\s*['\"]?(\w+)", file.read(HEAD), re.MULTILINE)
    except OSError:
        return ""
    return match[1].decode() if match else ""


def _known() -> dict[str, Any]:
    """Return what is gathered, by sort; it is gathered anew after the code has changed."""
    import json

    folder = scratch()
    kept = None if folder is None else folder / f"completion-{_code()}.json"
    try:
        if kept is not None:
            found: dict[str, Any] = json.loads(kept.read_text("utf-8"))
            return found
    except (OSError, ValueError):
        pass
    found = _gathered()
    if kept is not None:
        aside = kept.with_name(f"{kept.name}.{os.getpid()}")
        try:
            aside.write_text(json.dumps(found), "utf-8")
            aside.replace(kept)
            for old in sorted(kept.parent.glob("completion-*.json")):
                if old != kept:
                    old.unlink()
        except OSError:
            pass
    return found


def _code() -> str:
    """Return what changes when the code does, or the files of shipped GPUs: sizes and dates."""
    import hashlib

    files = [path for ending in ("py", "yaml") for path in sorted(_PACKAGE.rglob(f"*.{ending}"))]
    told = [(path.name, own.st_mtime_ns, own.st_size) for path in files for own in (path.stat(),)]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def _gathered() -> dict[str, Any]:
    from archsim.baselines.gpus import known_gpus
    from archsim.components.base import COMPONENTS
    from archsim.export.formats import TRACES
    from archsim.functional.ablations import ABLATIONS
    from archsim.results.metrics import METRICS
    from archsim.spec.arch import ArchSpec
    from archsim.spec.choices import TOPOLOGIES
    from archsim.spec.keys import keys_at, paths_of
    from archsim.studies.views import nouns
    from archsim.workload.network import Workload

    def words(root: Any) -> dict[str, list[str]]:
        return {path: list(dict.fromkeys(word for key in keys_at(root, path) for word in key.words))
                for path in paths_of(root)}  # fmt: skip

    return {
        "arch": words(ArchSpec), "workload": words(Workload), "metrics": list(METRICS), "gpus": list(known_gpus()),
        "traces": list(TRACES), "topologies": list(TOPOLOGIES), "ablations": list(ABLATIONS), "nouns": nouns(),
        "devices": [kind for kind, cls in COMPONENTS.items() if cls.role == "device"],
    }  # fmt: skip
