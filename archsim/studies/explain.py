"""What a key of a spec or a metric is: its unit and range, where shipped files have it, and what it moves.

Nothing of it is written down a second time: meanings stand at the fields, values in the shipped files, and what a key
moves is simulated, on a short run of the first chip that has it.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from archsim.base.errors import ArchsimError, SpecError, nearest
from archsim.base.shipped import builtin_names
from archsim.base.words import counted
from archsim.results.metric_words import MEANINGS, display_unit, metric_name, metric_text
from archsim.results.metrics import HEADLINE
from archsim.spec.arch import ABOUT, ArchSpec
from archsim.spec.figures import DEFAULT, value_at
from archsim.spec.keys import Key, keys_at, keys_of, paths_of
from archsim.spec.loading import Loaded, flat, load_arch
from archsim.spec.settings import path_parts
from archsim.studies.sensitivity import FACTORS, MOVED, scaled
from archsim.studies.tasks.on_chip import HeadlineTask
from archsim.studies.views import catalogue
from archsim.workload.loading import load_workload
from archsim.workload.network import Workload

WORKLOAD, EXAMPLES = "mlp_digits", 200
"""The run that shows what a key moves: so many examples, and a transfer after each half of them."""
SETTING = ("schedule.transfer.interval_examples", EXAMPLES // 2)
MOST_VALUES = 14
"""So many of the values of shipped files are told; all stand in the JSON."""
_ROOTS: Mapping[str, type[ArchSpec] | type[Workload]] = {"arch": ArchSpec, "workload": Workload}
_WIDE = 118


@dataclass(frozen=True)
class Shipped:
    """A value that shipped files have, as they write it, with its status and source, and which of them."""

    value: str
    status: str
    source: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Moved:
    """What becomes of the metrics with a key set otherwise, over what they were; or why that is refused."""

    value: str
    ratios: Mapping[str, float]
    numbers: bool
    refused: str = ""


@dataclass(frozen=True)
class Explained:
    """A key of a kind of spec, `arch` or `workload`; several where kinds of sections have it each in its own way."""

    path: str
    spec: str
    keys: tuple[Key, ...]

    @cached_property
    def plain(self) -> str:
        """The path without numbers of entries; a variant has the keys of the default tile."""
        return re.sub(r"^variants\.[^.]+\.", "tile.", re.sub(r"\[\d*\]", "", self.path))

    @cached_property
    def files(self) -> dict[str, Loaded[Any]]:
        """The shipped files of its kind by name."""
        if self.spec == "arch":
            return {name: load_arch(name) for name in builtin_names("arch_specs")}
        return {name: load_workload(name) for name in builtin_names("workloads")}

    def places(self, loaded: Loaded[Any]) -> list[str]:
        """Return the dotted paths, numbered, at which a file in use has the key."""
        return [path for path in flat(loaded.value.resolved()) if re.sub(r"\[\d+\]", "", path) == self.plain]

    @cached_property
    def shipped(self) -> list[Shipped]:
        """The values of shipped files, those that most have first; a section's own figures aside."""
        found: dict[tuple[str, str, str], list[str]] = {}
        for name, loaded in self.files.items():
            for path in self.places(loaded):
                figure = loaded.figures.get(path)
                own = value_at(loaded.value, path)
                text = figure.text if figure else str(own).lower() if isinstance(own, bool) else str(own)
                if own is not None and text:
                    told = text, "", ""
                    if figure is not None:
                        text = self.keys[0].default if figure.source == DEFAULT else text
                        told = text, figure.status, "; ".join(filter(None, (figure.source, figure.note)))
                    found.setdefault(told, []).append(name)
        every = [Shipped(*told, tuple(dict.fromkeys(names))) for told, names in found.items()]
        return sorted(every, key=lambda own: -len(own.files))

    @cached_property
    def tried_on(self) -> tuple[Loaded[Any], Loaded[Any], str] | None:
        """A chip and a workload that show what the key moves, and its path there; None if no shipped pair does."""
        chip: Loaded[Any] = load_arch("ambrogio_nature_2018")
        network: Loaded[Any] = load_workload(WORKLOAD)
        for loaded in [network] if self.spec == "workload" else [chip, *self.files.values()]:
            if not (places := self.places(loaded)):
                continue
            arch, workload = (loaded, network) if self.spec == "arch" else (chip, loaded)
            if arch.value.schedule.transfer is not None and self.plain != SETTING[0]:
                arch = arch.with_overrides({SETTING[0]: SETTING[1]})
            try:
                arch.value.check_trainable()
                HeadlineTask(arch, workload, EXAMPLES).compute()
            except ArchsimError:
                continue
            return arch, workload, places[0]
        return None

    def values_to_try(self, loaded: Loaded[Any], path: str) -> list[str]:
        """Return what the key may be set to instead: other words, or half and twice the figure."""
        key = next((key for key in self.keys if key.words or key.dimension), None)
        own = value_at(loaded.value, path)
        if key is None or own is None:
            return []
        if key.words and key.dimension is None:
            now = str(own).lower() if isinstance(own, bool) else str(own)
            return [word for word in key.words if word != now]
        text = loaded.figures[path].to_set if path in loaded.figures else str(own)
        found = [scaled(text, factor) for _, factor in FACTORS]
        whole = key.dimension is not None and key.dimension.whole
        return [str(round(Fraction(value))) if whole else value for value in found if value is not None]

    @cached_property
    def moves(self) -> list[Moved]:
        """What the headline metrics become with other values, each alone."""
        if self.tried_on is None:
            return []
        arch, workload, path = self.tried_on
        base, numbers = HeadlineTask(arch, workload, EXAMPLES).compute().metrics, _numbers(arch, workload)
        found = []
        for value in self.values_to_try(arch if self.spec == "arch" else workload, path):
            try:
                changed = (arch if self.spec == "arch" else workload).with_overrides([f"{path}={value}"])
                pair = (changed, workload) if self.spec == "arch" else (arch, changed)
                now = HeadlineTask(*pair, EXAMPLES).compute().metrics
            except ArchsimError as error:
                found.append(Moved(value, {}, False, str(error).splitlines()[0]))
                continue
            ratios = {name: now[name] / base[name] for name in HEADLINE if base[name]}
            moved = {name: ratio for name, ratio in ratios.items() if abs(ratio - 1) > MOVED}
            found.append(Moved(value, moved, _numbers(*pair) != numbers))
        return found


