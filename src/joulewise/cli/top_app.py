"""The screen of ``joulewise top``."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Static

from joulewise.cli.top_cells import GREY, joules, number, power, state
from joulewise.cli.top_shares import Shares, in_order
from joulewise.clock import Clock
from joulewise.devices.device import Scope
from joulewise.export.observation import Observation
from joulewise.records import Provenance

PROCESS_KEYS, DEVICE_KEYS = ("power", "energy", "name", "pid"), ("found", "power", "temperature", "energy")
WIDE, MOST_ROWS = 120, 100
NARROW, LEAST = 80, 10  # what the columns before the model take, and what the model needs
ENDING = (signal.SIGTERM, signal.SIGHUP)
HELP = """[b]joulewise top[/b] shows what devices use now, and which processes draw it.

  [b]q[/b]       end                      [b]Tab[/b]     the other table
  [b]p[/b]       pause, and go on         [b]↑ ↓[/b]     move in a table
  [b]r[/b]       energy from zero         [b]PgUp PgDn[/b]  a page
  [b]s[/b]       next order of processes  [b]d[/b]       next order of devices
  [b]?[/b]       this help                [b]Esc[/b]     close it

Power beside its limit; energy since the start, or since [b]r[/b].
[b]●[/b] ok   [b]△[/b] above 80 % of the limit   [b]▲[/b] at the limit
[b]✗[/b] does not answer   [b]…[/b] old reading   [b]○[/b] tells no energy
[b]↳[/b] lies in another device, which includes its energy: not in the total.
A node is beside the total, too: it includes everything in it.

Watts of a process are a division of what devices used, by the method that
is named below the table, not a measurement of the process."""


class HelpScreen(ModalScreen[None]):
    """What the keys and symbols mean."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,question_mark,q", "dismiss", "close")]
    CSS = """
    HelpScreen { align: center middle; }
    HelpScreen VerticalScroll { width: 80; max-width: 100%; height: auto; max-height: 100%;
                                border: round $foreground; padding: 0 1; background: $surface; }
    """

    def compose(self) -> ComposeResult:
        """One text, that scrolls where it does not fit."""
        yield VerticalScroll(Static(HELP))


