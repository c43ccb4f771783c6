"""How ``joulewise top`` writes figures: bars, symbols and colours that everybody can tell apart.

Colours are of the palette of Okabe and Ito, which people with any colour vision can tell apart, and differ in
brightness; they never say anything that a symbol or a word beside them does not.
"""

from __future__ import annotations

from rich.text import Text

from joulewise.export.observation import Observation

CALM, NEAR, AT_LIMIT, GREY = "#56B4E9", "#D55E00", "#F0E442", "#9A9A9A"
NEAR_FRAC, AT_LIMIT_FRAC = 0.8, 0.97
STALE_S = 3.0
EIGHTHS = " ▏▎▍▌▋▊▉█"
PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def bar(fraction: float, width: int) -> str:
    """A bar of ``width`` characters, in steps of an eighth of one.

    Example:
        >>> bar(0.5, 4), bar(0.3, 2), bar(7, 2)
        ('██··', '▋·', '██')
    """
    steps = round(min(1.0, max(0.0, fraction)) * width * 8)
    full, part = divmod(steps, 8)
    drawn = "█" * full + (EIGHTHS[part] if part else "")
    return drawn + "·" * (width - len(drawn))


def joules(energy_j: float | None) -> str:
    """An energy in at most 8 characters.

    Example:
        >>> joules(12.34), joules(123456.0), joules(None)
        ('12.3 J', '123 kJ', '-')
    """
    if energy_j is None:
        return "-"
    for scale, prefix in PREFIXES:
        if energy_j >= scale * 0.9995:
            return f"{energy_j / scale:.3g} {prefix}J"
    return f"{energy_j:.2f} J"


def number(value: float | None, factor: float = 1.0) -> str:
    """A whole number, or a dash for what is not known."""
    return "-" if value is None else f"{value * factor:.0f}"


def power(one: Observation, width: int) -> Text:
    """Power, beside a bar of the limit if there is one."""
    if one.power_w is None:
        return Text("-".rjust(5), style=GREY)
    if one.power_limit_w is None:
        return Text(f"{one.power_w:5.0f}  no limit")
    fraction = one.power_w / one.power_limit_w
    style = AT_LIMIT if fraction >= AT_LIMIT_FRAC else NEAR if fraction >= NEAR_FRAC else CALM
    return Text.assemble(f"{one.power_w:5.0f} ", (bar(fraction, width), style), f" {one.power_limit_w:.0f}")


def state(one: Observation, now_ns: int) -> Text:
    """A symbol and a word: what a glance should tell."""
    age_s = one.age_s(now_ns)
    if one.failure and (age_s is None or age_s > STALE_S):
        return Text("✗ lost" if age_s is None else f"✗ {age_s:.0f} s old", style=f"bold {NEAR}")
    if age_s is None:
        return Text("○ no energy", style=GREY)
    if age_s > STALE_S:
        return Text(f"… {age_s:.0f} s old", style=GREY)
    if one.power_w is not None and one.power_limit_w:
        fraction = one.power_w / one.power_limit_w
        if fraction >= AT_LIMIT_FRAC:
            return Text("▲ at limit", style=f"bold {AT_LIMIT}")
        if fraction >= NEAR_FRAC:
            return Text("△ near", style=NEAR)
    return Text("● ok", style=CALM)