def _numbers(arch: Loaded[Any], workload: Loaded[Any]) -> str:
    """Return what training in numbers is given of a chip and a workload, to be compared."""
    from archsim.components.cells.base import EVERYTHING
    from archsim.functional.train import quantisers_of, scales_of

    spec, tile = arch.value, arch.value.tile
    levels = 2**tile.col_converter.bits - 1
    given: list[Any] = [scales_of(spec, workload.value), quantisers_of(spec, tile, 0.05), tile.row_driver.on_shares()]
    if (make := getattr(tile.device, "parameters", None)) is not None:
        felt = {"temperature_kelvin": spec.technology.temperature_kelvin, "levels": levels}
        asked = inspect.signature(make).parameters  # not all cells feel the temperature, or are read by converters
        given.append(make(EVERYTHING, **{name: value for name, value in felt.items() if name in asked}))
    network = workload.value
    given += [network.training, network.layers, network.dataset, spec.numerics, tile.array, spec.schedule]
    return repr(given)


def explained(key: str) -> list[Explained]:
    """Return what a dotted key can mean, in chips and in workloads; raise SpecError with the nearest if nothing.

    >>> [(own.spec, own.keys[0].meaning) for own in explained("technology.clock")][0][0]
    'arch'
    """
    path = key.strip()
    for each in (path, path.removesuffix(".kind")):
        found = [Explained(each, spec, tuple(keys)) for spec, root in _ROOTS.items() if (keys := keys_at(root, each))]
        if found:
            return found
    if (choice := next((each for each in catalogue(None) if each[1] == path), None)) is not None:
        hint = f"archsim show {path}" if choice[0] in _ROOTS else f"archsim explain {_chosen_at(path)}"
        raise SpecError.at(f"explain {path}", f"is no key, it names a {choice[0]}: {choice[2]}", f"try {hint}")
    paths = [each for root in _ROOTS.values() for each in paths_of(root)]
    ends = [each for each in paths if each.rpartition(".")[2] == path or each.endswith(f".{path}")]
    if ends:
        return _only(path, ends)
    last = {each.rpartition(".")[2]: each for each in reversed(paths)}
    close = nearest(path, [*paths, *MEANINGS])
    if close.startswith(("allowed", "what is there")):
        near = nearest(path.rpartition(".")[2], last).partition("'")[2].partition("'")[0]
        close = (
            f"did you mean '{last[near]}'?"
            if near in last
            else ("archsim new arch NAME writes a file with all keys, archsim explain tile tells those of a section")
        )
    raise SpecError.at(f"explain {key}", "is neither a key of a spec nor a metric", close)


