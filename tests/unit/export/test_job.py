"""Whose job it is."""

from __future__ import annotations

import doctest

from joulewise.export import job
from joulewise.export.job import job_attributes, job_labels


def test_example():
    assert doctest.testmod(job).failed == 0


def test_slurm_and_kubernetes():
    environ = {"SLURM_JOB_ID": "42", "SLURM_STEP_ID": "0", "SLURM_JOB_NAME": ""}
    assert job_labels(environ) == {"slurm_job_id": "42", "slurm_step_id": "0"}
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "train-0", "POD_NAMESPACE": "ml"}
    assert job_attributes(pod) == {"k8s.namespace.name": "ml", "k8s.pod.name": "train-0"}
    assert job_attributes(pod | {"POD_NAME": "other"})["k8s.pod.name"] == "other"
    assert job_attributes({"HOSTNAME": "laptop", "JOB_NAME": "x"}) == {}
