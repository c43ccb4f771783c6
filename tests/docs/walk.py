"""Walks through a page as its reader would: writes its files, runs its commands and code, compares what they print.

A block of code is one of these:

- ``console``: lines that begin with ``$`` are run, one after another, by one shell; what follows is what they print.
- ``python`` or ``toml``: a first line such as ``# train.py`` says into which file it goes; else it is run.
- ``text``: what the code before it printed.

What is printed may vary where the page shows ``...``, and in its figures below ``<!-- figures vary -->``; how much
space there is between words never matters.
"""

from __future__ import annotations

import doctest
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"(^<!-- figures vary -->\n)?^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"\d+(?:[.,]\d+)*|(?<=SIM-)[0-9a-f-]+")
FILE = re.compile(r"# ([\w./-]+\.\w+)\n")
ALIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
END = "the end of a command:"


def blocks(text: str, language: str | None = None) -> list[str]:
    """The code blocks of a page, or those in one language, in order."""
    return [code for _, spoken, code in BLOCK.findall(text) if language in (None, spoken)]


@dataclass(frozen=True)
class Difference:
    """A command that did not print what the page shows, or failed."""

    command: str
    shown: str
    printed: str
    code: int = 0

    def __str__(self) -> str:
        """Both, one below the other."""
        return f"\n$ {self.command}\n-- the page shows\n{self.shown}\n-- exit code {self.code}, printed\n{self.printed}"


class Walk:
    """A shell in a folder of its own, in which ``joulewise`` is this one, and there is no hardware."""

    def __init__(self, folder: Path) -> None:
        """Make the folder ready."""
        self.folder = folder / "work"
        programs, self._empty = folder / "bin", folder / "machine"
        for one in (self.folder, programs, self._empty):
            one.mkdir()
        for name, words in {"python": "", "joulewise": '-c "from joulewise.cli import main; main()" '}.items():
            (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n', encoding="utf-8")
            (programs / name).chmod(0o755)
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("JOULEWISE_")},
            "PATH": os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
            "JOULEWISE_ROOT": str(self._empty),
            "XDG_STATE_HOME": str(folder / "state"),
            "COLUMNS": "80",
            "NO_COLOR": "1",
            "TERM": "dumb",
            "PYTHONWARNINGS": "error",
        }
        self._shell = subprocess.Popen(
            ["sh"],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )

    def close(self) -> None:
        """End the shell, and what it still runs in the background."""
        with suppress(ProcessLookupError):
            os.killpg(self._shell.pid, signal.SIGTERM)
        self._shell.communicate()

    def run(self, command: str) -> tuple[str, int]:
        """What a command prints on both of its streams, and its exit code."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f'{command}\necho "{END}" $?\n')
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            before, found, code = line.partition(END)
            if found:
                return "".join([*lines, before]), int(code)
            lines.append(line)
        raise RuntimeError(f"the shell ended in: {command}")

    def compare(self, command: str, shown: str, *, exactly: bool = True) -> Difference | None:
        """Run a command; what differs from what is shown, if anything does."""
        printed, code = self.run(command)
        sides = (shown, printed) if exactly else (FIGURE.sub("#", shown), FIGURE.sub("#", printed))
        if code == 0 and doctest.OutputChecker().check_output(*sides, ALIKE):
            return None
        return Difference(command, shown, printed, code)

    def follow(self, text: str) -> Iterator[Difference]:
        """Do all that a page says."""
        code: str | None = None  # that has not been run yet: what it prints comes after it, or nothing does
        for varies, language, block in [*BLOCK.findall(text), ("", "", "")]:
            if code is not None:
                shown = block if language == "text" else ""
                yield from filter(None, [self.compare("python code.py", shown, exactly=not varies)])
                code = None
            name = FILE.match(block)
            if name is not None and language != "console":
                (self.folder / name[1]).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / name[1]).write_text(block, encoding="utf-8")
            elif language == "python":
                code = block
                (self.folder / "code.py").write_text(block, encoding="utf-8")
            elif language == "console":
                for one in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                    command, _, shown = one.partition("\n")
                    yield from filter(None, [self.compare(command, shown, exactly=not varies)])