def _chosen_at(name: str) -> str:
    """Return the first key at which a name may be chosen, as a kind of section or a word; "KEY" if there is none."""
    return next((path for root in _ROOTS.values() for path in paths_of(root) for key in keys_at(root, path)
                 if name in key.below or name in key.words), "KEY")  # fmt: skip


def _only(path: str, ends: Sequence[str]) -> list[Explained]:
    """Return the key that alone ends so; raise SpecError with all that do if there are several."""
    if len(ends) == 1:
        return explained(ends[0])
    several = ", ".join(ends[:12]) + (", ..." if len(ends) > 12 else "")
    raise SpecError.at(f"explain {path}", f"{counted(len(ends), 'key')} end so", f"give one of {several}")


def lines_of(asked: str) -> list[str]:
    """Return what a key or a metric is, line by line."""
    if asked in MEANINGS:
        return _metric_lines(asked)
    lines: list[str] = []
    for own in explained(asked):
        lines += [*([""] if lines else []), *_key_lines(own)]
    return lines


def plain_of(asked: str) -> dict[str, Any]:
    """Return the same as plain data."""
    if asked in MEANINGS:
        return {"metric": asked, "meaning": MEANINGS[asked], "unit": display_unit(asked),
                "published": [{"value": metric_text(value, asked), "chip": chip, "kind": kind}
                              for chip, value, kind in _published(asked)]}  # fmt: skip
    return {"key": asked, "found": [_plain(own) for own in explained(asked)]}


def _plain(own: Explained) -> dict[str, Any]:
    tried = own.tried_on
    return {
        "path": own.path, "spec": own.spec,
        "means": [
            {"of": key.kind, "meaning": key.meaning, "unit": key.unit, "allowed": key.allowed,
             "words": list(key.words), "kinds": [kind for kind in key.below if kind], "default": key.default,
             "required": key.required} for key in own.keys
        ],
        "shipped": [vars(value) | {"files": list(value.files)} for value in own.shipped],
        "tried_on": None if tried is None else {"arch": tried[0].value.name, "workload": tried[1].value.name,
                                                "set": list(tried[0].overrides), "examples": EXAMPLES},
        "moves": [{"value": each.value, "ratios": dict(each.ratios), "training_in_numbers": each.numbers,
                   "refused": each.refused} for each in own.moves],
    }  # fmt: skip


def _metric_lines(name: str) -> list[str]:
    unit = display_unit(name)
    lines = [
        f"{name}  (a metric of runs)", *_wrapped(MEANINGS[name], "  "), "",
        f"  unit       {unit or 'a pure number'}", f"  called     {metric_name(name)}",
        f"  where      metrics.json: metrics.{name}; Python: run(...).metrics['{name}']",
    ]  # fmt: skip
    told = [f"{metric_text(value, name)}  {chip} ({kind})" for chip, value, kind in _published(name)]
    lines += [f"  {'published' if not i else '':<9}  {line}" for i, line in enumerate(told)]
    return [*lines, "", *_next(f"archsim sensitivity {'ambrogio_nature_2018'} {WORKLOAD}", "what moves it most")]


def _published(name: str) -> Iterator[tuple[str, float, str]]:
    from archsim.base.units import parse_metric

    for chip in builtin_names("arch_specs"):
        for own in load_arch(chip).value.published:
            if own.metric == name:
                yield f"{chip}{f', {own.at}' if own.at else ''}", parse_metric(name, own.value), own.kind


