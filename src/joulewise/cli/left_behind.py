"""What every verb that touches hardware says when it starts: settings that killed processes left behind."""

from __future__ import annotations

import typer


def report_left_behind() -> None:
    """Warn on standard error, if there is something to restore."""
    from joulewise.devices.left_behind import warning  # noqa: PLC0415 (--help needs none of this)

    text = warning()
    if text:
        typer.echo(text, err=True)
