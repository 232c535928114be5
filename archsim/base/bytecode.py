"""Compiled templates, kept as Python keeps compiled modules: to compile the page takes longer than to fill it in."""

from __future__ import annotations

import contextlib
import hashlib
import pickle
import sys
from collections.abc import Callable, Mapping
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket

from archsim.base.atomic import claimed


class Compiled(BytecodeCache):
    """Keeps compiled templates in `__pycache__` beside them, or where PYTHONPYCACHEPREFIX says.

    Jinja takes what it finds only if it belongs to the template's text and to its and Python's version; `options` are
    those of the environment, of which it compares nothing. What cannot be read or written is compiled each time.
    """

    def __init__(self, options: Mapping[str, Any]):
        named = {name: getattr(own, "__qualname__", own) for name, own in options.items()}
        self.options = hashlib.sha256(repr(sorted(named.items())).encode()).hexdigest()[:8]

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """Return the file that holds a template's code, "" if it lies in none."""
        if filename is None:
            return ""
        return str(Path(cache_from_source(f"{filename}.py", optimization=self.options)).with_suffix(".jinja"))

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill a bucket with the code that was kept, if there is any."""
        unreadable = (OSError, EOFError, ValueError, pickle.UnpicklingError)
        with contextlib.suppress(*unreadable), Path(bucket.key).open("rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep a bucket's code, as a whole or not at all."""
        if sys.dont_write_bytecode or not bucket.key:
            return
        with contextlib.suppress(OSError), claimed(Path(bucket.key)) as claim:
            claim.write(bucket.bytecode_to_string())


def keeping(**options: Any) -> Environment:
    """Return an environment of these options that keeps its compiled templates."""
    return Environment(bytecode_cache=Compiled(options), **options)


def templates(package: str, text: Callable[[Any], Any], **names: Any) -> Environment:
    """Return the environment of a package's own templates, which know these names as filters and as functions.

    Every value that they show goes through `text` and is escaped.
    """
    made = keeping(trim_blocks=True, lstrip_blocks=True, autoescape=True, keep_trailing_newline=True, finalize=text)
    made.loader, made.undefined = PackageLoader(package), StrictUndefined
    made.globals |= names
    made.filters |= {**names, "g": "{:g}".format}
    return made
