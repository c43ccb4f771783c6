"""Tables of training runs: what is read, and what is refused."""

from __future__ import annotations

import math

import pytest

from joulewise.errors import InputFileError
from joulewise.wire.trace_table import EPOCH_COLUMNS, TRAIN_COLUMNS, JobKey, read_epoch_rates, read_training

GOOD = "cifar100,shufflenetv2,1024,adadelta,1e-1,1,0.05,3\n"


def write(tmp_path, columns, *rows):
    path = tmp_path / "table.csv"
    path.write_text(",".join(columns) + "\n" + "".join(rows))
    return path


def test_runs_that_never_arrived_are_infinite(tmp_path):
    path = write(tmp_path, TRAIN_COLUMNS, GOOD, GOOD.replace(",3\n", ",\n"), GOOD.replace(",3\n", ",nan\n"))
    rows = read_training(path)
    assert [row.target_epoch for row in rows] == [3.0, math.inf, math.inf]
    assert rows[0].job == JobKey("cifar100", "shufflenetv2", "adadelta")
    assert (rows[0].batch_size, rows[0].learning_rate, rows[0].run, rows[0].target_metric) == (1024, 0.1, 1, 0.05)


def test_rates_are_read(tmp_path):
    row = read_epoch_rates(write(tmp_path, EPOCH_COLUMNS, "a,b,8,sgd,250,12.5,180.25\n"))[0]
    assert (row.batch_size, row.limit_w, row.epoch_s, row.power_w) == (8, 250.0, 12.5, 180.25)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (GOOD.replace("1024", "0"), "line 2: batch_size"),
        (GOOD.replace("1024", "x"), "line 2: batch_size"),
        (GOOD.replace(",3\n", ",-1\n"), "line 2: target_epoch"),
        (GOOD.replace("0.05", "nan"), "line 2: target_metric"),
        ("cifar100,shufflenetv2\n", "too short"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_line(tmp_path, row, message):
    with pytest.raises(InputFileError, match=message):
        read_training(write(tmp_path, TRAIN_COLUMNS, row))


def test_missing_columns_and_files_are_named(tmp_path):
    with pytest.raises(InputFileError, match="no column learning_rate"):
        read_training(write(tmp_path, [name for name in TRAIN_COLUMNS if name != "learning_rate"]))
    with pytest.raises(InputFileError, match="cannot read"):
        read_training(tmp_path / "absent.csv")
    with pytest.raises(InputFileError, match="time_per_epoch"):
        read_epoch_rates(write(tmp_path, EPOCH_COLUMNS, "a,b,8,sgd,250,0,180\n"))
