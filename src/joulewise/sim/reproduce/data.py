"""What is given with ``--data``: any measured profiles and traces, found by what is in the files."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from joulewise.errors import InputFileError
from joulewise.sim.trace_folder import RATES, TRAINING

PROFILE_COLUMNS = {"stage", "instruction", "time", "energy"}
PROFILE_COLUMNS_RICH = {"stage", "instruction", "time_s", "energy_j"}


@dataclass(frozen=True)
class Data:
    """Files to work on.

    Attributes:
        profiles: Stage profiles of pipelines (docs/reference/profile-format.md), by name.
        traces: Folders with ``summary_train.csv`` and ``summary_power_DEVICE.csv``.
    """

    profiles: tuple[Path, ...] = ()
    traces: tuple[Path, ...] = ()

    @property
    def has_profiles(self) -> bool:
        """Whether there is any profile."""
        return bool(self.profiles)

    @property
    def has_traces(self) -> bool:
        """Whether there are any traces."""
        return bool(self.traces)


def find_data(folder: Path | None) -> Data:
    """Look through a folder and those in it.

    Raises:
        InputFileError: If there is no such folder.
    """
    if folder is None:
        return Data()
    if not folder.is_dir():
        raise InputFileError(str(folder), None, "there is no such folder", "nothing", "name the folder of the data")
    files = sorted(folder.rglob("*.csv"))
    traces = sorted({file.parent for file in files if file.name.startswith(RATES)})
    profiles = [file for file in files if _is_profile(file)]
    return Data(tuple(profiles), tuple(path for path in traces if (path / TRAINING).is_file()))


def _is_profile(file: Path) -> bool:
    with file.open(newline="", encoding="utf-8", errors="replace") as stream:
        for row in csv.reader(line for line in stream if not line.startswith("#")):
            head = {cell.strip().lower() for cell in row}
            return head >= PROFILE_COLUMNS or head >= PROFILE_COLUMNS_RICH
    return False
