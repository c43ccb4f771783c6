"""Whether an installed package may offer entry points of a group, without the time that reading them all takes.

Theory of operation. Python's own look parses what every package says of itself. Nearly all of them lie as folders on
the path, with their entry points in a file where the group is named in brackets; so a package offers some only if its
file has that text. Wherever packages may lie in another way (archives, eggs, finders of others), the answer is yes, and
`importlib.metadata` knows.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

FOLDERS = (".dist-info", ".egg-info")
FILE = "entry_points.txt"


def may_be_there(group: str) -> bool:
    """Whether a package may offer entry points of a group; false only if none does."""
    own = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") == "PathFinder"]
    if any(hasattr(finder, "find_distributions") for finder in sys.meta_path if finder not in own):
        return True
    wanted = f"[{group}]".encode()
    return any(_names(path or ".", wanted) for path in sys.path)


def _names(path: str, wanted: bytes) -> bool:
    """Whether packages in one place of the path may have a text in their entry points."""
    if path.endswith(".egg") or os.path.isfile(path):
        return True
    with suppress(OSError):
        for name in os.listdir(path):
            if name.endswith(".egg"):
                return True
            if name.endswith(FOLDERS) and _has(f"{path}/{name}/{FILE}", wanted):
                return True
    return False


def _has(file: str, wanted: bytes) -> bool:
    try:
        with open(file, "rb", buffering=0) as opened:
            return wanted in opened.read()
    except OSError:
        return False
