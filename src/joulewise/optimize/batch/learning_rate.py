"""How the learning rate follows the batch size, so that epochs to target stay comparable.

Source: linear rule for stochastic gradient descent: Goyal et al. 2017; square-root rule for adaptive optimizers:
Krizhevsky 2014, Malladi et al. 2022; the same split as in Zeus (NSDI'23), section 4.
"""

from __future__ import annotations

from joulewise.errors import UsageError

ADAPTIVE = frozenset(
    {"adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw", "lamb", "lion", "nadam", "rmsprop"}
)
LINEAR = frozenset({"asgd", "lars", "momentum", "nesterov", "sgd"})


def scaled_learning_rate(optimizer: str, learning_rate: float, from_size: int, to_size: int) -> float:
    """Learning rate at another batch size: times the square root of the ratio if adaptive, else times the ratio.

    Args:
        optimizer: Name of the optimizer; case does not matter.
        learning_rate: The rate that is good at ``from_size``.
        from_size: Batch size of the rate.
        to_size: Batch size that is wanted.

    Raises:
        UsageError: If the optimizer is not known or a size is not positive.

    Example:
        >>> scaled_learning_rate("sgd", 0.1, 256, 1024), scaled_learning_rate("AdamW", 1e-3, 256, 1024)
        (0.4, 0.002)
    """
    if min(from_size, to_size) < 1:
        raise UsageError("a batch size is not usable", f"{from_size} to {to_size}", "give positive sizes")
    ratio, name = to_size / from_size, optimizer.lower()
    if name in ADAPTIVE:
        return learning_rate * float(ratio**0.5)
    if name in LINEAR:
        return learning_rate * ratio
    known = ", ".join(sorted(ADAPTIVE | LINEAR))
    raise UsageError(
        "there is no rule for this optimizer", repr(optimizer), f"scale it yourself, or name one of {known}"
    )
