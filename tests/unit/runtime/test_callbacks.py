"""Callbacks measure, log and tune real training runs of the real frameworks, on CPU, with twins for devices."""

import os
from pathlib import Path
from typing import Any

import pytest

from joulewise.devices.simulated.gpu import SimulatedGpu
from joulewise.errors import MissingExtraError
from joulewise.measure.meter import Meter
from joulewise.runtime.session import JobTuner
from joulewise.runtime.training_energy import TrainingEnergy
from joulewise.sim.training import SimulatedTraining

STEPS = 40


class World:
    """A twin that each step of a real framework keeps busy."""

    def __init__(self) -> None:
        self.job = SimulatedTraining("v100", 10_000)
        (self.gpu,) = self.job.devices
        self.meter = Meter(self.job.devices, clock=self.job.clock)
        self.tuner = JobTuner(devices=self.job.devices, clock=self.job.clock)
        self._steps = iter(self.job)

    def work(self) -> None:
        next(self._steps)


def check(world: World, energy: TrainingEnergy, epochs: int) -> None:
    assert isinstance(world.gpu, SimulatedGpu)
    assert energy.result is not None
    assert energy.result.lo_j <= energy.result.energy_j <= energy.result.hi_j
    assert str(energy.result.provenance) == "simulated"
    assert len(energy.epochs) == epochs
    assert sum(one.energy_j for one in energy.epochs) <= energy.result.hi_j
    assert world.tuner.steps > 0
    assert world.gpu.read_power_limit_w() == 250.0


@pytest.mark.slow
def test_hugging_face(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("accelerate", reason="accelerate is not installed")
    from joulewise.runtime.huggingface import EnergyCallback  # noqa: PLC0415 (needs transformers)

    world = World()

    class Model(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(4, 1)

        def forward(self, x: Any, labels: Any) -> dict[str, Any]:
            world.work()
            out = self.line(x)
            return {"loss": ((out - labels) ** 2).mean(), "logits": out}

    data = [{"x": torch.ones(4) * i, "labels": torch.ones(1)} for i in range(2 * STEPS)]
    callback = EnergyCallback(world.meter, world.tuner)
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path),
        num_train_epochs=2,
        per_device_train_batch_size=2,
        logging_steps=10,
        report_to=[],
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    trainer = transformers.Trainer(Model(), arguments, train_dataset=data, callbacks=[callback])
    trainer.train()
    check(world, callback.energy, 2)
    assert all("energy_j" in entry for entry in trainer.state.log_history)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_lightning(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    lightning = pytest.importorskip("lightning", reason="lightning is not installed")
    from joulewise.runtime.lightning import EnergyCallback  # noqa: PLC0415 (needs lightning)

    world = World()

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.line = torch.nn.Linear(4, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            world.work()
            return (self.line(batch) ** 2).mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.01)

    callback = EnergyCallback(world.meter, world.tuner)
    trainer = lightning.Trainer(
        max_epochs=2,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        default_root_dir=str(tmp_path),
    )
    trainer.fit(Module(), torch.utils.data.DataLoader(torch.ones(STEPS, 4), batch_size=1))
    check(world, callback.energy, 2)
    assert float(trainer.callback_metrics["energy_j"]) > 0


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_keras() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="keras is not installed")
    from joulewise.runtime.keras import EnergyCallback  # noqa: PLC0415 (needs keras)

    world = World()

    class Busy(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
            world.work()

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse", run_eagerly=True)
    callback = EnergyCallback(world.meter, world.tuner)
    data = keras.ops.ones((STEPS, 4)), keras.ops.ones((STEPS, 1))
    history = model.fit(*data, batch_size=1, epochs=2, verbose=0, callbacks=[Busy(), callback])
    check(world, callback.energy, 2)
    assert len(history.history["energy_j"]) == 2


def test_a_missing_framework_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys  # noqa: PLC0415

    monkeypatch.setitem(sys.modules, "keras.callbacks", None)
    monkeypatch.delitem(sys.modules, "joulewise.runtime.keras", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'joulewise\[keras\]'"):
        import joulewise.runtime.keras  # noqa: F401, PLC0415
