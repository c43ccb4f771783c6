"""The command line: one file per verb."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer import Typer


def make_app() -> Typer:
    """Every verb."""
    import typer  # noqa: PLC0415 (a library user who imports joulewise never pays for it)

    from joulewise.cli import (  # noqa: PLC0415
        agent,
        calibrate,
        demo,
        devices,
        doctor,
        export,
        hub,
        plan,
        plan_kernels,
        recurring,
        reproduce,
        restore,
        run,
        sim,
        top,
        tune,
        version,
        whatif,
    )

    app = typer.Typer(
        name="joulewise",
        help="Measure and cut the energy of machine-learning work.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback(help="Measure and cut the energy of machine-learning work.")(version.version_option)
    app.command("demo")(demo.demo)
    app.command("plan")(plan.plan)
    app.command("plan-kernels")(plan_kernels.plan_kernels)
    app.command("run", context_settings={"allow_interspersed_args": False})(run.run)
    app.command("tune", context_settings={"allow_interspersed_args": False})(tune.tune)
    app.command("top")(top.top)
    app.command("devices")(devices.devices)
    app.command("calibrate")(calibrate.calibrate)
    app.command("doctor")(doctor.doctor)
    app.command("restore")(restore.restore)
    app.command("reproduce")(reproduce.reproduce)
    app.command("whatif")(whatif.whatif)
    app.add_typer(agent.app, name="agent")
    app.add_typer(export.app, name="export")
    app.add_typer(hub.app, name="hub")
    app.add_typer(recurring.app, name="recurring")
    app.add_typer(sim.app, name="sim")
    return app


def main() -> None:
    """Entry point of the ``joulewise`` command: errors that are ours end it with their text and exit code 2."""
    from joulewise.errors import JoulewiseError, MissingExtraError  # noqa: PLC0415

    try:
        make_app()()
    except JoulewiseError as error:
        what = (
            f"the extra {error.extra} is not installed\n  {error}"
            if isinstance(error, MissingExtraError)
            else error.what
        )
        parts = [what, *(f"  {part}" for part in (error.seen, error.fix) if part)]
        sys.stderr.write("error: " + "\n".join(parts) + "\n")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: nothing was written\n")
        raise SystemExit(130) from None
