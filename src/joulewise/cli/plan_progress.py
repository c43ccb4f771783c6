"""A progress bar for long planning; nothing where there is no terminal or nothing takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

Step = Callable[[str], Callable[[float], None]]


@contextmanager
def shown() -> Iterator[Step]:
    """Within, ``step(text)`` starts a bar and gives the function that moves it to a fraction."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as progress:

        def step(text: str) -> Callable[[float], None]:
            task = progress.add_task(text, total=1.0)
            return lambda fraction: progress.update(task, completed=fraction)

        yield step
