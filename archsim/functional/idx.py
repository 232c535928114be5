"""IDX files, in which MNIST comes: bytes of some dimensions, plain or compressed."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from archsim.base.doors import check_regular, door
from archsim.base.errors import Problem, SpecError
from archsim.base.limits import ARRAY_BYTES, STATE_BYTES
from archsim.base.words import counted

Bytes = NDArray[np.uint8]


def read_idx(path: Path, dimensions: int) -> Bytes:
    """Return the bytes of an IDX file, plain or compressed by gzip, as an array of so many dimensions.

    The format (the MNIST database's page): two zero bytes, 8 for unsigned bytes, the number of dimensions, each
    dimension as a big-endian 32-bit integer, then the bytes. Raises SpecError if the file is anything else.
    """

    def wrong(what: str, hint: str = "get it again") -> SpecError:
        return SpecError([Problem(str(path), what, hint)])

    check_regular(path, str(path), "check the file's permissions", STATE_BYTES)
    with door(str(path), "cannot be read ({why})", "get it again, or check its permissions"), path.open("rb") as plain:
        compressed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        if not compressed:
            head, body, size = _idx_parts(plain, dimensions)
        else:
            packed = (gzip.BadGzipFile, EOFError, zlib.error)
            with (
                door(str(path), "is not a whole gzip file ({why})", "get it again", packed),
                gzip.open(plain) as unpacked,
            ):
                head, body, size = _idx_parts(unpacked, dimensions)  # type: ignore[arg-type]
    ARRAY_BYTES.check(size, f"{path}: its header")
    magic = bytes([0, 0, 8, dimensions])
    if head[:4] != magic:
        what = f"begins with 0x{head[:4].hex()}" if head else "is empty"
        raise wrong(f"{what}; an IDX file of {dimensions}-dimensional bytes begins with 0x{magic.hex()}")
    if len(head) < 4 + 4 * dimensions:
        raise wrong(f"is truncated: {counted(len(head), 'byte')}, of {4 + 4 * dimensions} of the header alone")
    shape = tuple(int(each) for each in np.frombuffer(head, dtype=">u4", offset=4))
    if len(body) < size:
        has = counted(len(body), "byte")
        raise wrong(f"is truncated: {has} follow the header, which says {times(shape)} = {size:,}")
    if len(body) > size:
        raise wrong(f"is too long: more bytes follow the header than the {times(shape)} = {size:,} that it says")
    return np.frombuffer(body, dtype=np.uint8).reshape(shape)


def _idx_parts(file: BinaryIO, dimensions: int) -> tuple[bytes, bytes, int]:
    """Return header, bytes and number of bytes that the header says, reading at most one byte more than that."""
    head = file.read(4 + 4 * dimensions)
    if len(head) < 4 + 4 * dimensions or head[:4] != bytes([0, 0, 8, dimensions]):
        return head, b"", 0
    size = math.prod(int(each) for each in np.frombuffer(head, dtype=">u4", offset=4))
    if size > ARRAY_BYTES.most:
        return head, b"", size
    blocks: list[bytes] = []
    left = size + 1  # the byte beyond the last tells that a file is too long, and makes gzip check its sum
    while left and (block := file.read(min(left, 1 << 20))):
        blocks.append(block)
        left -= len(block)
    return head, b"".join(blocks), size


def times(shape: tuple[int, ...]) -> str:
    """Return a shape in words: '60,000 x 28 x 28'."""
    return " x ".join(f"{each:,}" for each in shape)
