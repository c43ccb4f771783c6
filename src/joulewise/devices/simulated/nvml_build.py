"""Building the stand-in for libnvidia-ml.so.1, once per version of its source, with the system's C compiler."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from joulewise.errors import CapabilityError, UsageError

SOURCE = Path(__file__).parent / "nvml_fake"
SONAME = "libnvidia-ml.so.1"
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", f"-Wl,-soname,{SONAME}")


def find_compiler(environ: Mapping[str, str]) -> str | None:
    """Path of a C compiler: the one named by ``CC``, or the first of cc, gcc, clang; None if there is none."""
    named = environ.get("CC")
    found = (shutil.which(word, path=environ.get("PATH")) for word in ((named,) if named else COMPILERS))
    return next((path for path in found if path), None)


def default_cache(environ: Mapping[str, str]) -> Path:
    """Where built libraries are kept: a folder of the user's cache."""
    home = environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "joulewise" / "nvml_fake"


def build_nvml(environ: Mapping[str, str], cache: Path | None = None) -> Path:
    """The folder that holds the built library, for ``LD_LIBRARY_PATH``.

    Args:
        environ: Environment, for ``CC``, ``PATH`` and the cache.
        cache: Folder to build into; by default `default_cache`.

    Raises:
        CapabilityError: If there is no C compiler.
        UsageError: If the compiler fails, or the folder cannot be written.

    Effects:
        Runs the compiler unless the library of this source is there; its file appears whole or not at all.
    """
    sources = sorted(SOURCE.glob("*.c"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(SOURCE.glob("*.[ch]")))).hexdigest()[:16]
    folder = (default_cache(environ) if cache is None else cache) / digest
    library = folder / SONAME
    if library.exists():
        return folder
    compiler = find_compiler(environ)
    if compiler is None:
        seen = f"no C compiler (looked for {', '.join(COMPILERS)})"
        fix = "install one, such as gcc, or name it in CC"
        raise CapabilityError("this machine", "a simulated libnvidia-ml.so.1", seen, fix)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, built = tempfile.mkstemp(dir=folder)
    except OSError as error:
        fix = "name a folder for caches that you can write to in XDG_CACHE_HOME"
        raise UsageError("cannot keep the simulated NVML", f"{folder}: {error.strerror}", fix) from error
    os.close(handle)
    done = subprocess.run(
        [compiler, *FLAGS, "-o", built, *map(str, sources)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        os.unlink(built)
        raise UsageError("cannot build the simulated NVML", done.stderr.strip()[-400:], "name another compiler with CC")
    os.replace(built, library)
    return folder
