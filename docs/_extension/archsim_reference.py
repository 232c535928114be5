"""Writes the pages of the reference from the code, into `reference/made/`, before Sphinx reads them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import typer
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from pydantic import BaseModel
from sphinx.application import Sphinx

from archsim.base.registry import Registry
from archsim.base.section import Section
from archsim.cli import app as _cli  # noqa: F401 (its import adds all commands)
from archsim.components import COMPONENTS
from archsim.components.base import Component
from archsim.estimates import ESTIMATORS
from archsim.results.metric_words import MEANINGS
from archsim.results.metrics import METRICS
from archsim.spec.arch import ArchSpec
from archsim.spec.keys import Key, keys_of
from archsim.studies.study import all_studies
from archsim.studies.views import CHOICES
from archsim.workload import Workload


def setup(sphinx: Sphinx) -> dict[str, bool]:
    """Have the pages written when a build begins."""
    sphinx.add_html_math_renderer("mathml", (_formula, None), (_display, None))
    sphinx.connect("builder-inited", lambda sphinx: write(Path(sphinx.srcdir) / "reference" / "made"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(folder: Path) -> None:
    """Write all pages into a folder; what is as it was is left, so that Sphinx does not read it again."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        path, text = folder / name, make()
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


# ---- formulas: MathML, which browsers show without a script or a network


