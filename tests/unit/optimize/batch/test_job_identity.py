"""Which jobs are the same, and how the learning rate follows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from joulewise.errors import UsageError
from joulewise.optimize.batch.identity import JobIdentity, Target
from joulewise.optimize.batch.learning_rate import scaled_learning_rate

ACCURACY, LOSS = Target("accuracy", 0.9), Target("loss", 0.3, higher_is_better=False)
JOB = JobIdentity("bert@2", "tickets", "adamw", (ACCURACY, LOSS), 10, "A100", 4)


def test_what_matters_is_in_the_key_and_nothing_else():
    assert replace(JOB, targets=(LOSS, ACCURACY)).key == JOB.key
    assert replace(JOB, max_epochs=20).key == JOB.key
    for change in (
        {"model": "bert@3"},
        {"data": "mails"},
        {"optimizer": "sgd"},
        {"gpu_type": "H100"},
        {"gpu_count": 8},
    ):
        assert replace(JOB, **change).key != JOB.key


def test_another_device_has_the_same_learning_problem_and_another_target_the_same_curriculum():
    device, target = replace(JOB, gpu_type="H100"), replace(JOB, targets=(Target("accuracy", 0.8),))
    assert device.learning_problem == JOB.learning_problem
    assert target.learning_problem != JOB.learning_problem
    assert target.curriculum == JOB.curriculum


def test_the_key_is_for_ever():
    assert JOB.key == JobIdentity("bert@2", "tickets", "adamw", (ACCURACY, LOSS), 10, "A100", 4).key
    assert len(JOB.key) == 16


def test_all_targets_must_be_reached():
    assert JOB.is_reached({"accuracy": 0.9, "loss": 0.3})
    assert not JOB.is_reached({"accuracy": 0.95, "loss": 0.31})
    assert not JOB.is_reached({"accuracy": 0.95})
    assert not JOB.is_reached({"accuracy": float("nan"), "loss": 0.1})


@pytest.mark.parametrize(
    "wrong", [{"targets": ()}, {"targets": (ACCURACY, ACCURACY)}, {"gpu_count": 0}, {"max_epochs": 0}]
)
def test_jobs_without_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        replace(JOB, **wrong)


def test_learning_rates():
    assert scaled_learning_rate("SGD", 0.1, 64, 256) == pytest.approx(0.4)
    assert scaled_learning_rate("adadelta", 0.1, 64, 256) == pytest.approx(0.2)
    with pytest.raises(UsageError, match="no rule"):
        scaled_learning_rate("shampoo", 0.1, 64, 256)
    with pytest.raises(UsageError, match="not usable"):
        scaled_learning_rate("sgd", 0.1, 0, 256)
