"""A file to start from: a chip, a workload or a device, with every key explained and those that matter first.

What is said of a key is read from its field (`archsim.spec.keys`), values from the chip or workload it is made from.
"""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archsim.base.atomic import output
from archsim.base.documents import Leaf, dump_yaml, texts
from archsim.base.errors import SpecError, nearest
from archsim.base.plugins import line
from archsim.base.registry import Registry
from archsim.base.section import Section
from archsim.base.shipped import builtin_names
from archsim.base.texts import slug
from archsim.components.base import COMPONENTS, Component
from archsim.components.cells.base import Device
from archsim.components.crossbar import Array, Crossbar
from archsim.spec.arch import ABOUT
from archsim.spec.figures import DEFAULT
from archsim.spec.keys import Key, keys_of
from archsim.spec.loading import Loaded, load_arch
from archsim.studies.views import schema_of
from archsim.workload.loading import load_workload
from archsim.workload.network import Workload

BASES: Mapping[str, str] = {
    "arch": "ambrogio_nature_2018",
    "workload": "mlp_digits",
    "device": "ambrogio_nature_2018",
}
"""What is started from, by what is made, unless another is named."""
DEVICE = "soft_bounds"
"""The kind of a new device unless another is named: most have bounds, and it has the fewest keys."""
FIRST = (
    "tile.count", "tile.rows", "tile.cols", "tile.device.kind", "routing.topology", "floorplan.kind",
    "floorplan.columns", "placement", "schedule.mode", "schedule.in_flight", "schedule.transfer.interval_examples",
    "schedule.transfer.policy",
)  # fmt: skip
"""What matters first in a chip, where the one that it starts from has it; the file gives these, and explains all."""
SCHEMAS = ".archsim"
"""The folder beside a new file that has the schema by which editors complete and check it."""
_WIDE = 110


@dataclass(frozen=True)
class Entry:
    """A key of a spec in use: its dotted path, what it is, and its value as text; "" where it is not given."""

    path: str
    key: Key
    text: str

    @property
    def comment(self) -> list[str]:
        """The lines that explain it."""
        return textwrap.wrap(self.key.told, _WIDE)


def start(kind: str, name: str, base: str | None = None, device: str | None = None) -> dict[Path, str]:
    """Return the files of a new chip, workload or device of that name, by their paths in the current folder.

    `base` is the chip or workload to start from, by name or path, `device` the kind of a device. Raises SpecError with
    what is wrong in what was asked.
    """
    if kind not in MAKERS:
        raise SpecError.at("new", f"'{kind}' is nothing to start", nearest(kind, MAKERS))
    if device is not None and kind != "device":
        raise SpecError.at("--kind", f"is for a device, and this is {kind}", "leave it out")
    stem = name.removesuffix(".yaml")
    if slug(stem) != stem or not stem:
        plain = re.sub(r"[^A-Za-z0-9]+", "_", Path(stem).name).strip("_") or "mine"
        hint = f"give a name such as {plain}: NAME.yaml is written in this folder"
        raise SpecError.at(f"new {kind}", f"'{name}' is not a name of letters, digits, - and _", hint)
    taken = [folder for folder in ("arch_specs", "workloads") if stem in builtin_names(folder)]
    if taken:
        hint = f"give another name; to start from it: archsim new {kind} my_{stem} --from {stem}"
        raise SpecError.at(f"new {kind}", f"'{stem}' is built in, and that is what the name would mean", hint)
    if os.path.lexists(f"{stem}.yaml"):
        raise SpecError.at(f"{stem}.yaml", "is there already", "give another name; nothing was written")
    spec = "workload" if kind == "workload" else "arch"
    schema = Path(SCHEMAS) / f"{spec}.schema.json"
    head = [f"# yaml-language-server: $schema={schema.as_posix()}"]
    own = MAKERS[kind](stem, BASES[kind] if base is None else base, DEVICE if device is None else device)
    return {Path(f"{stem}.yaml"): "\n".join([*head, *own]) + "\n", schema: json.dumps(schema_of(spec)) + "\n"}


