"""Small files, each saying what it is for; no trace of the machine it was written on."""

from __future__ import annotations

import ast
import re
import shutil
import statistics
from importlib.util import find_spec

import pytest
from house import PACKAGE, ROOT, documents, files, modules, name

CODE = files(".py", ".cpp", ".hpp")
PLAIN = [ROOT / part for part in ("Makefile", ".ci/run", "CMakeLists.txt") if (ROOT / part).exists()]

# Put together here, so that this file passes its own test.
MACHINE_PATH = re.compile(rf"(?<![\w.~/-])/({'|'.join(['work', 'farm', 'home', 'root', 'Users', 'tmp', 'opt'])})/")
REGISTRY_HOST = re.compile("|".join(rf"{host}\.org" for host in ("pypi", "pythonhosted", "anaconda")))
COMPILERS = ("c++", "g++", "clang++")


def line_count(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def test_no_file_has_more_than_500_lines():
    assert [f"{name(path)}: {line_count(path)}" for path in CODE if line_count(path) > 500] == []


def test_half_of_the_modules_have_fewer_than_150_lines():
    assert statistics.median(map(line_count, PACKAGE.rglob("*.py"))) < 150


def test_every_module_says_what_it_is_for():
    said = {
        module: ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) for module, path in modules().items()
    }
    assert [module for module, text in said.items() if len((text or "").split()) < 4] == []


def test_no_machine_path_and_no_registry_host():
    text = {
        path: path.read_text(encoding="utf-8")
        for path in [*CODE, *PLAIN, *documents(), *files(".csv", ".toml", ".cff")]
    }
    seen = [(path, line) for path, lines in text.items() for line in lines.splitlines()]
    assert [f"{name(p)}: {line}" for p, line in seen if MACHINE_PATH.search(line) or REGISTRY_HOST.search(line)] == []


@pytest.mark.skipif(not any(map(shutil.which, COMPILERS)), reason="no C++ compiler: HiGHS plans instead of the kernel")
def test_kernel_is_compiled_where_there_is_a_compiler():
    assert find_spec("joulewise.optimize.pipeline._kernel") is not None
