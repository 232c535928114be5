"""Records of the result files that archsim writes and reads again: one declaration for writer and reader."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, ValidationError

from archsim.base.errors import Problem

Number: TypeAlias = int | float
"""A count stays a whole number, also in the files that are made of it."""
MOST_PROBLEMS = 8


class Record(BaseModel):
    """A part of a result file. It has all of its keys and no others, and neither NaN nor infinity."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, protected_namespaces=(),
        ser_json_inf_nan="strings",
    )  # fmt: skip

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what a file holds; raise ValidationError, which `faults_of` explains, unless it is of this kind."""
        return cls.model_validate_json(text, strict=True)

    def plain(self) -> Any:
        """Return it as JSON holds it: mappings, lists, numbers, text and None."""
        return self.model_dump(mode="json", by_alias=True)

    def json_text(self) -> str:
        """Return it as the text of a file."""
        return json.dumps(self.plain(), indent=1, allow_nan=False) + "\n"


class Named(Record):
    """A spec by its name, and by the hash of all that it says."""

    name: str
    hash: str


def faults_of(error: ValidationError, where: str, hint: str, joint: str = ": ") -> list[Problem]:
    """Return what is wrong in a result file, place by place; the last one says what to try."""
    told: dict[str, str] = {}
    for fault in error.errors(include_url=False):
        parts = [part for part in fault["loc"] if part not in ("int", "float", "none")]  # of a union
        place = re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", ".".join(map(str, parts)))
        told.setdefault(f"{where}{joint}{place}" if place else where, _what(fault["type"], fault))
    found = list(itertools.starmap(Problem, told.items()))
    shown, more = found[:MOST_PROBLEMS], len(found) - MOST_PROBLEMS
    if more > 0:
        shown.append(Problem("", f"and {more:,} more"))
    return [*shown[:-1], Problem(shown[-1].where, shown[-1].what, hint)]


def _what(kind: str, fault: Any) -> str:
    if kind in _SAID:
        return _SAID[kind]
    wanted = next((words for start, words in _WANTED.items() if kind.startswith(start)), None)
    if wanted is None:
        return str(fault["msg"]).removeprefix("Value error, ")
    given = _NAMES.get(type(fault["input"]), "a number")
    return f"is {given} and not {wanted}"


_SAID = {"missing": "is missing", "json_invalid": "is no JSON: it was cut off or edited",
         "extra_forbidden": "is unknown"}  # fmt: skip
_WANTED = {"int": "a number", "float": "a number", "finite": "a number", "string": "text", "bool": "yes or no",
           "tuple": "a list", "list": "a list", "model": "a mapping", "dict": "a mapping", "mapping": "a mapping",
           "dataclass": "a mapping"}  # fmt: skip
_NAMES = {dict: "a mapping", list: "a list", str: "text", bool: "yes or no", type(None): "null"}