class TopApp(App[None]):
    """A live view of devices and processes.

    Args:
        observe: What devices are seen to be.
        divide: Divides what they used among processes.
        forget: Lets the division count energy from zero.
        clock: That of the observations.
        period_s: How often to refresh [s]; 0 for never, where `refresh_now` is called.
    """

    TITLE = "joulewise top"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        ("q", "quit", "quit"),
        ("p", "pause", "pause"),
        ("r", "reset", "reset energy"),
        ("s", "sort_processes", "sort"),
        ("d", "sort_devices", "sort devices"),
        ("question_mark", "help", "help"),
    ]
    CSS = """
    #total { height: 1; background: $panel; color: $foreground; text-style: bold; }
    #devices { height: auto; max-height: 50%; }
    #processes { height: 1fr; min-height: 4; }
    #method { height: auto; max-height: 3; padding: 0 1; color: $text-muted; }
    DataTable { background: $surface; }
    """

    def __init__(
        self,
        observe: Callable[[], Sequence[Observation]],
        divide: Callable[[Sequence[Observation]], Shares],
        forget: Callable[[], None],
        clock: Clock,
        period_s: float = 1.0,
    ) -> None:
        """Show nothing yet."""
        super().__init__()
        self._observe, self._divide, self._forget, self._clock = observe, divide, forget, clock
        self._period_s, self._paused = period_s, False
        self._process_key, self._device_key = PROCESS_KEYS[0], DEVICE_KEYS[0]
        self._seen: Sequence[Observation] = ()
        self._shares, self._seen_ns = Shares(), clock.now_ns()
        self._width, self._zero_j = 80, dict[str, float]()
        self._zero_ns = clock.now_ns()

    def compose(self) -> ComposeResult:
        """A line, two tables, a line, and the keys."""
        yield Static(id="total")
        yield DataTable(id="devices", cursor_type="row", zebra_stripes=False)
        yield DataTable(id="processes", cursor_type="row", zebra_stripes=False)
        yield Static(id="method")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to refresh; whatever ends us, the terminal is given back."""
        with suppress(NotImplementedError, RuntimeError, ValueError):  # of threads and machines that cannot
            for number in ENDING:
                asyncio.get_running_loop().add_signal_handler(number, self.exit)
        self.query_one("#processes").focus()
        self.refresh_now()
        if self._period_s > 0:
            self.set_interval(self._period_s, self.refresh_now)

    def on_resize(self, event: Resize) -> None:
        """Draw for the new size."""
        self._width = event.size.width
        self._draw()

    def refresh_now(self) -> None:
        """Look again, unless paused."""
        if not self._paused:
            self._seen, self._seen_ns = self._observe(), self._clock.now_ns()
            self._shares = self._divide(self._seen)
            self._draw()

    def action_pause(self) -> None:
        """Stand still, or go on; energy is counted meanwhile."""
        self._paused = not self._paused
        self.refresh_now()
        self._draw()

    def action_reset(self) -> None:
        """Count energy from zero."""
        self._zero_j = {one.identity.uid: one.energy_j for one in self._observe() if one.energy_j is not None}
        self._zero_ns = self._clock.now_ns()
        self._forget()
        self._shares = Shares(methods=self._shares.methods, provenance=self._shares.provenance)
        self._seen = self._observe()
        self._draw()

    def action_sort_processes(self) -> None:
        """Put processes in the next order."""
        self._process_key = _next(PROCESS_KEYS, self._process_key)
        self._draw()

    def action_sort_devices(self) -> None:
        """Put devices in the next order."""
        self._device_key = _next(DEVICE_KEYS, self._device_key)
        self._draw()

    def action_help(self) -> None:
        """Show what keys and symbols mean."""
        self.push_screen(HelpScreen())

    def _draw(self) -> None:
        if not self._seen:  # it is not on the screen yet
            return
        base = self.screen_stack[0]
        base.query_one("#total", Static).update(self._total())
        self._fill(base.query_one("#devices", DataTable), *self._devices())
        self._fill(base.query_one("#processes", DataTable), *self._processes())
        base.query_one("#method", Static).update(self._method())

    def _fill(self, table: DataTable[Text], columns: Sequence[str], rows: Sequence[tuple[str, list[Text]]]) -> None:
        """New content, with the cursor and the scroll where they were."""
        row, offset = table.cursor_row, table.scroll_offset
        table.clear(columns=True)
        table.add_columns(*columns)
        for key, cells in rows:
            table.add_row(*cells, key=key)
        if table.row_count:
            table.move_cursor(row=min(row, table.row_count - 1), animate=False, scroll=False)
            table.scroll_to(offset.x, offset.y, animate=False, immediate=True)

    def _used_j(self, one: Observation) -> float | None:
        return None if one.energy_j is None else one.energy_j - self._zero_j.get(one.identity.uid, 0.0)

    def _total(self) -> Text:
        counted = [one for one in self._seen if not one.within and one.identity.scope is not Scope.NODE]
        watts = sum(one.power_w or 0.0 for one in counted)
        used_j = sum(self._used_j(one) or 0.0 for one in counted)
        seconds = round((self._seen_ns - self._zero_ns) * 1e-9)
        minutes, hours = seconds // 60 % 60, seconds // 3600
        mark = _mark(Provenance.weakest(one.identity.provenance for one in self._seen))
        paused = "  ‖ PAUSED" if self._paused else ""
        devices = f"{len(counted)} device{'' if len(counted) == 1 else 's'}"
        since = f"{hours}:{minutes:02}:{max(0, seconds) % 60:02}"
        return Text(f" joulewise top{mark}  {devices}  {watts:.0f} W  {joules(used_j)} in {since}{paused}")

    def _devices(self) -> tuple[list[str], list[tuple[str, list[Text]]]]:
        wide = 12 if self._width >= WIDE else 0
        left = self._width - NARROW - wide
        columns = ["Device", "Power, limit W", "MHz", "°C", "Busy", "Energy", "State"]
        columns += ["Model"] if left >= LEAST else []
        named = {"power": 1, "temperature": 3, "energy": 5}.get(self._device_key)
        if named is not None:
            columns[named] += " ▼"
        orders: dict[str, Callable[[Observation], float]] = {
            "found": lambda one: 0.0,
            "power": lambda one: -(one.power_w or 0.0),
            "temperature": lambda one: -(one.temperature_c or 0.0),
            "energy": lambda one: -(self._used_j(one) or 0.0),
        }
        rows = []
        for one in sorted(self._seen, key=orders[self._device_key]):
            cells = [
                Text(("↳ " if one.within else "") + _short(one.name, 10)),
                power(one, 8 + wide),
                Text(number(one.core_mhz), justify="right"),
                Text(number(one.temperature_c), justify="right"),
                Text("-" if one.utilisation_frac is None else f"{one.utilisation_frac:.0%}", justify="right"),
                Text(joules(self._used_j(one)), justify="right"),
                state(one, self._seen_ns),
            ]
            if left >= LEAST:
                cells.append(Text(_short(f"{one.identity.model} ({one.identity.scope})", left)))
            rows.append((one.identity.uid, cells))
        return columns, rows

    def _processes(self) -> tuple[list[str], list[tuple[str, list[Text]]]]:
        heads = {"pid": "PID", "power": "Watts", "energy": "Energy", "name": "Process"}
        columns = [text + (" ▼" if key == self._process_key else "") for key, text in heads.items()]
        rows = []
        for row in in_order(self._shares.rows, self._process_key)[:MOST_ROWS]:
            figures = [str(row.pid), f"{row.power_w:.1f}", joules(row.energy_j)]
            cells = [*(Text(figure, justify="right") for figure in figures), Text(row.command)]
            rows.append((str(row.pid), cells))
        return columns, rows

    def _method(self) -> Text:
        shares = self._shares
        how = "; and ".join(shares.methods) or "nothing is attributed to processes yet"
        text = f"{shares.unattributed_w:.0f} W unattributed. Watts of processes: {how}{_mark(shares.provenance)}"
        return Text(text, style=GREY)


def _mark(provenance: Provenance) -> str:
    return "" if provenance is Provenance.MEASURED else f"  [{provenance}]"


def _next(keys: Sequence[str], key: str) -> str:
    return keys[(keys.index(key) + 1) % len(keys)]


def _short(name: str, most: int) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
