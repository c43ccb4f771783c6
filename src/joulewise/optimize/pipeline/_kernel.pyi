from collections.abc import Callable
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

class Answer(TypedDict):
    pivots: int
    price: NDArray[np.int64]
    makespan: NDArray[np.int64]
    cost: NDArray[np.float64]
    plans: NDArray[np.int16]

def solve(
    kind: NDArray[np.int32],
    edges: NDArray[np.int32],
    hull_first: NDArray[np.int32],
    hull_time: NDArray[np.int64],
    hull_slope: NDArray[np.int64],
    option_first: NDArray[np.int32],
    option_time: NDArray[np.int64],
    option_cost: NDArray[np.int64],
    deadlines: NDArray[np.int64],
    support: NDArray[np.uint8],
    cautions: NDArray[np.float64],
    visits: int,
    progress: Callable[[float], None] | None,
    excess: int = 0,
    seconds: float = ...,
    spare: int = ...,
) -> Answer: ...
