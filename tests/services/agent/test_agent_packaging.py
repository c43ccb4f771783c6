"""Units, manifests and scripts that we ship are what those who read them take."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from joulewise.clock import MonotonicClock
from joulewise.devices.selection import find_devices
from joulewise.errors import JoulewiseError
from joulewise.services.agent.__main__ import parser
from joulewise.services.agent.policy_file import parse_policy

PACKAGING = Path(__file__).parents[3] / "packaging"
UNIT = PACKAGING / "systemd" / "joulewise-agent.service"
MANIFEST = PACKAGING / "kubernetes" / "agent.yaml"
SCRIPTS = sorted((PACKAGING / "slurm").glob("*.sh"))
JOULEWISE = f'exec "{sys.executable}" -c "from joulewise.cli import main; main()" "$@"'
OPT_IN = "JOULEWISE_TRY_SLURM"


def executable(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path):
    program = executable(tmp_path / "joulewise", "true")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/joulewise", str(program)))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if UNIT.name in line]) == (0, [])
    scored = ["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=35", str(unit)]
    done = subprocess.run(scored, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot judge a unit that is not installed")
    assert done.returncode == 0, done.stdout[-300:]


def test_options_in_what_we_ship_are_those_of_the_agent():
    known = set(re.findall(r"--[a-z-]+", parser().format_help()))
    (line,) = re.findall(r"^ExecStart=.*", UNIT.read_text(), re.MULTILINE)
    args = re.findall(r"^ +- (--[a-z-]+)=", MANIFEST.read_text(), re.MULTILINE)
    assert args
    assert {*re.findall(r"--[a-z-]+", line), *args} <= known


def test_policies_that_we_ship_are_some():
    example = tomllib.loads((PACKAGING / "agent.toml").read_text())
    assert len(parse_policy(example, "agent.toml").rules) == 2
    (block,) = re.findall(r"^  agent.toml: \|\n((?:    .*\n|\n)+)", MANIFEST.read_text(), re.MULTILINE)
    assert len(parse_policy(tomllib.loads(re.sub(r"^ {4}", "", block, flags=re.MULTILINE)), "ConfigMap").rules) == 1


@pytest.mark.skipif(find_spec("kubernetes_validate") is None, reason="kubernetes-validate is not installed")
def test_kubernetes_takes_the_manifest():
    import kubernetes_validate  # noqa: PLC0415
    import yaml  # noqa: PLC0415

    documents = list(yaml.safe_load_all(MANIFEST.read_text()))
    assert [document["kind"] for document in documents] == ["Namespace", "ConfigMap", "DaemonSet"]
    for document in documents:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_shell(script):
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0
    assert os.access(script, os.X_OK)
    checker = shutil.which("shellcheck")
    if checker:
        done = subprocess.run([checker, "-e", "SC1091", str(script)], capture_output=True, text=True, check=False)
        assert done.stdout == ""


class Slurm:
    """A cluster of this one machine, in a folder; it opens ports, and runs as root."""

    PROGRAMS = ("munged", "slurmctld", "slurmd", "srun", "sinfo")

    def __init__(self, folder: Path, prolog: Path, epilog: Path) -> None:
        self.folder, self.environ = folder, {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
        host, munge = socket.gethostname(), folder / "munge.sock"
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        for name in ("state", "spool"):
            (folder / name).mkdir()
        (folder / "slurm.conf").write_text(
            f"ClusterName=try\nSlurmctldHost={host}(127.0.0.1)\nAuthType=auth/munge\nAuthInfo=socket={munge}\n"
            f"CredType=cred/munge\nSlurmUser=root\nSlurmctldPort=16817\nSlurmdPort=16818\n"
            f"StateSaveLocation={folder}/state\nSlurmdSpoolDir={folder}/spool\nSlurmctldPidFile={folder}/1.pid\n"
            f"SlurmdPidFile={folder}/2.pid\nSlurmctldLogFile={folder}/1.log\nSlurmdLogFile={folder}/2.log\n"
            f"ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\nSelectType=select/cons_tres\n"
            f"Prolog={prolog}\nEpilog={epilog}\nPrologFlags=Alloc\nReturnToService=2\n"
            f"NodeName={host} NodeAddr=127.0.0.1 CPUs=1 State=UNKNOWN\nPartitionName=try Nodes={host} Default=YES\n"
        )
        options = [f"--{what}-file={folder}/munge.{what}" for what in ("pid", "log", "seed", "key")]
        self.processes = [subprocess.Popen(["munged", "--foreground", "--force", f"--socket={munge}", *options])]
        MonotonicClock().sleep(1.0)
        for program in (["slurmctld", "-D"], ["slurmd", "-D", "-N", host]):
            self.processes.append(subprocess.Popen(program, env=self.environ, stderr=subprocess.DEVNULL))

    def run(self, *command: str) -> str:
        asked = ["srun", "-N1", *command]
        return subprocess.run(asked, env=self.environ, capture_output=True, text=True, check=True, timeout=90).stdout

    def end(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get(OPT_IN), reason=f"starts a cluster as root: set {OPT_IN}=1")
@pytest.mark.skipif(not all(map(shutil.which, Slurm.PROGRAMS)), reason="Slurm and munge are not installed")
def test_slurm_holds_a_limit_from_prolog_to_epilog():
    with TemporaryDirectory(prefix="jw") as name:
        folder = Path(name)
        folder.chmod(0o755)
        program = executable(folder / "joulewise", f'PYTHONPATH="{os.environ.get("PYTHONPATH", "")}" {JOULEWISE}')
        selector = f"agent:{folder / 'agent.sock'}#0"
        settings = f'JOULEWISE={program} JOULEWISE_RUN={folder}/run JOULEWISE_JOB_DEVICES="{selector}"'
        wrapped = [
            executable(folder / path.name, f"export {settings} JOULEWISE_JOB_SETTING=power_limit=250\nexec {path}")
            for path in reversed(SCRIPTS)
        ]
        places = ["--socket", folder / "agent.sock", "--state", folder / "journal", "--audit", folder / "audit"]
        agent = subprocess.Popen([program, "agent", "serve", "--device", "sim:a100x2", *places])
        cluster = Slurm(folder, *wrapped)
        try:
            clock = MonotonicClock()
            clock.sleep(5.0)
            (device,) = find_devices(selector)
            assert device.read_power_limit_w() == 400.0
            code = (
                f"import time; from joulewise.devices.selection import find_devices\n"
                f"(d,) = find_devices('{selector}')\n"
                "for _ in range(100):\n"
                "    if d.read_power_limit_w() == 250.0: break\n"
                "    time.sleep(0.1)\n"
                "print(d.read_power_limit_w())"
            )
            assert cluster.run(sys.executable, "-c", code).strip() == "250.0"
            for _ in range(100):
                if device.read_power_limit_w() == 400.0:
                    break
                clock.sleep(0.1)
            assert device.read_power_limit_w() == 400.0
            assert "power_limit 400 W restored" in (folder / "audit").read_text()
        except (subprocess.CalledProcessError, JoulewiseError) as error:
            pytest.fail(f"{error}: {getattr(error, 'stderr', '')}; " + (folder / "2.log").read_text()[-2000:])
        finally:
            cluster.end()
            agent.terminate()
            agent.wait(30)
