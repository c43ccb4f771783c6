"""Wait for work that was handed to an accelerator, at the edges of windows, for frameworks that are already imported.

A framework that is not imported cannot have handed anything over, so none is ever imported for this.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from joulewise.errors import UsageError

Wait = Callable[[], object]
FRAMEWORKS = ("torch", "jax", "cupy")


def wait_for_work(wanted: bool | str | Wait | None = None) -> bool | None:
    """Wait until accelerators have done what they were handed.

    Args:
        wanted: None or True for every framework that is imported; "torch", "jax" or "cupy" for one of them; a callable
            that waits; False for nothing.

    Returns:
        True if all that were asked have finished; False if one could not be asked, or erred; None if there was nothing
        to wait for.

    Raises:
        UsageError: If a name is that of no framework that we know.

    Effects:
        Blocks. Never raises what a framework raises: an error of the user's own work comes up where he uses its result.
    """
    if wanted is False:
        return None
    if callable(wanted):
        return _asked(wanted)
    if isinstance(wanted, str) and wanted not in FRAMEWORKS:
        fix = f"name {', '.join(FRAMEWORKS)}, or give a callable that waits"
        raise UsageError("this framework cannot be waited for", repr(wanted), fix)
    names = (wanted,) if isinstance(wanted, str) else FRAMEWORKS
    modules = sys.modules
    told = [_asked(_WAITS[name], modules[name]) for name in names if name in modules]
    if isinstance(wanted, str) and not told:
        return False
    answers = [answer for answer in told if answer is not None]
    return all(answers) if answers else None


def _asked(wait: Callable[..., object], *arguments: object) -> bool | None:
    try:
        return wait(*arguments) is not _NOTHING or None
    except Exception:  # whatever a framework raises here, its user meets it at his own call
        return False


_NOTHING = object()


def _wait_torch(torch: Any) -> object:
    """CUDA and ROCm share a name; a back end that was not used yet is not woken."""
    asked = _NOTHING
    for name in ("cuda", "xpu"):
        backend = getattr(torch, name, None)
        if backend is not None and backend.is_initialized():
            for index in range(backend.device_count()):
                backend.synchronize(index)
            asked = None
    if sys.platform == "darwin" and torch.backends.mps.is_available():
        torch.mps.synchronize()
        asked = None
    return asked


def _wait_jax(jax: Any) -> object:
    """JAX runs work of one device in order: what is handed over now ends after all that was before."""
    bridge = sys.modules.get("jax._src.xla_bridge")
    initialised = getattr(bridge, "backends_are_initialized", None)
    if initialised is not None and not initialised():
        return _NOTHING  # imported, never used: asking for its devices would take hold of them
    jax.block_until_ready([jax.device_put(0.0, device) + 0 for device in jax.local_devices()])
    return None


def _wait_cupy(cupy: Any) -> object:
    count = cupy.cuda.runtime.getDeviceCount()
    for index in range(count):
        cupy.cuda.Device(index).synchronize()
    return None if count else _NOTHING


_WAITS: dict[str, Callable[[Any], object]] = {"torch": _wait_torch, "jax": _wait_jax, "cupy": _wait_cupy}