def write(files: Mapping[Path, str]) -> None:
    """Write the files of `start`; raise SpecError where one cannot be written."""
    for path, content in files.items():
        with output(path, str(path)) as put:
            put(content)


def tries(kind: str, files: Mapping[Path, str]) -> list[str]:
    """Return what was written, and commands to go on with."""
    file, schema = files
    run = [BASES["arch"], str(file)] if kind == "workload" else [str(file), "mlp_digits"]
    if kind != "workload" and not _trains(file):
        run += ["--set", "mode=inference"]
    key = {"arch": "tile.rows", "workload": "layers.activation", "device": "tile.device.read_energy"}[kind]
    return [
        f"{file}  a {'chip' if kind == 'arch' else kind} to start from; {schema} lets editors complete and check it",
        "", f"check    {line('check', str(file))}", f"run      {line('run', *run)}", f"explain  {line('explain', key)}",
    ]  # fmt: skip


def _trains(file: Path) -> bool:
    """Return whether a chip trains, as far as its file has all that it needs."""
    try:
        chip = load_arch(file).value
    except SpecError:
        return True  # a value of the user's own is to come
    try:
        chip.check_trainable()
    except SpecError:
        return False
    return True


MAKERS: Registry[Callable[[str, str, str], list[str]]] = Registry("kind of file")
"""What makes the lines of a new file from its name, the chip or workload that it starts from, and a kind of device."""


@MAKERS.add("arch")
def arch_lines(name: str, base: str, device: str) -> list[str]:
    """A chip: it extends another, gives what matters first and shows all other keys with their values there."""
    loaded = load_arch(base)
    entries = list(entries_of(loaded))
    first = {entry.path: entry for entry in entries if entry.path in FIRST and entry.text}
    lines = [
        *_said(f"{name}: a chip to start from. It has all that {base} has, except for what is given here. The keys "
               f"that matter first are given; all others are listed below, with what they are in {base}."),
        *_said(f"Check it: archsim check {name}.yaml    Run it: archsim run {name}.yaml mlp_digits"),
        *_said("More of a key, and what it changes: archsim explain tile.rows"),
        "", "kind: arch", f"extends: {_scalar(base)}", f"description: {_scalar(f'My chip, begun as {base}.')}", "",
        *_nested(first),
        *_said("Figures that were published of it, for `archsim published`: those of the chip that it extends are not "
               "its own."), "# published: []",
    ]  # fmt: skip
    return [*lines, *_reference(base, [entry for entry in entries if entry.path not in first])]


@MAKERS.add("device")
def device_lines(name: str, base: str, device: str) -> list[str]:
    """A device: a chip that extends another and has a weight cell of its own, with all of that cell's keys."""
    loaded = load_arch(base)
    kinds = [kind for kind, cls in COMPONENTS.items() if cls.role == "device"]
    if device not in kinds:
        raise SpecError.at("--kind", f"'{device}' is not a device", nearest(device, kinds))
    cls = COMPONENTS[device]
    own = loaded.value.tile.device
    given = (
        {entry.path.rpartition(".")[2]: entry.text for entry in entries_of(loaded)
         if entry.path.startswith("tile.device.") and entry.text}
        if own.kind == device else {key: str(text) for key, text in cls.example.items()}
    )  # fmt: skip
    from_ = f"those of {base}" if own.kind == device else "an example's, to be replaced by your device's"
    lines = [
        *_said(f"{name}: the chip {base} with a weight cell of kind {device}. Figures of the cell are {from_}. Give "
               "each its source: `area: {value: 1 um2, source: where it is from, status: quoted}`."),
        *_said(f"Check it: archsim check {name}.yaml    Train on it: archsim train {name}.yaml mlp_digits --epochs 1"),
        *_said("More of a key, and what it changes: archsim explain tile.device.read_energy"),
        "", "kind: arch", f"extends: {_scalar(base)}",
        f"description: {_scalar(f'{base} with cells of kind {device}.')}", "", "tile:", "  device:",
        *_said(f"{_first_sentence(cls.__doc__)}. Kinds: {', '.join(kinds)}.", "    "), f"    kind: {device}",
    ]  # fmt: skip
    keys = sorted(keys_of(cls, device), key=lambda key: not key.required and key.name not in given)
    for key in keys:
        lines += ["", *_said(key.told, "    ")]
        text = given.get(key.name, key.default)
        off = key.name not in given and not key.required
        lines.append(f"    {'# ' if off else ''}{key.name}: {_scalar(text) if text else '# a value of your own'}")
    return [*lines, *_pulse(loaded.value.tile.array, cls, given, base)]


