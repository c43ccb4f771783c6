"""``joulewise top`` on a virtual clock, steered through the keyboard, at several sizes."""

from __future__ import annotations

import asyncio
import doctest
import itertools
import os
import pty
import signal
import struct
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from joulewise.cli import top_cells
from joulewise.cli.top_cells import AT_LIMIT, CALM, NEAR, bar, joules, power, state
from joulewise.cli.top_shares import ProcessRow, ProcessShares, Shares, in_order
from joulewise.devices.capabilities import Kind
from joulewise.devices.device import Host
from joulewise.devices.processes import ProcessUtilisation
from joulewise.devices.simulated.driver import make_devices
from joulewise.export.watch import Watch
from joulewise.records import Provenance
from joulewise.testing.fake import FakeDevice

textual = pytest.importorskip("textual", reason="needs the extra top")


def test_examples():
    assert doctest.testmod(top_cells).failed == 0


def test_colours_differ_in_brightness_for_whoever_sees_no_colour():
    def brightness(colour):
        red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    assert all(
        abs(brightness(one) - brightness(other)) > 30
        for one, other in itertools.combinations((CALM, NEAR, AT_LIMIT), 2)
    )


@pytest.mark.parametrize("width", [1, 8, 20])
@pytest.mark.parametrize("fraction", [-1.0, 0.0, 0.33, 0.999, 1.0, 3.0])
def test_a_bar_is_as_wide_as_it_is_told_to_be(width, fraction):
    assert len(bar(fraction, width)) == width


@pytest.mark.parametrize("energy_j", [0.0, 0.004, 0.9999, 9.999, 99.96, 999.6, 1000.0, 123456.0, 3.6e6, 8e11])
def test_energies_are_short_and_right(energy_j):
    text = joules(energy_j)
    assert len(text) <= 8
    figure, unit = text.split()
    assert float(figure) * {"J": 1, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9}[unit] == pytest.approx(
        energy_j, rel=0.01, abs=0.01
    )


class Scene:
    """Devices on a virtual clock, and the screen that shows them."""

    def __init__(self, clock, root):
        (root / "proc").mkdir(parents=True)
        self.clock, self.host = clock, Host(root, {}, clock)
        self.twin, self.cpu, _ = make_devices("a100,epyc", clock)
        self.board = FakeDevice(clock, uid="board", load_w=398.0, kinds=[k for k in Kind if "cpu" not in k])
        self.slice = FakeDevice(clock, uid="slice", load_w=100.0, kinds=(Kind.ENERGY_COUNTER,), parent="board")
        self.devices = [self.twin, self.cpu, self.board, self.slice]
        self.ticks = {"idle": 0, "1": 0, "2": 0}
        self.write_proc()
        self.watch = Watch(self.devices, clock, {"board": "fake:0", "slice": "fake:1"})
        self.shares = ProcessShares(self.devices, self.host)

    def write_proc(self):
        """Two CPUs, and processes that used some of their time."""
        root, busy = self.host.root / "proc", self.ticks["1"] + self.ticks["2"]
        (root / "stat").write_text(f"cpu {busy} 0 0 {self.ticks['idle']} 0 0 0 0\ncpu0 0 0 0 0\ncpu1 0 0 0 0\n")
        for pid, name in (("1", "train"), ("2", "load (data)")):
            (root / pid).mkdir(exist_ok=True)
            fields = ["S", "1", *["0"] * 9, str(self.ticks[pid]), *["0"] * 30]
            (root / pid / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}\n")
            (root / pid / "comm").write_text(f"{name}\n")

    def observe(self):
        self.watch.read()
        return self.watch()

    def live(self, duration_s, *, busy=(0.9, 0.6)):
        """Let time pass while the two processes keep CPUs busy."""
        for _ in range(round(duration_s * 10)):
            self.watch.read()
            self.clock.sleep(0.1)
        hertz = os.sysconf("SC_CLK_TCK")
        self.ticks["1"] += round(busy[0] * duration_s * hertz)
        self.ticks["2"] += round(busy[1] * duration_s * hertz)
        self.ticks["idle"] += round((2 - sum(busy)) * duration_s * hertz)
        self.write_proc()

    def app(self):
        from joulewise.cli.top_app import TopApp  # noqa: PLC0415

        return TopApp(self.observe, self.shares.mark, self.shares.reset, self.clock, period_s=0)


@pytest.fixture
def scene(virtual_clock, tmp_path):
    return Scene(virtual_clock, tmp_path / "machine")


def play(scene, act, size=(80, 24)):
    """Run the app without a terminal, and let ``act`` steer it."""

    async def run():
        app = scene.app()
        async with app.run_test(size=size) as pilot:
            await act(app, pilot)

    asyncio.run(run())


def cells(app, table):
    found = app.query_one(f"#{table}")
    return [[str(cell) for cell in found.get_row_at(row)] for row in range(found.row_count)]


