from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from example_report import example_report

from joulewise.errors import UsageError
from joulewise.report.pipeline import Mark


def test_columns_of_different_lengths_are_refused() -> None:
    timeline = example_report(2, 3).before
    with pytest.raises(UsageError, match="different lengths"):
        replace(timeline, label=timeline.label[1:])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_a_time_that_cannot_be_drawn_is_refused_with_its_index(bad: float) -> None:
    report = example_report(2, 3)
    start_s = report.before.start_s.copy()
    start_s[4] = bad
    with pytest.raises(UsageError, match="index 4"):
        replace(report.before, start_s=start_s)
    with pytest.raises(UsageError, match="plan_energy_j"):
        replace(report, plan_energy_j=np.full_like(report.plan_energy_j, bad))
    with pytest.raises(UsageError, match="mark"):
        Mark("here", 1.0, bad, "chosen")


def test_a_rank_that_does_not_exist_is_refused() -> None:
    timeline = example_report(2, 3).before
    with pytest.raises(UsageError, match=r"outside 0\.\.0"):
        replace(timeline, ranks=1)


def test_provenance_and_kind_of_mark_are_words_of_the_vocabulary() -> None:
    with pytest.raises(UsageError, match="measured, modelled, simulated"):
        example_report(2, 3, provenance="guessed")
    with pytest.raises(UsageError, match="baseline or chosen"):
        Mark("here", 1.0, 1.0, "best")


def test_a_table_row_has_a_cell_for_each_column() -> None:
    with pytest.raises(UsageError, match="result table"):
        replace(example_report(2, 3), table_rows=(("alone",),))
