"""Tune a training loop while it runs, on a simulated node: python examples/tune_loop.py

On your own machine the loop is ``for batch in jw.tune(loader):``, and nothing else changes.
"""

import joulewise as jw
from joulewise.sim.training import SimulatedTraining

MAX_SLOWDOWN = 1.05


def main() -> None:
    """Train for three epochs, and say what was found."""
    world = SimulatedTraining("a100x2", steps=300)  # a loader, the devices that it keeps busy, and their clock
    for _ in range(3):
        tuned = jw.tune(world, max_slowdown=MAX_SLOWDOWN, devices=world.devices, clock=world.clock)
        for _batch in tuned:
            pass  # train here; the tuner remembers across epochs

    tuner = tuned.tuner
    print(f"{tuner.describe()}, after {tuner.steps} steps; every figure is {tuner.frontier.provenance}")
    for point in tuner.frontier:
        mark = "  <- chosen" if point.setting == tuner.choice else ""
        print(f"{tuner.name(point.setting)}: {point.time_s:.4f} s and {point.energy_j:.1f} J per step{mark}")
    print("limits now:", ", ".join(f"{device.read_power_limit_w():g} W" for device in world.devices), "(as found)")


if __name__ == "__main__":
    main()
