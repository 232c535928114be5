"""Registries: whoever looks first, and from however many threads at once, finds all entries."""

from __future__ import annotations

import subprocess
import sys

LOOKS = """
import sys, threading
from archsim.spec.loading import load_arch
sys.setswitchinterval(1e-6)
gate, found = threading.Barrier(4), []
def look():
    gate.wait()
    found.append(load_arch("ambrogio_nature_2018").hash)
threads = [threading.Thread(target=look) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
print(len(found), len(set(found)))
"""


def test_threads_that_look_at_once_find_all_entries() -> None:
    done = subprocess.run([sys.executable, "-c", LOOKS], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("4 1\n", "")
