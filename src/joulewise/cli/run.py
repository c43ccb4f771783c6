"""``joulewise run -- CMD``: what a program used, per device, as ``time`` tells how long it took."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from joulewise.cli.run_gate import Gate
    from joulewise.cli.run_once import Watch
    from joulewise.cli.run_options import Factors, Outputs


def run(
    command: Annotated[list[str], typer.Argument(help="Program and its arguments, after --.", metavar="CMD...")],
    *,
    device: Annotated[
        list[str] | None, typer.Option(help="Which, as in nvidia:0, cpu or sim:a100x8; may be given again.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the result as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also write a page with power over time.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Also write what was read over time, as Parquet.")] = None,
    perfetto: Annotated[Path | None, typer.Option(help="The same as a trace for Perfetto or Chrome.")] = None,
    price: Annotated[
        str | None, typer.Option(help="What a kWh costs, as in '0.30 EUR/kWh', or a CSV file.", metavar="PRICE")
    ] = None,
    country: Annotated[
        str | None, typer.Option(help="Whose grid it ran on, as in DE: adds carbon, by the year's average.")
    ] = None,
    intensity: Annotated[
        str | None, typer.Option(help="What a kWh emits, as in 380g/kWh, or a CSV file.", metavar="INTENSITY")
    ] = None,
    compare: Annotated[
        str | None, typer.Option(help="Another program, in quotes: run both in turn and compare.", metavar="'OTHER'")
    ] = None,
    repeat: Annotated[int | None, typer.Option(help="With --compare: how often each runs (5).", metavar="N")] = None,
    seed: Annotated[int | None, typer.Option(help="With --compare: decides who begins (0).", metavar="N")] = None,
    cool_down_s: Annotated[
        float | None,
        typer.Option(help="With --compare: longest wait for devices to cool down before a run (60).", min=0),
    ] = None,
    fail_above: Annotated[
        tuple[str, Path] | None,
        typer.Option(
            help="Exit with 110 if more was used than so many times that of an earlier --json, 111 if that cannot be"
            " told. As in: 1.05x baseline.json",
            metavar="RATIO BASELINE",
        ),
    ] = None,
) -> None:
    """Run a program and say on stderr what it used; exit code, signals and standard streams are the program's.

    A simulated device is as busy as the program and its children keep a CPU.
    """
    from joulewise.cli.left_behind import report_left_behind  # noqa: PLC0415 (--help needs none of this)
    from joulewise.cli.run_once import watch  # noqa: PLC0415
    from joulewise.cli.run_options import Outputs, parse_factors, parse_limit  # noqa: PLC0415
    from joulewise.devices.selection import find_devices  # noqa: PLC0415
    from joulewise.errors import UsageError  # noqa: PLC0415

    outputs = Outputs(json_file, html, parquet, perfetto)
    outputs.check()
    factors = parse_factors(price, country, intensity)
    given = {"--repeat": repeat, "--seed": seed, "--cool-down-s": cool_down_s}
    for name, value in given.items():
        if value is not None and compare is None:
            raise UsageError(f"{name} needs a program to compare with", f"{name} {value:g}", "add --compare 'OTHER'")
    if compare is not None and fail_above is not None:
        raise UsageError("one thing at a time", "--compare and --fail-above", "give one of them")
    limit = None if fail_above is None else parse_limit(fail_above[0])
    report_left_behind()
    found = watch(find_devices(device))
    if compare is not None:
        from joulewise.cli.compare import compare_commands, plan_of  # noqa: PLC0415

        plan = plan_of(command, compare, *_or_default(repeat, seed, cool_down_s))
        raise typer.Exit(compare_commands(plan, found, outputs, factors))
    gate = None
    if limit is not None and fail_above is not None:
        from joulewise.cli.run_gate import read_gate  # noqa: PLC0415

        gate = read_gate(limit, fail_above[1], found.meter.devices)
    raise typer.Exit(_run_once(command, found, outputs, factors, gate))


def _or_default(repeat: int | None, seed: int | None, cool_down_s: float | None) -> tuple[int, int, float]:
    return 5 if repeat is None else repeat, seed or 0, 60.0 if cool_down_s is None else cool_down_s


def _run_once(command: list[str], found: Watch, outputs: Outputs, factors: Factors, gate: Gate | None) -> int:
    from joulewise.cli.child import end_by_signal  # noqa: PLC0415
    from joulewise.cli.run_once import report_of, timeline_of, write_outputs  # noqa: PLC0415
    from joulewise.cli.run_output import Summary, document, lines  # noqa: PLC0415
    from joulewise.errors import UsageError  # noqa: PLC0415

    ended, measurement = found.run(command, command[0])
    if not ended.started:
        return ended.code
    needs_time = outputs.drawn or bool(factors)
    timeline = timeline_of(found.meter, measurement) if needs_time else None
    footprint, problems = None, []
    try:
        footprint = factors.of(measurement, timeline)
    except UsageError as error:
        problems.append(str(error))
    summary = Summary(tuple(command), ended.code, measurement, footprint, found.silent, priced=bool(factors))
    for line in lines(summary):
        typer.echo(line, err=True)
    judgement = gate.judge(measurement) if gate is not None and ended.code == 0 else None
    if judgement is not None:
        typer.echo(f"joulewise: {judgement.line()}", err=True)
    elif gate is not None:
        typer.echo("joulewise: the program failed: it is not compared with the baseline", err=True)
    report = None
    if outputs.html is not None and timeline is not None:
        said = (judgement.line(),) if judgement is not None else ()
        report = report_of(summary, timeline, said)
    more = {} if judgement is None else {"gate": judgement.to_dict()}
    problems += write_outputs(outputs, document(summary, **more), timeline, report)
    for problem in problems:
        typer.echo(f"joulewise: {problem}", err=True)
    if ended.code < 0:
        end_by_signal(-ended.code)
    return ended.code or (judgement.exit_code if judgement is not None else 0)
