"""Figures that follow from others: `energy: {estimate: adc_energy, of: {rate: 1 GHz}}`.

What the estimator asks for and `of` does not give is the part's own figure of that name (`bits`), or else the
technology's (`node`); so the figure follows where these are set. A frequency may be given as the time of a period.
Of a figure that was given under another condition, `{estimate: at_supply, of: {energy: {value: 9.7 pJ, source: ...},
given_at: 0.85 V}}`, the source, status and range stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from archsim.base.documents import ESTIMATE, Leaf, Tree
from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.units import engineering, parse_number, parse_quantity
from archsim.estimates import ESTIMATORS, Estimator, Parameter

OF, STATUS = "of", "estimated"
DIGITS = 6
"""Of an estimate as text: its spread is far wider."""
_BYTES = {"byte": 1, "bytes": 1, "B": 1, "KB": 2**10, "MB": 2**20}


def estimated(tree: dict[str, Tree], label: str) -> dict[str, Tree]:
    """Return a spec's tree in which each estimate is a figure with its range, source and status.

    Raises SpecError, with all faults at once, where one does not hold.
    """
    problems: list[Problem] = []
    technology = tree.get("technology")
    outer = technology if isinstance(technology, dict) else {}
    found = _within(tree, "", (outer,), "scaling" in tree, problems)
    if problems:
        raise SpecError([replace(problem, where=f"{label}: {problem.where}") for problem in problems])
    assert isinstance(found, dict)
    return found


def _within(
    tree: Tree, path: str, around: tuple[Mapping[str, Tree], ...], scaled: bool, problems: list[Problem]
) -> Tree:  # fmt: skip
    if isinstance(tree, list):
        items = [_within(item, f"{path}[{i}]", around, scaled, problems) for i, item in enumerate(tree)]
        return items if any(a is not b for a, b in zip(items, tree, strict=True)) else tree
    if isinstance(tree, Leaf):
        return tree
    if isinstance(tree.get(ESTIMATE), Leaf):
        return _figure(tree, path, around, scaled, problems)
    own = (tree, around[-1])
    below = {
        key: _within(value, f"{path}.{key}" if path else key, own, scaled, problems) for key, value in tree.items()
    }
    return below if any(below[key] is not tree[key] for key in tree) else tree


def _figure(
    tree: dict[str, Tree], path: str, around: tuple[Mapping[str, Tree], ...], scaled: bool, problems: list[Problem]
) -> Tree:  # fmt: skip
    """Return the figure that an estimate makes; what is wrong with it goes to `problems`."""
    before = len(problems)
    name, given = tree[ESTIMATE], tree.get(OF, {})
    assert isinstance(name, Leaf)
    problems += [
        Problem(f"{path}.{key}", "an estimate has no such key", "give estimate and of, and a note")
        for key in tree if key not in (ESTIMATE, OF)
    ]  # fmt: skip
    if not isinstance(given, dict):
        problems.append(Problem(f"{path}.{OF}", "is not a mapping", "give what it is of: {bits: 8, rate: 1 GHz}"))
        given = {}
    if name.text not in ESTIMATORS:
        what = f"'{name.text}' is not an estimator"
        problems.append(Problem(f"{path}.{ESTIMATE}", what, nearest(name.text, ESTIMATORS)))
        return tree
    law = ESTIMATORS[name.text]
    texts: dict[str, str] = {}
    for key in dict.fromkeys((*law.parameters, *given)):
        leaf = given.get(key) if key in given else next((own[key] for own in around if key in own), None)
        if isinstance(leaf, Leaf):
            texts[key] = leaf.text
    if scaled and "node" in law.parameters and "node" not in given:
        what = "an estimate at the chip's node would be scaled to it once more"
        problems.append(Problem(f"{path}.{OF}", what, "say of what node it is: {node: 45 nm}, or leave scaling out"))
    values: dict[str, float | str] = {}
    for key, text in texts.items():
        try:
            values[key] = _read(law.parameters[key], text) if key in law.parameters else text
        except ValueError as error:
            problems.append(Problem(f"{path}.{OF}.{key}", str(error), f"allowed: {law.parameters[key].allowed}"))
    if len(problems) > before:
        return tree
    try:
        made = law.estimate(**values)
    except SpecError as error:
        problems += [replace(each, where=f"{path}.{OF}.{each.where.partition('.')[2]}") for each in error.problems]
        return tree
    if law.scales:
        return _scaled(law, given, texts, values, name.note)
    said = ", ".join(f"{key} {texts[key]}" for key in law.parameters)
    value, low, high = (engineering(each, law.quantity, DIGITS) for each in (made.value, made.low, made.high))
    return Leaf(value, _source(law, said), STATUS, name.note, range=(low, high), estimate=law.name)


def _scaled(
    law: Estimator, given: Mapping[str, Tree], texts: Mapping[str, str], values: Mapping[str, float | str], note: str
) -> Leaf:
    """Return the figure that an estimator makes of another, with the source, status and range of that."""
    own = given[law.scales]
    assert isinstance(own, Leaf)
    at = ", ".join(f"{key} {texts[key]}" for key in law.parameters if key != law.scales)
    source = f"{own.source or own.status or 'command line'}: {own.text}; {law.equation}, {at}"
    status = "derived" if own.status == "quoted" or (own.source and not own.status) else own.status or "assumption"
    made = [
        law.estimate(**{**values, law.scales: _read(law.parameters[law.scales], text)}).value
        for text in (own.text, *own.range)
    ]
    value, *ends = (engineering(each, law.quantity, DIGITS) for each in made)
    return Leaf(value, source, status, note or own.note, range=tuple(ends))


def _source(law: Estimator, said: str) -> str:
    return f"{law.name} of {said}: {law.source}"


def _read(parameter: Parameter, text: str) -> Any:
    """Return what a text says of a parameter, in its SI unit; raise ValueError where it says nothing that fits."""
    if text in parameter.choices:
        return text
    if parameter.unit == "byte":
        number, _, unit = text.strip().partition(" ")
        if unit and unit not in _BYTES:
            raise ValueError(f"'{text}' is not a size; give '8 KB' or a number of bytes")
        return float(parse_number(number)) * _BYTES.get(unit, 1)
    if not parameter.unit:
        return float(parse_number(text))
    if parameter.unit == "Hz":
        try:
            return 1 / float(parse_quantity(text, "s"))
        except (ValueError, ZeroDivisionError):
            pass
    return float(parse_quantity(text, {"m2": "m**2"}.get(parameter.unit, parameter.unit)))