def _pulse(array: Array, cls: type[Component], given: Mapping[str, str], base: str) -> list[str]:
    """Return the lines by which pulses are as long as a device wants them, where those of the base are too short."""
    try:
        device = cls.model_validate({key: text for key, text in given.items() if key != "kind"})
    except ValidationError:
        return []  # a value of the user's own is to come
    if not isinstance(array, Crossbar) or not isinstance(device, Device) or array.pulse_s >= device.least_pulse_s:
        return []
    told = _said(f"The shortest pulse of an update that the cell takes; those of {base} are shorter.", "    ")
    return ["", "  array:", *told, f"    pulse: {float(device.least_pulse_s) * 1e9:g} ns"]


@MAKERS.add("workload")
def workload_lines(name: str, base: str, device: str) -> list[str]:
    """A workload: a network of its own, which gives what it must and what is not as by default, and shows the rest."""
    loaded = load_workload(base)
    entries = [entry for entry in entries_of(loaded) if entry.path != "weights"]
    first = {
        entry.path: entry for entry in entries
        if entry.text and "layers" not in entry.path and (entry.key.required or entry.text != entry.key.default)
    }  # fmt: skip
    every = [_given(layer) for layer in loaded.value.layers]
    sizes = [loaded.value.layers[0].inputs, *(layer.outputs for layer in loaded.value.layers)]
    short = Workload.filled({"layers": [Leaf(str(size)) for size in sizes]})["layers"]
    in_short = [texts(layer) for layer in short] == [{key: str(own) for key, own in layer.items()} for layer in every]
    layers = dump_yaml({"layers": sizes if in_short else every}, leaves_on_a_line=True)
    lines = [
        *_said(f"{name}: a network to start from, as {base}. What must be given is given, and what is not as by "
               "default; all other keys are listed below."),
        *_said(f"Check it: archsim check {name}.yaml    Run it: archsim run {BASES['arch']} {name}.yaml"),
        *_said("More of a key: archsim explain layers.activation"),
        "", "kind: workload", f"description: {_scalar(f'My network, begun as {base}.')}", "",
        *_said("Layers, from the input on. Sizes are enough: of the network's inputs, then of each layer's outputs. A "
               "mapping says more of one: [64, {outputs: 32, activation: tanh}, 10]."),
        *layers.splitlines(), "", *_nested(first),
    ]  # fmt: skip
    others = [entry for entry in entries if entry.path not in first and entry.path != "layers"]
    of_layers = [Entry(f"layers[].{key.name}", key, "") for key in _layer_keys()]
    return [*lines[:-1], *_reference(base, [*others, *of_layers])]


def _given(layer: Section) -> dict[str, Any]:
    """Return a layer as plain data without what is as by default."""
    defaults = {key.name: key.default for key in keys_of(type(layer))}
    texts = {name: str(own).lower() if isinstance(own, bool) else own for name, own in layer.resolved().items()}
    return {name: layer.resolved()[name] for name, text in texts.items() if text != defaults.get(name)}


def _layer_keys() -> list[Key]:
    from archsim.spec.keys import keys_at

    names = dict.fromkeys(
        key.name for each in keys_of(Workload) if each.name == "layers"
        for kind, section in each.below.items() for key in keys_of(section, kind)
    )  # fmt: skip
    return [key for name in names for key in keys_at(Workload, f"layers.{name}")]


