"""Records of the result files that archsim writes and reads again: one declaration for writer and reader."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema

from archsim.base.doors import check_keys, door, read_json, read_plain
from archsim.base.errors import Problem, SpecError
from archsim.base.uncollected import uncollected
from archsim.base.validation import said

Number: TypeAlias = int | float
"""A count stays a whole number, also in the files that are made of it."""
MOST_PROBLEMS = 8
MOST_READ = 1000


def end_at_first(schema: Any) -> None:
    """Have the lists and mappings of a schema end at their first fault; those of its parts, too."""
    for part in schema.values() if isinstance(schema, dict) else schema:
        if isinstance(part, dict | list | tuple):
            end_at_first(part)
    if isinstance(schema, dict) and schema.get("type") in ("list", "tuple", "dict"):
        schema["fail_fast"] = True


class Record(BaseModel):
    """A part of a result file. It has all of its keys and no others, and neither NaN nor infinity."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, protected_namespaces=(),
        ser_json_inf_nan="strings",
        defer_build=True,  # a command reads and writes few of all kinds
    )  # fmt: skip

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Have a list or mapping end at its first fault: a file of a million would take minutes to be refused."""
        schema = handler(source)
        end_at_first(schema)
        return schema

    @classmethod
    def read(cls, text: str) -> Self:
        """Return what a file holds; raise ValidationError, which `faults_of` explains, unless it is of this kind."""
        with uncollected():
            return cls.model_validate_json(text, strict=True)

    @classmethod
    def read_from(cls, text: str, where: str, hint: str) -> Self:
        """Return what the text of a file holds; raise SpecError with what is wrong in it, place by place."""
        with door(where, "is not what archsim writes ({why})", hint, raises=(RecursionError, OverflowError)):
            check_keys(text, where)
            try:
                return cls.read(text)
            except ValidationError as error:
                raise SpecError(faults_of(error, where, hint)) from None

    @classmethod
    def read_file(cls, path: Path, where: str, hint: str) -> Self:
        """Return what a file holds; raise SpecError if it cannot be read, or with what is wrong in it."""
        return cls.read_from(read_plain(path, where, hint), where, hint)

    def plain(self) -> Any:
        """Return it as JSON holds it: mappings, lists, numbers, text and None."""
        return self.model_dump(mode="json", by_alias=True)

    def json_text(self) -> str:
        """Return it as the text of a file."""
        return json.dumps(self.plain(), indent=1, allow_nan=False) + "\n"


def schema_of(text: str) -> Any:
    """Return the schema that the text of a file names; None if it names none."""
    try:
        with door("", "", ""):
            found = read_json(text)
    except SpecError:
        return None
    return found.get("schema") if isinstance(found, dict) else None


class Named(Record):
    """A spec by its name, and by the hash of all that it says."""

    name: str
    hash: str


def faults_of(error: ValidationError, where: str, hint: str, joint: str = ": ") -> list[Problem]:
    """Return what is wrong in a result file, place by place; the last one says what to try."""
    told: dict[str, str] = {}
    for fault in error.errors(include_url=False)[:MOST_READ]:
        parts = [part for part in fault["loc"] if part not in ("int", "float", "none")]  # of a union
        place = re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", ".".join(map(str, parts)))
        told.setdefault(f"{where}{joint}{place}" if place else where, said(fault)[0])
    found = [Problem(place, what, "") for place, what in told.items()]
    more = len(found) - MOST_PROBLEMS + max(error.error_count() - MOST_READ, 0)
    shown = found[:MOST_PROBLEMS]
    if more > 0:
        shown.append(Problem("", f"and {more:,} more", hint))
    return [*shown[:-1], Problem(shown[-1].where, shown[-1].what, hint)]
