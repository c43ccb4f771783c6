"""A trial whose device is lost: what it tells of energy ends where that is not known any more."""

from __future__ import annotations

import pytest

import joulewise as jw
from joulewise.clock import VirtualClock
from joulewise.devices.capabilities import Kind
from joulewise.testing import FakeDevice

pytest.importorskip("sqlalchemy", reason="the extra recurring is not installed")

from joulewise.jobs.hub import Hub


@pytest.mark.parametrize("kinds", [[Kind.ENERGY_COUNTER], [Kind.ENERGY_COUNTER, Kind.POWER_INSTANT]])
def test_a_trial_that_loses_its_energy_teaches_only_what_epochs_took_until_then(tmp_path, kinds):
    clock = VirtualClock()
    device = FakeDevice(clock, kinds=kinds)
    job = jw.recurring(
        "a", [16, 64], target=0.9, max_epochs=9, devices=[device], clock=clock, max_power_w=250.0, eta=0.5,
        store=tmp_path / "jobs.db", spool=tmp_path / "spool",
    )  # fmt: skip
    with job:
        clock.sleep(10.0)
        job.epoch_end(0.1)
        device.lost = True
        for _ in range(2):
            clock.sleep(40.0)
            job.epoch_end(0.2)
    assert "energy is not known any more" in job.note
    hub = Hub(tmp_path / "jobs.db")
    (row,) = hub.store.trials(hub.find("a").id)
    hub.close()
    assert row.end == "killed"
    assert [rate["epoch_s"] for rate in row.rates] == [pytest.approx(10.0)]
