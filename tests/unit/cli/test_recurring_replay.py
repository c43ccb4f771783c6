"""``joulewise recurring replay`` as people run it: a table, a report, and errors that say who must do what."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-W", "error", "-c", "from joulewise.cli import main; main()", "recurring", "replay"]
JOBS = {"cifar100": ("shufflenetv2", "adadelta", 0.6), "mine": ("net", "adam", 0.5)}
EPOCHS = {64: (30, 31), 128: (20, 21), 256: (22, 24), 1024: (60, 55)}


def write_traces(folder, devices=("v100", "a40")):
    """Two jobs, one of them unknown to the paper, on two devices; size 128 is the cheapest."""
    folder.mkdir()
    training = ["dataset,network,batch_size,optimizer,learning_rate,run,target_metric,target_epoch"]
    for dataset, (network, optimizer, target) in JOBS.items():
        for size, epochs in EPOCHS.items():
            for run, epoch in enumerate(epochs, start=1):
                training.append(f"{dataset},{network},{size},{optimizer},0.1,{run},{target},{epoch}")
                training.append(f"{dataset},{network},{size},{optimizer},0.1,{run},{target / 2},{epoch // 4}")
                training.append(f"{dataset},{network},{size},{optimizer},0.1,{run},0.99,")
    (folder / "summary_train.csv").write_text("\n".join(training) + "\n")
    for device in devices:
        rows = ["dataset,network,batch_size,optimizer,power_limit,time_per_epoch,average_power"]
        for dataset, (network, optimizer, _) in JOBS.items():
            for size in EPOCHS:
                for limit_w, slower in ((250, 1.0), (150, 1.1)):
                    epoch_s = (100 + 2000 / size) * slower * (2 if device == "a40" else 1)
                    rows.append(f"{dataset},{network},{size},{optimizer},{limit_w},{epoch_s},{0.8 * limit_w}")
        (folder / f"summary_power_{device}.csv").write_text("\n".join(rows) + "\n")
    return folder


def replay(tmp_path, *options):
    command = [*COMMAND, "--processes", "1", "--recurrences", "6", "--seeds", "2", *options]
    return subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_every_policy_is_told_of_in_the_table_and_the_report(tmp_path):
    folder = write_traces(tmp_path / "traces")
    done = replay(tmp_path, "--data", str(folder), "-o", "out.html")
    assert (done.returncode, done.stderr.strip()) == (0, "")
    for policy in ("ours", "zeus", "default", "grid", "oracle"):
        assert len(re.findall(rf" {policy} +\d", done.stdout)) == 3  # two devices, and both together
    assert "mine is left out" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines() if re.search(r"\d +0 *$", line)]
    rows = {words[-8]: words for words in lines}
    assert float(rows["oracle"][-6]) <= float(rows["ours"][-6]) <= float(rows["default"][-6])  # regret
    page = (tmp_path / "out.html").read_text()
    assert "Replayed, not run" in page
    assert "cifar100 0.6 v100" in page


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "world"),
    [
        (["--job", "cifar100", "--target", "0.3,0.6", "--gpu", "v100"], "cifar100 0.3 then 0.6 v100"),
        (["--job", "cifar100", "--gpu", "v100", "--then", "a40"], "cifar100 v100, then"),
        (["--gpu", "v100", "--load", "3", "--job", "cifar100"], "3 submissions under way"),
        (["--job", "mine", "--target", "0.5", "--default-size", "1024", "--max-epochs", "90"], "mine 0.5 v100"),
    ],
    ids=["drift", "another device", "overlap", "a job of one's own"],
)
def test_worlds_change_as_they_are_asked_to(tmp_path, options, world):
    folder = write_traces(tmp_path / "traces")
    done = replay(tmp_path, "--data", str(folder), "--policy", "ours,zeus,oracle", *options)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert world in done.stdout


@pytest.mark.slow
def test_chance_is_the_seeds(tmp_path):
    folder = write_traces(tmp_path / "traces", ["v100"])
    same = [replay(tmp_path, "--data", str(folder), "--policy", "ours,zeus").stdout for _ in range(2)]
    other = replay(tmp_path, "--data", str(folder), "--policy", "ours,zeus", "--first-seed", "7").stdout
    assert same[0] == same[1] != other


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data", "nowhere"], "there is no such folder"),
        (["--data", "."], "no table summary_power_DEVICE.csv"),
        (["--policy", "ours,best"], "seen: best|best\n"),
        (["--policy", "ours,ours"], "name each once"),
        (["--gpu", "h100"], "the folder has a40, v100"),
        (["--job", "mnist"], "the folder has cifar100, mine"),
        (["--job", "cifar100", "--target", "0.61"], "the table has 0.3, 0.6, 0.99"),
        (["--job", "cifar100", "--target", "0.99"], "nobody has reached this target"),
        (["--job", "cifar100", "--target", "high"], "a target is no number"),
        (["--target", "0.6"], "name one with --job"),
        (["--job", "mine"], "give target, default size and max epochs"),
        (["--job", "cifar100", "--then", "a40", "--load", "2"], "submissions overlap in one stage only"),
        (["-o", "nowhere/report.html"], "nowhere"),
    ],
)
def test_what_cannot_be_meant_is_said_in_three_parts(tmp_path, options, said):
    folder = write_traces(tmp_path / "traces")
    data = [] if "--data" in options else ["--data", str(folder)]
    done = replay(tmp_path, *data, *options)
    assert done.returncode == 2
    assert re.search(said, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") >= 2


def test_a_bad_row_is_named(tmp_path):
    folder = write_traces(tmp_path / "traces")
    table = folder / "summary_power_v100.csv"
    table.write_text(table.read_text().replace("200.0", "many", 1))
    done = replay(tmp_path, "--data", str(folder))
    assert done.returncode == 2
    assert re.search(r"summary_power_v100.csv, line \d+: average_power is not usable", done.stderr)
