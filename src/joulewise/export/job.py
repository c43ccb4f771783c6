"""Whose job this is, as Slurm and Kubernetes say it in the environment.

Slurm sets its variables by itself. In Kubernetes a pod learns who it is through the downward API, under names that the
manifest gives; the ones below are those that most manifests give.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SLURM = MappingProxyType(
    {
        "SLURM_JOB_ID": "slurm.job.id",
        "SLURM_JOB_NAME": "slurm.job.name",
        "SLURM_JOB_USER": "slurm.job.user",
        "SLURM_JOB_ACCOUNT": "slurm.job.account",
        "SLURM_JOB_PARTITION": "slurm.job.partition",
        "SLURM_ARRAY_JOB_ID": "slurm.array.job.id",
        "SLURM_ARRAY_TASK_ID": "slurm.array.task.id",
        "SLURM_STEP_ID": "slurm.step.id",
        "SLURM_PROCID": "slurm.procid",
        "SLURMD_NODENAME": "slurm.node.name",
    }
)
KUBERNETES = MappingProxyType(
    {
        "POD_NAME": "k8s.pod.name",
        "POD_UID": "k8s.pod.uid",
        "POD_NAMESPACE": "k8s.namespace.name",
        "NODE_NAME": "k8s.node.name",
        "CONTAINER_NAME": "k8s.container.name",
        "JOB_NAME": "k8s.job.name",
    }
)
IN_A_POD = "KUBERNETES_SERVICE_HOST"


def job_attributes(environ: Mapping[str, str]) -> dict[str, str]:
    """What the environment says of the job, by OpenTelemetry's names where it has them.

    Example:
        >>> job_attributes({"SLURM_JOB_ID": "42", "POD_NAME": "not in a pod"})
        {'slurm.job.id': '42'}
    """
    known = dict(SLURM) | (dict(KUBERNETES) if IN_A_POD in environ else {})
    found = {name: environ[variable] for variable, name in known.items() if environ.get(variable)}
    if IN_A_POD in environ and environ.get("HOSTNAME"):
        found.setdefault("k8s.pod.name", environ["HOSTNAME"])  # what a pod is called unless its manifest says otherwise
    return found


def job_labels(environ: Mapping[str, str]) -> dict[str, str]:
    """The same as labels of Prometheus, such as ``slurm_job_id``."""
    return {name.replace(".", "_"): value for name, value in job_attributes(environ).items()}
