"""Where files lie: a disk of this machine, or another's over a network."""

from __future__ import annotations

import re
from pathlib import Path

OVER_A_NETWORK = (
    "9p", "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.glusterfs", "fuse.sshfs", "glusterfs", "gpfs", "lustre",
    "nfs", "nfs4", "orangefs", "smb3", "smbfs", "wekafs",
)  # fmt: skip
"""Types of file systems that several machines share, by the names in /proc/self/mountinfo."""
MOUNTS = Path("/proc/self/mountinfo")


def network_file_system(path: Path, mounts: Path = MOUNTS) -> str:
    """Return the type of the network's file system that a path lies on; "" for a disk's, or where that is not told."""
    try:
        lines = mounts.read_text("utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    place, longest, found = path.absolute().resolve(), 0, ""
    for line in lines:
        left, dash, right = line.partition(" - ")
        if dash and len(words := left.split(" ")) > 4:
            point = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4]))
            if (place == point or point in place.parents) and len(point.parts) >= longest:
                longest, found = len(point.parts), right.split(" ")[0]  # what is mounted later lies above
    return found if found in OVER_A_NETWORK else ""