def _key_lines(own: Explained) -> list[str]:
    lines = [f"{own.path}  ({'a key of chips' if own.spec == 'arch' else 'a key of workloads'})"]
    for key in own.keys:
        several = f"  of {key.kind}: " if key.kind and len(own.keys) > 1 else "  "
        lines += _wrapped(f"{several.strip()} {key.meaning}".strip(), "  ")
        lines += [f"  {'allowed':9}  {line}" if not i else f"{'':13}{line}"
                  for i, line in enumerate(textwrap.wrap(key.allowed, _WIDE - 13))]  # fmt: skip
        lines.append(f"  {'default':9}  {key.default or ('none: it must be given' if key.required else 'not given')}")
    below = [(kind, section) for key in own.keys for kind, section in key.below.items()]
    if below:
        return [*lines, *_below_lines(own, below)]
    if own.plain in ABOUT:
        return [*lines, "", *_next(f"archsim new {own.spec} NAME", "writes a file that has it")]
    lines += _value_lines(own.shipped) or [f"  {'shipped':9}  in no {own.spec}"]
    lines += _move_lines(own)
    last = path_parts(own.path)[-1]
    above = ".".join(str(part) for part in path_parts(own.plain)[:-1])
    where = f"under {above}" if above else "in the file"
    place = next((path for loaded in own.files.values() for path in own.places(loaded)), own.path)
    place = own.path if re.sub(r"\[\d+\]", "", place) == place else place
    return [*lines, "", *_next(f"--set {place}=VALUE", f"or '{last}: VALUE' {where}")]


def _below_lines(own: Explained, below: Sequence[tuple[str, Any]]) -> list[str]:
    """Return the keys of a section, kind after kind, those that several kinds share once."""
    lines: list[str] = []
    told: set[tuple[str, str]] = set()
    if chosen := own.shipped or Explained(f"{own.path}.kind", own.spec, own.keys).shipped:
        lines += _value_lines(chosen)
    for kind, section in below:
        about = " ".join((section.__doc__ or "").split()).partition(". ")[0].rstrip(".")
        lines += ["", f"  {kind or own.path}  {'' if own.plain.endswith('options') else about}".rstrip()]
        new = [key for key in keys_of(section, kind) if (key.name, key.meaning) not in told]
        lines += [f"    {key.name:24} {key.meaning}" for key in new]
        if len(new) < len(section.model_fields):
            again = ", ".join(key.name for key in keys_of(section, kind) if key not in new)
            lines += _wrapped(f"{'and as' if new else 'as'} above: {again}", "    ")
        told |= {(key.name, key.meaning) for key in new}
    return [*lines, "", *_next(f"archsim explain {own.path}.{keys_of(below[0][1])[0].name}", "more of one of them")]


def _value_lines(values: Sequence[Shipped]) -> list[str]:
    lines: list[str] = []
    wide = min(max((len(value.value) for value in values), default=0), 40)
    for value in values[:MOST_VALUES]:
        names = value.files[0] if len(value.files) == 1 else f"{value.files[0]} and {len(value.files) - 1} more"
        source = f"  {value.status}: {value.source}" if value.source else f"  {value.status}" if value.status else ""
        lines.append(f"  {'' if lines else 'shipped':9}  {value.value:{wide}}  {names}{source}")
    if len(values) > MOST_VALUES:
        lines.append(f"{'':13}and {counted(len(values) - MOST_VALUES, 'value')} more: --json")
    return lines


def _move_lines(own: Explained) -> list[str]:
    if own.tried_on is None or not own.moves:
        return [f"  {'moves':9}  nothing that a short run of a shipped chip shows: it is off there, or a text"]
    arch, workload, path = own.tried_on
    settings = "".join(f", {setting}" for setting in arch.overrides)
    now = value_at((arch if own.spec == "arch" else workload).value, path)
    loaded = arch if own.spec == "arch" else workload
    text = loaded.figures[path].text if path in loaded.figures else str(now)
    run = f"{arch.value.name} x {workload.value.name}, {counted(EXAMPLES, 'example')}{settings}"
    lines = [f"  {'moves':9}  {run}, from {text} to"]
    wide = max(len(each.value) for each in own.moves)
    for each in own.moves:
        moved = [f"{metric_name(name)} x {ratio:.4g}" for name, ratio in each.ratios.items()]
        moved += ["what training in numbers reads"] if each.numbers else []
        told = f"refused: {each.refused}" if each.refused else ", ".join(moved) or "none of the headline metrics"
        lines += [f"{'':13}{each.value:{wide}}  {line}" if not i else f"{'':15}{'':{wide}}{line}"
                  for i, line in enumerate(textwrap.wrap(told, _WIDE - 15 - wide))]  # fmt: skip
    return lines


def _next(command: str, words: str) -> list[str]:
    return [f"  {command}    {words}"]


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDE, initial_indent=indent, subsequent_indent=indent)
