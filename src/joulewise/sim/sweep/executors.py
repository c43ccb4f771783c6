"""Where a sweep runs: processes of this machine, a Dask cluster, or Ray. No engine of our own."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from joulewise.errors import MissingExtraError, UsageError

T = TypeVar("T")

DASK = ("dask://", "tcp://", "tls://")
RAY = "ray://"


@contextmanager
def open_executor(on: str | None = None, processes: int | None = None) -> Iterator[Executor | None]:
    """An executor for `run_sweep`, closed at the end.

    Args:
        on: None: processes of this machine; ``dask://HOST:PORT`` (or Dask's own ``tcp://``): a Dask cluster that
            runs; ``ray``: the Ray cluster that runs here, or one for the occasion; ``ray://HOST:PORT``: one elsewhere.
        processes: How many, if processes; None: one for each CPU; 1: none, the sweep runs in this process.

    Yields:
        The executor; None stands for this process.

    Raises:
        UsageError: If ``on`` means nothing, no such cluster answers, or a number of processes is given for a cluster.
        MissingExtraError: If Dask or Ray is not installed.

    Effects:
        Whoever leaves by an exception does not wait for points under way. Workers end with this process, however it
        ends.
    """
    if on is not None and processes is not None:
        raise UsageError("a cluster has its own number of workers", f"processes {processes} on {on}", "leave one out")
    if on is None:
        with _processes(processes) as pool:
            yield pool
    elif on.startswith(DASK):
        with _dask(on) as pool:
            yield pool
    elif on == "ray" or on.startswith(RAY):
        with _ray(None if on == "ray" else on) as pool:
            yield pool
    else:
        raise UsageError("there is nothing to run on of that name", on, "use dask://HOST:PORT, ray or ray://HOST:PORT")


@contextmanager
def _processes(processes: int | None) -> Iterator[Executor | None]:
    count = processes or os.cpu_count() or 1
    if count == 1:
        yield None
        return
    context = get_context("spawn")
    until, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, context, _start_worker, (until,))
    try:
        yield pool
        pool.shutdown(wait=True)
    finally:
        held.close()  # workers that are still at work leave
        pool.shutdown(wait=True, cancel_futures=True)
        until.close()


def _start_worker(until: Connection) -> None:
    """Leave interruptions to the parent, and leave when it closes its end of the pipe, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave, args=(until,), daemon=True).start()


def _leave(until: Connection) -> None:
    until.poll(None)
    os._exit(0)


@contextmanager
def _dask(address: str) -> Iterator[Executor]:
    try:
        distributed = import_module("distributed")
    except ImportError:
        raise MissingExtraError("dask") from None
    scheduler = address.replace("dask://", "tcp://", 1)
    try:
        client = distributed.Client(scheduler, set_as_default=False)
    except (OSError, ValueError) as error:  # TimeoutError is an OSError
        fix = "start a scheduler, and give its address as HOST:PORT"
        raise UsageError(f"no Dask cluster answers at {address}", f"seen: {error}", fix) from error
    with client:
        executor: Executor = client.get_executor(pure=False)
        yield executor


@contextmanager
def _ray(address: str | None) -> Iterator[Executor]:
    try:
        ray = import_module("ray")
    except ModuleNotFoundError:
        raise MissingExtraError("ray") from None
    except Exception as error:  # of any kind: Ray looks for accelerators as it is imported
        fix = "see that python -c 'import ray' works; a package for accelerators whose driver is absent can break it"
        raise UsageError("Ray cannot be imported", f"seen: {type(error).__name__}: {error}", fix) from error
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise UsageError(
                f"Ray does not start on {address or 'this machine'}", f"seen: {error}", "see ray status"
            ) from error
    try:
        yield RayExecutor(ray)
    finally:
        if ours:
            ray.shutdown()


class RayExecutor(Executor):
    """Ray's tasks as an executor: Ray has none of its own."""

    def __init__(self, ray: Any) -> None:
        """Use a Ray that is initialised."""
        self._ray = ray
        self._call = ray.remote(_call)
        self._max_workers = int(ray.cluster_resources().get("CPU", 1))

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Ask for a call."""
        reference = self._call.remote(fn, *args, **kwargs)
        future: Future[T] = Future()
        reference.future().add_done_callback(lambda inner: _settle(future, inner))
        future.add_done_callback(lambda outer: self._ray.cancel(reference) if outer.cancelled() else None)
        return future


def _call(fn: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    return fn(*args, **kwargs)


def _settle(future: Future[T], inner: Future[T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    error = inner.exception()
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(inner.result())
