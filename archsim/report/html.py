"""What pages in HTML share: their templates, styles and scripts, and the policy that forbids all others."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.report.table import in_code, metric_text, plain


def source(name: str) -> str:
    """Return a file of the page, its script or its style sheet."""
    return (files("archsim.report") / "templates" / name).read_text("utf-8")


def policy(*scripts: str) -> str:
    """Return the page's content security policy: nothing from elsewhere, and no script but those given."""
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()}'" for own in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def environment() -> Environment:
    """Return the environment of the report's templates."""
    made = Environment(
        loader=PackageLoader("archsim.report"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=False, keep_trailing_newline=True,
    )  # fmt: skip
    made.filters["eng"] = engineering
    made.filters["counted"] = counted
    made.filters["metric"] = metric_text
    made.filters["plain"] = plain
    made.filters["code"] = in_code
    return made
