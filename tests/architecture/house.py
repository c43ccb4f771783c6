"""Where the house stands, and what is in it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "joulewise"
NOT_OURS = re.compile(r"(^|/)(\..*|__pycache__|build|dist|out|node_modules|.*\.egg-info)(/|$)")


def files(*suffixes: str) -> list[Path]:
    """Text that we wrote, by suffix, wherever it lies; hidden and generated folders are left out."""
    found = (path for suffix in suffixes for path in ROOT.rglob(f"*{suffix}"))
    return sorted(path for path in found if path.is_file() and not NOT_OURS.search(name(path)) and not in_venv(path))


def in_venv(path: Path) -> bool:
    return any((parent / "pyvenv.cfg").exists() for parent in path.parents if parent != ROOT)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    dotted = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        dotted[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return dotted


def documents() -> list[Path]:
    return files(".md")
