"""What the stand-in for NVML shows says that it is simulated, in every figure."""

from __future__ import annotations

from dataclasses import replace

from joulewise.devices.device import Identity, Scope
from joulewise.devices.simulated.nvml_bridge import BOARDS
from joulewise.records import Provenance
from nvml_stage import fake_gpu, needs_binding, needs_compiler, publish

METER = """
import json
from joulewise.measure.meter import Meter
with Meter("nvidia") as meter:
    with meter.window("nap") as nap:
        meter.sleep(0.05)
    (device,) = nap.by_device.values()
    print(json.dumps([nap.provenance, device.energy.provenance, device.identity.vendor]))
"""


@needs_compiler
@needs_binding
def test_joules_of_the_stand_in_are_simulated(tmp_path):
    with publish(tmp_path, [fake_gpu()], replace(BOARDS["h100"], name="NVIDIA H100 PCIe")) as stage:
        assert stage.run(METER) == ["simulated", "simulated", "nvidia"]


def test_a_product_of_the_vendor_is_measured():
    assert Identity("GPU-0", "nvidia", "NVIDIA H100 PCIe", Scope.BOARD).provenance is Provenance.MEASURED