def _formula(writer: Any, node: nodes.math) -> None:
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _display(writer: Any, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>')
    raise nodes.SkipNode


# ---- Markdown


def table(heads: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, and nothing where it has no rows."""
    body = [f"| {' | '.join(_cell(text) for text in row)} |" for row in rows]
    return [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}", *body, ""] if body else []


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def told(doc: str | None) -> str:
    """Return a docstring as Markdown: paragraphs as they are, nothing that would be taken for HTML or a heading."""
    text = inspect.cleandoc(doc or "")
    text = re.split(r"^>>> ", text, maxsplit=1, flags=re.MULTILINE)[0].strip()
    lines = []
    for line in text.splitlines():
        if line.startswith("    "):
            lines.append(line)  # code
        else:
            parts = line.split("`")
            parts[::2] = [re.sub(r"([<>*_\[\]|])", r"\\\1", part) for part in parts[::2]]
            lines.append("`".join(parts))
    return "\n".join(lines)


def first(doc: str | None) -> str:
    """Return the first paragraph of a docstring as Markdown, in one line."""
    return " ".join(told((doc or "").split("\n\n")[0]).split())


# ---- commands


def commands() -> str:
    """Return the page of all commands."""
    from archsim.cli.apps import app

    lines = ["# Commands", "", "`archsim COMMAND --help` says the same. `python -m archsim` is the same command.", ""]
    for words, command in leaves(typer.main.get_command(app), ()):
        name = " ".join(("archsim", *words))
        with command.make_context(name, [], resilient_parsing=True) as context:
            pieces = " ".join(command.collect_usage_pieces(context))
            shown = [param.get_help_record(context) for param in command.get_params(context)]
        pieces = re.sub(r"\{([^}]*)\}", r"\1", pieces)  # what typer puts around a required argument
        lines += [f"## {name}", "", told(command.help), "", "```text", f"{name} {pieces}", "```", ""]
        rows = [(re.sub(r" <[^>]*>+$", "", a), b) for a, b in filter(None, shown) if a != "--help"]
        lines += table(["argument, option", "meaning"], [(f"`{a}`", told(b)) for a, b in rows])
    return "\n".join(lines)


def leaves(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (words, command) of all commands that are no groups, in the order in which help lists them."""
    for name, own in getattr(command, "commands", {}).items():
        if hasattr(own, "commands"):
            yield from leaves(own, (*words, name))
        else:
            yield (*words, name), own


# ---- parts


def components() -> str:
    """Return the page of all components, by the place where they stand."""
    lines = ["# Components", "", "What stands in a spec where a `kind` is asked for: `archsim list component`.", ""]
    roles: dict[str, list[type[Section]]] = {}
    for kind in COMPONENTS:
        roles.setdefault(COMPONENTS[kind].role, []).append(COMPONENTS[kind])
    for role, classes in roles.items():
        lines += [f"## {role}", ""]
        for cls in classes:
            lines += [f"### `{cls.kind}`", "", told(cls.__doc__), "", *keys(cls)]
    return "\n".join(lines)


def keys(cls: type[Section]) -> list[str]:
    """Return the table of a section's keys."""
    return table(["key", "what is allowed", "default", "meaning"], map(_key, keys_of(cls)))


def _key(key: Key) -> tuple[str, str, str, str]:
    default = "**required**" if key.required else f"`{key.default}`" if key.default else ""
    return f"`{key.name}`", told(key.allowed), default, told(key.meaning)


def spec(kind: str, root: type[Section]) -> str:
    """Return the page of all keys of a kind of spec; components and choices have pages of their own."""
    lines = [
        f"# Keys of {'a chip' if kind == 'arch' else 'a workload'}", "",
        f"A file opens with `kind: {kind}`. It may extend another: `extends: NAME` or a path; then it gives only what "
        "differs; name, texts and what was published are its own. A figure is `{value: 1.667 pJ, source: ..., "
        "status: ...}` or bare; `archsim explain KEY` tells more "
        f"of a key, `archsim new {kind} NAME` writes a file to start from.", "",
    ]  # fmt: skip
    waiting: list[tuple[str, type[Section]]] = [("", root)]
    while waiting:
        path, cls = waiting.pop(0)
        lines += [
            f"## `{path}`" if path else "## At the top",
            "",
            *(["", told(cls.__doc__), ""] if path else []),
            *keys(cls),
        ]
        for key in keys_of(cls):
            for below, section in key.below.items():
                if not issubclass(section, Component) and section is not cls and key.many != "by name":
                    name = f"{path}.{key.name}" if path else key.name
                    waiting.append((f"{name} ({below})" if below else name, section))
    return "\n".join(lines)


def choices() -> str:
    """Return the page of what a chip, a workload or a network chooses by name."""
    lines = ["# Choices", "", "What a key names: `archsim list` shows all of them.", ""]
    for kinds in CHOICES.values():
        for kind, registry in kinds:
            lines += [f"## {kind}", "", *entries(registry)]
    lines += ["## estimator", "", "`energy: {estimate: NAME, of: {...}}` in a spec.", ""]
    return "\n".join([*lines, *entries(ESTIMATORS)])


def entries(registry: Registry[Any]) -> list[str]:
    """Return the table of what a registry has."""
    return table(["name", "what it is"], [(f"`{name}`", first(own.__doc__)) for name, own in registry.items()])


# ---- files


def files() -> str:
    """Return the page of the files that studies write."""
    from archsim.studies.run.page import Run

    metrics = [(f"`{name}`", told(MEANINGS[name])) for name in METRICS]
    lines = ["# Files", "", "What a report's folder holds, by the file that marks it. All figures are in SI units, and "
             "names end in the unit; what is undefined is `null`.", "",
             "## metrics.json", "", "Of `archsim run` and `archsim crosscheck`.", "", *records(Run),
             "### metrics", "", *table(["metric", "meaning"], metrics)]  # fmt: skip
    for name, study in all_studies().items():
        says = f"Of `archsim {study.inputs.words}`. {first(study.data.__doc__)}"
        lines += [f"## {name}", "", says, "", *records(study.data)]
    return "\n".join(lines)


def records(model: type[BaseModel]) -> list[str]:
    """Return the tables of a file's records, the whole first; parts are shown once."""
    whole = model.model_json_schema(by_alias=True, mode="serialization")
    lines = _fields(whole)
    for name, part in whole.get("$defs", {}).items():
        if part.get("properties"):
            lines += [f"**{name}**: {first(part.get('description'))}", "", *_fields(part)]
    return lines


def _fields(schema: dict[str, Any]) -> list[str]:
    return table(["key", "holds"], [(f"`{key}`", _holds(own)) for key, own in schema.get("properties", {}).items()])


def _holds(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "anyOf" in schema:
        return " or ".join(_holds(each) for each in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    kind = schema.get("type", "anything")
    if kind == "array":
        if parts := schema.get("prefixItems"):
            return f"({', '.join(map(_holds, parts))})"
        return f"list of {_holds(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"mapping to {_holds(schema['additionalProperties'])}"
    return {"integer": "whole number", "null": "null", "object": "mapping"}.get(kind, kind)


def first_run() -> str:
    """Return what a terminal shows of the first run."""
    import archsim
    from archsim.report.terminal import lines

    return "\n".join(lines(archsim.run("ambrogio_nature_2018", "mlp_mnist").document)) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands,
    "arch.md": partial(spec, "arch", ArchSpec),
    "workload.md": partial(spec, "workload", Workload),
    "components.md": components,
    "choices.md": choices,
    "files.md": files,
    "first_run.txt": first_run,
}