def heads(app, table):
    return [str(column.label) for column in app.query_one(f"#{table}").ordered_columns]


def line(app, name):
    return str(app.query_one(f"#{name}").render())


def test_devices_are_shown_with_limits_and_states(scene):
    async def act(app, pilot):
        scene.live(3.0)
        app.refresh_now()
        await pilot.pause()
        rows = {row[0]: row for row in cells(app, "devices")}
        assert rows["fake:0"][1:7] == ["  398 ████████ 400", "1410", "70", "100%", "1.19 kJ", "▲ at limit"]
        assert rows["↳ fake:1"][5:7] == ["300 J", "● ok"]
        assert len(rows) == 4
        total = line(app, "total")
        assert "3 devices" in total
        assert "in 0:00:03" in total
        assert total.startswith(" joulewise top  [simulated]  3 devices")  # first, so that no window cuts it off

    play(scene, act)


def test_processes_get_what_the_cpus_and_twins_used_by_cpu_time_and_nothing_is_lost(scene):
    async def act(app, pilot):
        scene.live(2.0)
        app.refresh_now()
        await pilot.pause()
        rows = {row[3]: row for row in cells(app, "processes")}
        assert set(rows) == {"train", "load (data)"}
        train_w, load_w = float(rows["train"][1]), float(rows["load (data)"][1])
        assert train_w / load_w == pytest.approx(0.9 / 0.6, rel=0.02)
        said = line(app, "method")
        assert "in proportion to CPU time" in said
        assert said.endswith("[simulated]")
        divided_w = sum(device.true_power_w() for device in (scene.twin, scene.cpu))
        assert train_w == pytest.approx(divided_w * 0.9 / 2, rel=0.1)
        nobody_w = float(said.split()[0])
        assert train_w + load_w + nobody_w == pytest.approx(divided_w + 398.0, rel=0.1)

    play(scene, act)


def test_pause_freezes_the_screen_and_not_the_count(scene):
    async def act(app, pilot):
        scene.live(1.0)
        app.refresh_now()
        await pilot.press("p")
        assert "PAUSED" in line(app, "total")
        before = cells(app, "devices")
        scene.live(2.0)
        app.refresh_now()
        await pilot.pause()
        assert cells(app, "devices") == before
        await pilot.press("p")
        assert "PAUSED" not in line(app, "total")
        assert {row[0]: row[5] for row in cells(app, "devices")}["fake:0"] == "1.19 kJ"

    play(scene, act)


def test_reset_counts_energy_from_zero(scene):
    async def act(app, pilot):
        scene.live(3.0)
        app.refresh_now()
        await pilot.press("r")
        assert {row[0]: row[5] for row in cells(app, "devices")}["fake:0"] == "0.00 J"
        assert cells(app, "processes") == []
        assert "in 0:00:00" in line(app, "total")
        scene.live(1.0)
        app.refresh_now()
        await pilot.pause()
        assert {row[0]: row[5] for row in cells(app, "devices")}["fake:0"] == "398 J"

    play(scene, act)


def test_keys_change_the_order_and_arrows_move(scene):
    async def act(app, pilot):
        scene.live(1.0, busy=(0.1, 0.9))
        app.refresh_now()
        await pilot.pause()
        assert [row[3] for row in cells(app, "processes")] == ["load (data)", "train"]
        orders = []
        for _ in range(4):
            await pilot.press("s")
            orders.append(
                (next(head for head in heads(app, "processes") if "▼" in head), cells(app, "processes")[0][0])
            )
        assert orders == [("Energy ▼", "2"), ("Process ▼", "2"), ("PID ▼", "1"), ("Watts ▼", "2")]
        await pilot.press("down")
        assert app.query_one("#processes").cursor_row == 1
        app.refresh_now()
        await pilot.pause()
        assert app.query_one("#processes").cursor_row == 1
        await pilot.press("d")
        assert cells(app, "devices")[0][0] == "fake:0"
        assert "Power, limit W ▼" in heads(app, "devices")

    play(scene, act)


def test_help_opens_and_closes_and_q_ends(scene):
    async def act(app, pilot):
        await pilot.press("question_mark")
        assert len(app.screen_stack) == 2
        scene.live(1.0)
        app.refresh_now()  # underneath
        await pilot.press("escape")
        assert len(app.screen_stack) == 1
        await pilot.press("q")
        assert not app.is_running

    play(scene, act)


@pytest.mark.parametrize("size", [(80, 24), (90, 24), (119, 30), (120, 30), (200, 60)])
def test_everything_fits(scene, size):
    async def act(app, pilot):
        scene.live(1.0)
        app.refresh_now()
        await pilot.pause()
        for name in ("devices", "processes"):
            table = app.query_one(f"#{name}")
            assert table.virtual_size.width <= size[0]
            assert table.region.height >= 3
        assert app.query_one("Footer").region.bottom == size[1]

    play(scene, act, size)


