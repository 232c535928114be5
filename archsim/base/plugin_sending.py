"""How other processes, and what is kept for later, know which plug-ins there are: by the code of each."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from archsim.base.errors import SpecError
from archsim.base.plugin_loading import bring_up, load_installed, look_no_more
from archsim.base.plugins import KNOWN, LOCK, Plugin, Way, active, bring_back, put_aside
from archsim.base.scratch import scratch


class Sent(NamedTuple):
    """A plug-in as another process is told of it; `source` goes along where a file was named."""

    name: str
    module: str
    way: Way
    digest: str
    path: str
    source: bytes | None


def versions() -> tuple[tuple[str, str], ...]:
    """Return the plug-ins in use, installed ones included, each with the digest of its code."""
    load_installed()
    return tuple(sorted({(f"plug-in {own.label}", own.digest) for own in active() if own.entries}))


def to_send() -> tuple[Sent, ...]:
    """Return the plug-ins in use as another process is told of them; raise SpecError where it could not have one."""
    load_installed()
    found = [own for own in active() if own.entries]
    for own in found:
        if own.module == "__main__":
            what = f"registers {own.registered[0]}, and other processes, which share the work, cannot import it"
            hint = "write that to a .py file, and call load_plugin('FILE.py'); or take jobs=1"
            raise SpecError.at(str(own.path or "this session"), what, hint)
    return tuple(
        Sent(own.name, own.module, own.way, own.digest, str(own.path or ""), own.source) for own in found
    )  # fmt: skip


def receive(sent: Sequence[Sent]) -> None:
    """Have just the plug-ins that another process told of; raise SpecError where one cannot be had, or is another."""
    with LOCK:
        look_no_more()
        wanted = [next((own for own in KNOWN if _is(own, each)), None) for each in sent]
        for own in active():
            if own not in wanted:
                put_aside(own)
        for each, there in zip(sent, wanted, strict=True):
            own = there or _received(each)
            bring_back(own)
            own.name, own.way = each.name, each.way


def _is(own: Plugin, sent: Sent) -> bool:
    return (own.module, own.digest) == (sent.module, sent.digest)


def _received(sent: Sent) -> Plugin:
    """Return the plug-in that another process told of, loaded here."""
    if sent.source is not None:
        own = Plugin(sent.name, sent.module, sent.way, sent.digest, _lies(sent), sent.source)
        bring_up(own, sent.name)
        return own
    own = Plugin(sent.name, sent.module, sent.way, "")
    bring_up(own, sent.name)
    if own.digest != sent.digest:
        what = "is another version than where the command was given"
        raise SpecError.at(f"the plug-in {sent.module}", what, "install the same on both, and start workers anew")
    return own


def _lies(sent: Sent) -> Path:
    """Return where the file of a plug-in lies here, or a copy, so that what is compiled of it can be kept."""
    path = Path(sent.path)
    with suppress(OSError):
        if path.read_bytes() == sent.source:
            return path
    if (folder := scratch()) is not None and sent.source is not None:
        from archsim.base.atomic import claimed

        copy = folder / f"{sent.module}.py"
        with suppress(OSError), claimed(copy) as claim:
            claim.write(sent.source)
            return copy
    return path