def entries_of(loaded: Loaded[Any]) -> Iterator[Entry]:
    """Yield the keys of a spec in use, each with its value; texts about it, its layers and what it published aside.

    Of a section that it has not, the keys follow without values.
    """
    for key in keys_of(type(loaded.value)):
        if key.name not in (*ABOUT, "layers"):
            yield from _entries(loaded, key, getattr(loaded.value, key.field), key.name)


def _entries(loaded: Loaded[Any], key: Key, value: Any, path: str) -> Iterator[Entry]:
    if not key.below or isinstance(value, str):
        yield Entry(path, key, _text(loaded, key, path, value))
    elif isinstance(value, Section):
        yield from _section(loaded, key, value, path)
    elif isinstance(value, tuple) and value:
        for place, item in enumerate(value):
            yield from _section(loaded, key, item, f"{path}[{place}]")
    else:
        yield Entry(path, key, "")
        for kind, section in key.below.items() if value is None and not key.many else ():
            for inner in keys_of(section, kind):
                if not inner.below:
                    yield Entry(f"{path}.{inner.name}", inner, "")


def _section(loaded: Loaded[Any], key: Key, value: Section, path: str) -> Iterator[Entry]:
    kind = getattr(value, "kind", "")
    if kind and len(key.below) > 1:
        yield Entry(f"{path}.kind", key, kind)
    for inner in keys_of(type(value), kind):
        yield from _entries(loaded, inner, getattr(value, inner.field), f"{path}.{inner.name}")


def _text(loaded: Loaded[Any], key: Key, path: str, value: Any) -> str:
    if path in loaded.figures:
        return loaded.figures[path].to_set if loaded.figures[path].source != DEFAULT else key.default
    return "" if value in (None, (), {}) else str(value).lower() if isinstance(value, bool) else str(value)


def _nested(entries: Mapping[str, Entry]) -> list[str]:
    """Return entries as YAML, each under its explanation, sections one within another, a blank line after each."""
    lines: list[str] = []
    before: list[str] = []
    for path, entry in entries.items():
        *above, last = path.split(".")
        same = next((i for i, (a, b) in enumerate(zip(above, before, strict=False)) if a != b),
                    min(len(above), len(before)))  # fmt: skip
        if lines and same == 0:
            lines.append("")
        lines += [f"{'  ' * i}{above[i]}:" for i in range(same, len(above))]
        indent = "  " * len(above)
        lines += [*_said(entry.key.told, indent), f"{indent}{last}: {_scalar(entry.text)}"]
        before = above
    return [*lines, ""]


def _reference(base: str, entries: list[Entry]) -> list[str]:
    """Return the other keys as comments: dotted, with their values, as `--set` and `explain` take them."""
    lines = [
        "", f"# {'-' * (_WIDE - 2)}",
        *_said(f"All other keys, as they are in {base}. To give one, write it in its section above, by indentation: "
               "`a.b.c: 1` is c under b under a. On a command line: --set a.b.c=1."),
    ]  # fmt: skip
    for entry in entries:
        kind = f" ({entry.key.kind})" if entry.path.startswith("layers[]") else ""
        lines += ["#", f"# {entry.path}: {_scalar(entry.text) if entry.text else f'(not given){kind}'}"]
        lines += [f"#     {line}" for line in textwrap.wrap(entry.key.told, _WIDE - 6)]
    return lines


def _said(text: str, indent: str = "") -> list[str]:
    return [f"{indent}# {line}" for line in textwrap.wrap(text, _WIDE - len(indent) - 2)]


def _scalar(text: str) -> str:
    """Return a text as YAML writes it on a line."""
    if re.fullmatch(r"[+-]?[0-9.e+-]+|true|false", text):
        return text
    return dump_yaml({"x": text}).partition(": ")[2].replace("\n ", "").strip() if text else "''"


def _first_sentence(text: str | None) -> str:
    return " ".join((text or "").split()).partition(". ")[0].rstrip(".")
