"""Data sets that can be fetched: from where, and by which sums their files are known."""

from __future__ import annotations

import hashlib
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from queue import Empty, Full, Queue
from typing import BinaryIO
from urllib.error import HTTPError

from archsim.base.atomic import claimed, clear
from archsim.base.doors import door
from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.limits import DOWNLOAD_BYTES, DOWNLOAD_S
from archsim.base.words import counted
from archsim.functional.data_folder import data_folder


@dataclass(frozen=True)
class Download:
    """Files that can be fetched: a base URL and, by name, the SHA-256 of each as it must be."""

    url: str
    sha256: Mapping[str, str]


# The original files' sums, computed from copies whose MD5 sums are those that torchvision publishes for the originals;
# the address is the mirror that torchvision names, since yann.lecun.com no longer serves them.
DOWNLOADS = {
    "mnist": Download(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        {
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    )
}


def fetch(
    name: str, folder: Path | None = None, base_url: str | None = None, timeout_s: float = 60.0
) -> list[tuple[Path, bool]]:
    """Return the files of a data set, each with whether it was fetched now, after fetching those not there already.

    They go to `NAME` in `data_folder(folder)`, or to that folder itself if it is called so. A file appears only when
    whole and of the right SHA-256; one that is there and right is left alone. Raises SpecError if a file cannot be
    had, is larger or takes with the others longer than the limits say, and then leaves nothing of it, nor of a
    folder that was made for it.
    """
    if name not in DOWNLOADS:
        what = f"'{name}' is not a data set that can be fetched"
        raise SpecError([Problem("data fetch", what, nearest(name, DOWNLOADS))])
    base = data_folder(folder)
    target = base if base.name == name else base / name
    address = (base_url or DOWNLOADS[name].url).rstrip("/")
    found: list[tuple[Path, bool]] = []
    end_s = time.monotonic() + DOWNLOAD_S.most
    for file, expected in DOWNLOADS[name].sha256.items():
        # Where the loaders look first, so that a broken file there is replaced and hides nothing.
        path = next((place / file for place in (base, target) if (place / file).is_file()), target / file)
        valid = path.is_file() and _sha256(path) == expected
        if valid:
            clear(path)
        found.append((path, not valid and _download(f"{address}/{file}", path, expected, timeout_s, end_s)))
    return found


def _download(url: str, path: Path, expected: str, timeout_s: float, end_s: float) -> bool:
    """Write what a URL gives until `end_s` to a path, if its SHA-256 is the expected one; raise SpecError else.

    Returns whether it did: another process may have done so meanwhile.
    """
    told = partial(door, str(path), "cannot be written: {why}", "choose a folder with --data DIR", (OSError,))
    with ExitStack() as held:
        with told():
            claim = held.enter_context(claimed(path, end_s - time.monotonic()))
        if path.is_file() and _sha256(path) == expected:
            return False
        with told():
            claim.write(partial(_copy, url, f"copy the file to {path} from elsewhere", expected, timeout_s, end_s))
    return True


def _copy(url: str, by_hand: str, expected: str, timeout_s: float, end_s: float, file: BinaryIO) -> None:
    """Write what a URL gives to an open file; raise SpecError unless it can be had and is what is expected."""
    size, found = 0, hashlib.sha256()
    for block in _told(_blocks(url, timeout_s, end_s), url, by_hand):
        size += len(block)
        DOWNLOAD_BYTES.check(size, url)
        found.update(block)
        file.write(block)
    if found.hexdigest() != expected:
        what = f"gave {counted(size, 'byte')} of SHA-256 {found.hexdigest()}, not the file of {expected}"
        raise SpecError([Problem(url, what, f"nothing of it is kept; try again, or {by_hand}")])


def _told(blocks: Iterator[bytes], url: str, by_hand: str) -> Iterator[bytes]:
    """Yield what a URL gives; raise SpecError where that fails."""
    try:
        yield from blocks
    except HTTPError as error:
        error.close()
        what = f"the server answers {error.code} {error.reason}"
        raise SpecError([Problem(url, what, f"try later, or {by_hand}")]) from None
    except (OSError, HTTPException, ValueError) as error:
        what = f"cannot be fetched ({getattr(error, 'reason', None) or error})"
        raise SpecError([Problem(url, what, f"check the connection, or {by_hand}")]) from None


def _blocks(url: str, timeout_s: float, end_s: float) -> Iterator[bytes]:
    """Yield what a URL gives; raise what fetching it raises, and TimeoutError when the monotonic clock is at `end_s`.

    A server can answer byte by byte for ever, each in time; so who waits is not who reads.
    """
    found: Queue[bytes | Exception] = Queue(8)
    left = threading.Event()

    def give(item: bytes | Exception) -> bool:
        while not left.is_set():
            with suppress(Full):
                found.put(item, timeout=0.1)
                return True
        return False

    def read() -> None:
        try:
            with urllib.request.urlopen(url, timeout=timeout_s) as answer:
                while block := answer.read1(1 << 20):
                    if not give(block):
                        return
                if missing := getattr(answer, "length", 0):
                    raise IncompleteRead(b"", missing)
            give(b"")
        except Exception as error:  # whatever it is, it is raised where it is waited for
            give(error)

    threading.Thread(target=read, daemon=True).start()
    try:
        while True:
            try:
                item = found.get(timeout=max(0.0, end_s - time.monotonic()))
            except Empty:
                raise TimeoutError(f"it takes more than {DOWNLOAD_S.most:,} s") from None
            if isinstance(item, Exception):
                raise item
            if not item:
                return
            yield item
    finally:
        left.set()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
