"""The markup of the report of a run; every text of the caller is escaped here."""

from __future__ import annotations

import math
from html import escape

from joulewise.measure.energy import Energy, Method
from joulewise.measure.measurement import DeviceEnergy, Measurement
from joulewise.records import Provenance
from joulewise.report.quantities import Unit, energy_unit, show, show_percent
from joulewise.report.run_content import RunReport, StepSettings, Table

_PROVENANCE = {
    Provenance.MEASURED: ("Measured", "Every figure was read from hardware; its bounds say how well it is known."),
    Provenance.MODELLED: ("Modelled", "Some figures come from a model of a device, not from a meter."),
    Provenance.SIMULATED: (
        "Simulated: nothing here was measured",
        "Figures come from simulated devices; no hardware used that much.",
    ),
}
_METHOD = {
    Method.COUNTER: "energy counter",
    Method.INTEGRATED: "integrated power",
    Method.MODELLED: "model",
    Method.MIXED: "several methods",
}
WATT = Unit(1.0, "W")


def run_body(report: RunReport, drawn: bool) -> str:
    """Everything between ``<body>`` and the scripts.

    Args:
        report: What to show.
        drawn: Whether there is anything to draw over time.
    """
    parts = [
        "<main>",
        _header(report),
        _headline(report),
        *(_table(table) for table in report.tables),
        _step(report.step) if report.step is not None and report.step.points else "",
        _devices(report.measurement),
        _warnings(report.measurement),
        _timeline() if drawn else "",
        _footprint(report),
        _notes(report),
        "</main>",
        "<footer>joulewise report. One file, no network: what you see is all in it.</footer>",
    ]
    return "\n".join(part for part in parts if part)


def _header(report: RunReport) -> str:
    worth = Provenance.weakest(one.identity.provenance for one in report.measurement.devices)
    badge, meaning = _PROVENANCE[worth]
    told = report.measurement.total is not None
    if not told:
        worth, badge, meaning = Provenance.MODELLED, "Not known", "No device told its energy; see below why."
    return f"""<header>
<h1>{escape(report.title)}</h1>
<p class="subtitle">{escape(report.subtitle)}</p>
<p class="provenance {worth}" role="note"><strong>{badge}</strong> <span>{meaning}</span></p>
</header>"""


def _headline(report: RunReport) -> str:
    cards = [(big, small, "lead") for big, small in report.headline] or _totals(report.measurement)
    cards += [(figure.value, _with_bounds(figure.name, figure.bounds), "") for figure in report.figures]
    items = "".join(
        f'<li class="{kind}"><b>{escape(big)}</b> <span>{escape(small)}</span></li>' for big, small, kind in cards
    )
    return f'<section class="headline" aria-label="Result"><ul class="cards">{items}</ul></section>'


def _totals(measurement: Measurement) -> list[tuple[str, str, str]]:
    energy, cards = measurement.total, []
    if energy is not None:
        cards.append((show(energy.energy_j, _unit(energy), 4), _bounds(energy, _unit(energy)), "lead"))
    cards.append((_duration(measurement.duration_s), "from begin to end", "lead"))
    if energy is not None:
        cards.append((show(measurement.mean_power_w, WATT, 4), "average power", ""))
    if measurement.net_j is not None:
        cards.append((show(measurement.net_j, energy_unit(abs(measurement.net_j)), 4), "above what idle would use", ""))
    return cards


def _with_bounds(name: str, bounds: str) -> str:
    return f"{name}, {bounds}" if bounds else name


def _devices(measurement: Measurement) -> str:
    if not measurement.devices:
        return ""
    heads = ("device", "energy", "no less than", "no more than", "average", "peak", "method", "temperature", "idle")
    rows = [_device(one, measurement) for one in measurement.devices]
    used = [0, *(index for index in range(1, len(heads)) if any(row[index] for row in rows))]

    def line(cells: tuple[str, ...]) -> str:
        data = "".join(f'<td class="number" data-label="{heads[index]}">{cells[index]}</td>' for index in used[1:])
        return f'<tr><th scope="row">{cells[0]}</th>{data}</tr>'

    head = "".join(f'<th scope="col"{_numeric(index)}>{heads[index]}</th>' for index in used)
    energy, foot = measurement.total, ""
    if energy is not None and len(measurement.devices) > 1:
        unit, count = _unit(energy), sum(one.in_total and one.energy is not None for one in measurement.devices)
        power = show(measurement.mean_power_w, WATT, 4)
        name = f"total of {count} device{'' if count == 1 else 's'}, nothing counted twice"
        cells = (name, *_energies(energy, unit), power, "", _METHOD[energy.method], "", "")
        foot = f"<tfoot>{line(cells)}</tfoot>"
    return f"""<section><h2>Devices</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Devices"><table class="devices">
<thead><tr>{head}</tr></thead><tbody>{"".join(map(line, rows))}</tbody>{foot}</table></div></section>"""


