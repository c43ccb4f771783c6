"""Nothing above devices knows a vendor: decisions read what hardware can, not who made it.

Prose may name vendors, and so may help texts that show how people select devices ("as in nvidia:0").
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from house import PACKAGE

VENDORS = re.compile(r"nvidia|nvml|amd\b|amdsmi|rocm|rapl|\bintel\b|apple|jetson", re.IGNORECASE)
ABOVE = ("frontier", "optimize", "measure", "runtime", "services", "report", "sim")
FRAMEWORK = PACKAGE / "measure" / "synchronise.py"  # names back ends of PyTorch, as its programs do
FILES = [path for folder in ABOVE for path in sorted((PACKAGE / folder).rglob("*.py")) if path != FRAMEWORK]


def docstrings(tree: ast.Module) -> set[int]:
    """Identities of constants that are documentation."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    return {id(node.value) for node in nodes}


def said(tree: ast.Module) -> list[str]:
    """Everything that code says: names, attributes, modules and texts that are no documentation."""
    prose, words = docstrings(tree), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            words.append(node.id)
        elif isinstance(node, ast.Attribute):
            words.append(node.attr)
        elif isinstance(node, ast.alias):
            words.append(node.name)
        elif isinstance(node, ast.ImportFrom):
            words.append(node.module or "")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            words.append(re.sub(r"as in \S+", "", node.value))
    return words


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_code_names_no_vendor(path: Path) -> None:
    found = [word for word in said(ast.parse(path.read_text(encoding="utf-8"))) if VENDORS.search(word)]
    assert found == []


def test_the_test_would_see_one() -> None:
    assert VENDORS.search(said(ast.parse("if device.vendor == 'nvidia': pass"))[0]) is None
    assert any(VENDORS.search(word) for word in said(ast.parse("if device.vendor == 'nvidia': pass")))
    assert any(VENDORS.search(word) for word in said(ast.parse("from joulewise.devices.nvml import driver")))
