"""One field of one GPU (``nvmlDeviceGetFieldValues``), asked for ten times a second.

The binding makes a new array, and walks through Python for each of its members, whenever it asks; that costs several
times what the driver takes to answer. Here the array is made once, and what the driver wrote is unpacked in one go.
"""

from __future__ import annotations

import threading
from struct import Struct
from typing import Any

_ENTRY = Struct("=IIqqII8s")  # nvmlFieldValue_t: field, scope, instant, latency, type of the value, return code, value
_OF_TYPE = {number: Struct(code) for number, code in enumerate("dILQqiH")}
_FUNCTION_NOT_FOUND = 13


class NvmlField:
    """Reads one field; thread-safe.

    Args:
        binding: The module of nvidia-ml-py, initialised.
        handle: The GPU.
        field, scope: Which field, of the GPU (scope 0) or of the module that it is part of (scope 1).
    """

    def __init__(self, binding: Any, handle: object, field: int, scope: int) -> None:
        """Ask nothing yet."""
        self._values = (binding.c_nvmlFieldValue_t * 1)()
        self._values[0].fieldId, self._values[0].scopeId = field, scope
        self._ask = getattr(binding.nvmlLib, "nvmlDeviceGetFieldValues", _not_found)
        self._handle, self._lock = handle, threading.Lock()

    def read(self) -> tuple[int, int | float]:
        """Return code of the driver, and what it said."""
        with self._lock:
            code = self._ask(self._handle, 1, self._values)
            _, _, _, _, kind, told, value = _ENTRY.unpack(self._values)
        return code or told, _OF_TYPE.get(kind, _OF_TYPE[1]).unpack_from(value)[0]


def _not_found(*arguments: object) -> int:
    """In place of a function that an old library does not have."""
    del arguments
    return _FUNCTION_NOT_FOUND