def test_it_is_drawn_anew_for_another_size(scene):
    async def act(app, pilot):
        scene.live(1.0)
        app.refresh_now()
        await pilot.press("p")
        assert len(cells(app, "devices")[0]) == 7
        await pilot.resize_terminal(140, 40)
        await pilot.pause()
        assert cells(app, "devices")[0][7] == "simulated A100-SXM4-80GB (board)"
        await pilot.resize_terminal(60, 12)
        await pilot.pause()
        assert len(cells(app, "devices")[0]) == 7

    play(scene, act)


def test_a_lost_device_says_so_and_stays(scene):
    async def act(app, pilot):
        scene.live(2.0)
        app.refresh_now()
        scene.board.lost = True
        scene.live(8.0)
        app.refresh_now()
        await pilot.pause()
        row = {row[0]: row for row in cells(app, "devices")}["fake:0"]
        assert row[1].strip() == "-"
        assert row[5:7] == ["796 J", "✗ 8 s old"]

    play(scene, act)


def test_states_have_symbols_of_their_own(virtual_clock):
    said = []
    for load_w in (100.0, 350.0, 399.0):
        device = FakeDevice(virtual_clock, load_w=load_w, kinds=[k for k in Kind if "cpu" not in k])
        watch = Watch([device], virtual_clock)
        watch.read()
        (one,) = watch()
        said.append((str(state(one, virtual_clock.now_ns()))[0], state(one, virtual_clock.now_ns()).style))
        assert str(power(one, 4)).endswith("400")
    assert len({symbol for symbol, _ in said}) == len({style for _, style in said}) == 3


class Gpu(FakeDevice):
    """A GPU whose driver tells its processes."""

    def read_process_utilisation(self, since_us):
        now_us = self._clock.now_ns() // 1000
        return [ProcessUtilisation(7, now_us, 0.5), ProcessUtilisation(8, now_us, 0.25)]


def test_processes_of_a_gpu_are_those_that_its_driver_tells(virtual_clock, tmp_path):
    gpu = Gpu(virtual_clock, uid="gpu", load_w=200.0)
    shares = ProcessShares([gpu], Host(tmp_path, {}, virtual_clock))
    watch = Watch([gpu], virtual_clock)
    for _ in range(2):
        watch.read()
        found = shares.mark(watch())
        virtual_clock.sleep(1.0)
    assert [(row.pid, row.power_w) for row in found.rows] == [(7, pytest.approx(100.0)), (8, pytest.approx(50.0))]
    assert found.unattributed_w == pytest.approx(50.0)
    assert "multiprocessor time" in found.methods[0]
    assert "/proc" in found.methods[1]
    assert found.provenance is Provenance.MEASURED


def test_orders_are_stable():
    rows = [ProcessRow(pid, "x", 1.0, 1.0) for pid in (3, 1, 2)]
    assert [row.pid for row in in_order(rows, "power")] == [1, 2, 3]
    assert Shares().rows == ()


def test_without_a_terminal_it_says_so():
    command = [sys.executable, "-c", "from joulewise.cli import main; main()", "top", "--device", "sim:v100"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: joulewise top needs a terminal\n")


@pytest.mark.slow
@pytest.mark.parametrize("end_by", [b"q", signal.SIGTERM])
def test_the_command_runs_in_a_real_terminal_and_gives_it_back(tmp_path, end_by):
    import fcntl  # noqa: PLC0415
    import termios  # noqa: PLC0415

    code = "from joulewise.cli import main; main()"
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(terminal)
    environ = os.environ | {"JOULEWISE_STATE_DIR": str(tmp_path), "TERM": "xterm-256color"}
    arguments = [sys.executable, "-c", code, "top", "--device", "sim:v100", "--period", "0.2"]
    with subprocess.Popen(
        arguments, env=environ, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    ) as process:
        try:
            seen, end = b"", time.monotonic() + 60
            while b"sim:0" not in seen:
                assert time.monotonic() < end, seen
                seen += os.read(master, 65536)
            if isinstance(end_by, bytes):
                os.write(master, end_by)
            else:
                process.send_signal(end_by)
            os.set_blocking(master, False)
            while process.poll() is None:
                assert time.monotonic() < end
                try:
                    seen += os.read(master, 65536)
                except BlockingIOError:
                    time.sleep(0.02)
            with suppress(BlockingIOError, OSError):
                seen += os.read(master, 65536)
            assert process.returncode == 0
        finally:
            process.send_signal(signal.SIGKILL)
    assert termios.tcgetattr(terminal)[3] == before[3]
    assert b"\x1b[?1049l" in seen  # the screen that was there before
    assert b"[simulated]" in seen
    os.close(master)
    os.close(terminal)
