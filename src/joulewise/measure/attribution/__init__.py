"""Whose energy it was: one method per file, each stated in words, and nothing lost: shares plus rest are the total."""

from joulewise.measure.attribution.batches import Batch, RequestEnergy, by_request
from joulewise.measure.attribution.cpu_time import CpuTimeRecorder, by_cpu_time
from joulewise.measure.attribution.gpu_processes import GpuProcessRecorder, by_gpu_process
from joulewise.measure.attribution.groups import by_group, container_of
from joulewise.measure.attribution.mig import MigSlice, by_slice
from joulewise.measure.attribution.ranks import by_rank
from joulewise.measure.attribution.share import Attribution, Share
from joulewise.measure.attribution.spent import Spent, spent_by
from joulewise.measure.attribution.use import Use, by_use

__all__ = [
    "Attribution",
    "Batch",
    "CpuTimeRecorder",
    "GpuProcessRecorder",
    "MigSlice",
    "RequestEnergy",
    "Share",
    "Spent",
    "Use",
    "by_cpu_time",
    "by_gpu_process",
    "by_group",
    "by_rank",
    "by_request",
    "by_slice",
    "by_use",
    "container_of",
    "spent_by",
]
