"""Tables of jobs under power limits: grouped by job, or refused by name."""

from __future__ import annotations

import pytest

from joulewise.errors import InputFileError
from joulewise.wire.power_table import read_power_tables

HEAD = "dataset,network,batch_size,optimizer,power_limit,time_per_epoch,average_power\n"


def write(folder, *rows):
    path = folder / "limits.csv"
    path.write_text(HEAD + "".join(row + "\n" for row in rows))
    return path


def test_rows_become_tables_with_rising_limits(tmp_path):
    path = write(tmp_path, "a,n,8,adam,200,5,150", "a,n,16,adam,200,4,160", "a,n,8,adam,100,9,95.5")
    small, large = read_power_tables(path)
    assert (small.name, small.batch_size, large.batch_size) == ("a/n/adam/8", 8, 16)
    assert (small.limit_w, small.epoch_s, small.power_w) == ((100.0, 200.0), (9.0, 5.0), (95.5, 150.0))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no rows"),
        (["a,n,8,adam,200,5,150", "a,n,8,adam,200,5,150"], "twice at one limit"),
        (["a,n,8,adam,200,none,150"], "time_per_epoch"),
        (["a,n,8,adam,0,5,150"], "power_limit"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, rows, message):
    with pytest.raises(InputFileError, match=message):
        read_power_tables(write(tmp_path, *rows))
