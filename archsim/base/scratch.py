"""Where things go that only make the next command faster, if neither the installation nor the home can be written."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def scratch() -> Path | None:
    """Return a folder for temporary files that this user alone can write and that lasts, or None."""
    user = os.getuid() if hasattr(os, "getuid") else None  # elsewhere each user has folders of his own
    for place in ("", "/dev/shm"):  # which a container has that can write nothing else
        with suppress(OSError):
            above = Path(place or tempfile.gettempdir())
            if above == Path.cwd():
                continue  # Python's last resort, where people keep their own
            folder = above / ("archsim" if user is None else f"archsim-{user}")
            folder.mkdir(mode=stat.S_IRWXU, exist_ok=True)
            found = folder.lstat()
            own = user is None or (found.st_uid == user and not stat.S_IMODE(found.st_mode) & 0o077)
            if stat.S_ISDIR(found.st_mode) and own and can_write(folder):
                return folder
    return None


def can_write(folder: Path) -> bool:
    """Return whether files can be written to a folder, which is made if it is not there: only then is it known."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def give_matplotlib_a_folder() -> None:
    """Have matplotlib keep its list of fonts with temporary files where it cannot do so in the home."""
    with suppress(RuntimeError):  # there is no home
        bases = {"XDG_CONFIG_HOME": ".config", "XDG_CACHE_HOME": ".cache"}
        own = os.environ.get("MPLCONFIGDIR")
        homes = (Path(os.environ.get(name) or Path.home() / base) / "matplotlib" for name, base in bases.items())
        if all(can_write(each) for each in ([Path(own)] if own else homes)):
            return
    if (folder := scratch()) is not None:
        os.environ["MPLCONFIGDIR"] = str(folder / "matplotlib")