def _device(one: DeviceEnergy, measurement: Measurement) -> tuple[str, ...]:
    who = one.identity
    about = [str(who.scope), who.uid]
    about += [f"within {who.parent}"] if not one.in_total and who.parent else []
    about += [str(who.provenance)] if who.provenance is not Provenance.MEASURED else []
    name = f"{escape(who.model)}<small>{escape(', '.join(about))}</small>"
    temperature = " to ".join(f"{value:.0f}" for value in (one.begin_c, one.end_c) if value is not None)
    temperature += " °C" if temperature else ""
    peak = "" if one.peak_w is None else show(one.peak_w, WATT, 4)
    if one.peak_below_mean(measurement.duration_s):
        peak = f"at least the mean<small>its power gauge saw {peak} at most</small>"
    idle = "" if one.idle_w is None else show(one.idle_w, WATT, 3)
    if one.energy is None:
        return (name, "not known", "", "", "", peak, "", temperature, idle)
    unit = _unit(one.energy)
    mean = one.energy.energy_j / measurement.duration_s if measurement.duration_s else 0.0
    figures = (*_energies(one.energy, unit), show(mean, WATT, 4), peak, _METHOD[one.energy.method])
    return (name, *figures, temperature, idle)


def _energies(energy: Energy, unit: Unit) -> tuple[str, str, str]:
    hi = show(energy.hi_j, unit, 4) if math.isfinite(energy.hi_j) else "no bound"
    return show(energy.energy_j, unit, 4), show(energy.lo_j, unit, 4), hi


def _warnings(measurement: Measurement) -> str:
    said = [("", warning) for warning in measurement.warnings]
    for one in measurement.devices:
        name = one.identity.uid
        own = list(one.energy.warnings) if one.energy is not None else []
        own += [f"{'not read to the end' if one.energy else 'no energy'}: {one.failure}"] if one.failure else []
        told = [what for what in measurement.warnings if what.startswith(f"{name}: ")]
        said += [(name, what) for what in own if not any(what in other or one.failure in other for other in told)]
    if not said:
        return ""
    items = "".join(f"<li>{f'<b>{escape(who)}</b>: ' if who else ''}{escape(what)}</li>" for who, what in said)
    return f'<section class="caution"><h2>Warnings</h2><ul class="notes">{items}</ul></section>'


def _step(step: StepSettings) -> str:
    return f"""<section><h2>A step at every setting that was tried</h2>
<p class="caption">{escape(step.caption)} Left is faster, down is cheaper; no setting that was tried is both faster and
cheaper than one on the line. Bars are one standard error of the mean: of the time by the scatter of steps, of the
energy also by what the meter cannot tell.</p>
<div id="step" class="chart" role="img" aria-label="Time against energy of a step at each setting that was tried"></div>
<noscript><p class="caption">The chart is drawn by a script in this file; allow it to see it.</p></noscript>
</section>"""


def _timeline() -> str:
    return """<section><h2>Over time</h2>
<p class="caption">Power is drawn as it was read: each reading holds until the next. A tinted band, drawn for up to
four devices, is where the average power lies; the bar at the end of an energy shows its bounds. Drag to zoom,
double-click to see all; press a name to hide or show a device.</p>
<div id="keys" class="keys"></div>
<div id="timeline" class="chart" role="img" aria-label="Power and energy of each device over time; the table above gives
the sums."></div>
<noscript><p class="caption">The charts are drawn by a script in this file; allow it to see them.</p></noscript>
</section>"""


def _footprint(report: RunReport) -> str:
    measurement = report.measurement
    rows = [(_with_bounds(figure.name, figure.bounds), f"{figure.value}: {figure.source}") for figure in report.figures]
    cost = measurement.self_cost
    if cost.cpu_s:
        share = f" ({show_percent(cost.cpu_s / measurement.duration_s)} of one core)" if measurement.duration_s else ""
        energy = (
            "" if cost.energy_j is None else f", about {show(cost.energy_j, energy_unit(cost.energy_j), 2)}, modelled"
        )
        rows.append(("what measuring cost", f"{cost.cpu_s:.3f} s of CPU time{share}{energy}"))
    if measurement.idle_j is not None:
        idle = show(measurement.idle_j, energy_unit(measurement.idle_j), 4)
        rows.append(("what idle would use", f"{idle} in the same time, part of the energy above"))
    if not rows:
        return ""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)
    return f'<section><h2>What it amounts to</h2><dl class="facts">{items}</dl></section>'


def _table(table: Table) -> str:
    head, *rows = table.rows
    heads = "".join(f'<th scope="col"{_numeric(index)}>{escape(text)}</th>' for index, text in enumerate(head))
    lines = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(
            f'<td class="number" data-label="{escape(n)}">{escape(v)}</td>'
            for n, v in zip(head[1:], row[1:], strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"""<section><h2>{escape(table.heading)}</h2><p class="caption">{escape(table.caption)}</p>
<div class="scroll" tabindex="0" role="region" aria-label="{escape(table.heading)}"><table class="devices">
<thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div></section>"""


def _notes(report: RunReport) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return f'<section><h2>How to read this</h2><ul class="notes">{items}</ul></section>' if items else ""


def _unit(energy: Energy) -> Unit:
    return energy_unit(energy.energy_j)


def _bounds(energy: Energy, unit: Unit) -> str:
    _, lo, hi = _energies(energy, unit)
    return f"{lo.removesuffix(' ' + unit.symbol)} to {hi}"


def _duration(duration_s: float) -> str:
    if duration_s < 600:
        return show(duration_s, Unit(1.0, "s"), 4)
    minutes, seconds = divmod(round(duration_s), 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 180 else f"{minutes} min {seconds:02d} s"


def _numeric(index: int) -> str:
    return ' class="number"' if index else ""
