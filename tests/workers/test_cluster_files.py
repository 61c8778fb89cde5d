"""What docs/many-machines.md gives to clusters: an MPIJob, a script for SLURM, a table."""

from __future__ import annotations

import copy
import json
import os
import shlex
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from documents import ROOT, fences

import cnndsl
from cnndsl.cli.train import train

PAGE = ROOT / "docs" / "many-machines.md"

SCHEMA = json.loads(Path(__file__).with_name("mpijob.schema.json").read_text(encoding="utf-8"))

jsonschema: Any = import_module("jsonschema")


def job() -> Any:
    yaml = pytest.importorskip("yaml", reason="there is no PyYAML")
    [fence] = fences(PAGE, "yaml")
    return yaml.safe_load(fence.text)


def problems(manifest: Any) -> list[str]:
    return [
        error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(manifest)
    ]


def replica(manifest: Any, name: str) -> Any:
    return manifest["spec"]["mpiReplicaSpecs"][name]


def container(manifest: Any, name: str) -> Any:
    [found] = replica(manifest, name)["template"]["spec"]["containers"]
    return found


# --- Kubernetes -----------------------------------------------------------------------------------


def test_the_manifest_is_one_that_the_operator_takes() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert problems(job()) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda one: one.update(apiVersion="kubeflow.org/v1"),
        lambda one: one["spec"].update(slotsPerWorkers=1),
        lambda one: one["spec"]["runPolicy"].update(cleanPodPolicy="Never"),
        lambda one: replica(one, "Worker").update(restartPolicy="Always"),
        lambda one: one["spec"]["mpiReplicaSpecs"].pop("Launcher"),
        lambda one: container(one, "Launcher").update(args=["-n", 8]),
        lambda one: container(one, "Worker")["resources"]["limits"].update(memory="16GB"),
    ],
)
def test_another_manifest_is_refused(spoil: Callable[[Any], object]) -> None:
    manifest = copy.deepcopy(job())
    spoil(manifest)
    assert problems(manifest)


def test_the_manifest_starts_as_many_as_there_are_slots() -> None:
    manifest = job()
    args = container(manifest, "Launcher")["args"]
    slots = replica(manifest, "Worker")["replicas"] * manifest["spec"]["slotsPerWorker"]
    assert int(args[args.index("-n") + 1]) == slots
    # Open MPI 5 does not read the operator's variables.
    assert args[args.index("--hostfile") + 1] == "/etc/mpi/hostfile"
    names = {one["name"] for one in replica(manifest, "Worker")["template"]["spec"]["volumes"]}
    assert {one["name"] for one in container(manifest, "Worker")["volumeMounts"]} == names


def test_the_manifest_and_the_script_run_a_command_that_there_is() -> None:
    args = container(job(), "Launcher")["args"]
    [script] = fences(PAGE, "bash")
    line = script.text.replace("\\\n", " ").partition("cnndsl train")[2].partition("\n")[0]
    for words in (args[args.index("train") + 1 :], shlex.split(line)):
        context = train.make_context("train", [*words], resilient_parsing=False)
        assert context.params["resume"]


# --- SLURM ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 75, 130])
def test_the_script_puts_back_what_can_go_on(tmp_path: Path, status: int) -> None:
    [fence] = fences(PAGE, "bash")
    assert "#SBATCH --signal=USR1@120" in fence.text
    (tmp_path / "job.sh").write_text(fence.text)
    for name, code in (("srun", status), ("scontrol", 0)):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >> "$CALLS"\nexit {code}\n')
        program.chmod(0o755)
    calls = tmp_path / "calls"
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CALLS": str(calls),
        "SLURM_JOB_ID": "17",
        "SLURM_CPUS_PER_TASK": "8",
    }
    done = subprocess.run(["bash", "-u", "job.sh"], cwd=tmp_path, env=environment, check=False)
    assert done.returncode == status
    first, *rest = calls.read_text().splitlines()
    assert first.startswith("srun --mpi=pmix --cpus-per-task=8 cnndsl train net.cnn")
    assert first.endswith("--resume")
    assert rest == (["scontrol requeue 17"] if status in (75, 130) else [])


# --- the table ------------------------------------------------------------------------------------


def test_the_table_is_what_the_command_computes() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("## On paper")[2]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| `") and line.count("|") == 6
    ]
    assert len(rows) == 3
    for words, step, size, ten, hundred in rows:
        name, _, batch = words.partition("`")[2].partition("`")[0].split()
        for line, shown in (("10Gb", ten), ("100Gb", hundred)):
            found = cnndsl.scale(name, bandwidth=line, step=step, batch=int(batch))
            percents = ", ".join(str(round(100 * row.computing)) for row in found.rows)
            assert shown == f"{percents} %"
            assert float(size.split()[0]) == pytest.approx(found.bytes / 1e6, rel=0.02)


def test_the_share_that_the_page_tells_of() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "with four shards a worker, ResNet-50 at 10 Gb/s computes 61 % of the time" in text
    [row] = cnndsl.scale(
        "resnet50", bandwidth="10Gb", step="80ms", batch=32, shards_per_worker=4, workers=[64]
    ).rows
    assert round(100 * row.computing) == 61


def test_all_options_stand_in_the_table() -> None:
    from cnndsl.cli.scale import scale

    text = PAGE.read_text(encoding="utf-8")
    for option in scale.params:
        if option.opts[0].startswith("--") and option.opts[0] != "--color":
            assert f"`{option.opts[0]} " in text, option.opts
    assert CliRunner().invoke(scale, ["--help"]).exit_code == 0
