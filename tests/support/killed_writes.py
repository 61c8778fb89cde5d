"""Goes on from what a kill would leave, at each thing that training does to its files.

``killed_writes.py train|sweep FOLDER`` trains once, and keeps what is in the run's folder before
each time that a file or folder is made, renamed or removed. From each of these it goes on, and it
prints what came of it, in JSON. As in ``killer.py``, each start is a process of its own that is
forked off one that has loaded everything and has no session of ONNX Runtime.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import onnxruntime as onnxruntime
from sweep_runs import Heard, all_results, swept
from training_runs import Recorder, network, request, results, stripes

from cnndsl.graph.files import write_atomically
from cnndsl.pipeline import train
from cnndsl.plots import confusion_matrix, curves, figure
from cnndsl.runtime.logs.steps import StepsLog
from cnndsl.sweeps import result

SETTINGS = "optimizer adam lr 0.01; augment noise 0.1; batch 8; epochs 2"

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


def a_run(folder: Path, *, resume: bool) -> list[str]:
    """A run of training, and what it noted."""
    listener = Recorder()
    wanted = request(
        folder,
        network=network(SETTINGS),
        data=stripes(24),
        valid=stripes(12, seed=1),
        resume="latest" if resume else "",
        checkpoint_steps=2,
        logs=(StepsLog(),),
        tune=True,
    )
    train(wanted, listener)
    return listener.notes


def a_sweep(folder: Path, *, resume: bool) -> list[str]:
    """A sweep of one run, and what it noted."""
    listener = Heard()
    found = swept(folder, listener, params={}, settings={}, seeds=1, epochs=1, resume=resume)
    assert [one.how for one in found.results] == ["finished"], found.results[0].error
    all_results(found)
    return listener.notes


KINDS: dict[str, Callable[..., list[str]]] = {"train": a_run, "sweep": a_sweep}


def what_came_of(folder: Path) -> dict[str, object]:
    """What must be the same in two folders, by the folders in them that have a model."""
    found: dict[str, object] = {}
    for model in sorted(folder.rglob("model.onnx")):
        place = model.parent
        known = {**results(place), "files": sorted(one.name for one in place.iterdir())}
        found[str(place.relative_to(folder))] = known
        # One that was killed before it removed an older one, at its end, leaves it.
        known["checkpoint"] = max(one.name for one in (place / "checkpoints").iterdir())
    found["files"] = sorted(one.name for one in folder.iterdir())
    return found


def kept_before_each_write(folder: Path, copies: Path) -> None:
    """Copy a folder as it is before each file operation in it: that is what a kill there leaves."""
    inside, number = os.fspath(folder), 0

    def look(event: str, given: tuple[Any, ...]) -> None:
        nonlocal number
        if event == "open":
            writes = bool(given[2] & WRITING)
        else:
            writes = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate")
        if writes and isinstance(given[0], str | Path) and os.fspath(given[0]).startswith(inside):
            number += 1
            if folder.exists():
                shutil.copytree(folder, copies / f"{number:03}")

    sys.addaudithook(look)


def ended(what: Callable[[], list[str]]) -> tuple[int, list[str]]:
    """How a process that does this ended, and what it noted or, of an error, what was wrong."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            os.close(reader)
            said = what()
            status = 0
        except BaseException as error:
            said = [*traceback.format_exception(error)[-3:]]
        os.write(writer, json.dumps(said).encode()[:60_000])
        os._exit(status)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = json.loads(pipe.read() or b"[]")
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), said


def draw_quickly() -> None:
    """Write something in the place of pictures, which would take half of the time."""

    def save(path: Path, drawn: object) -> None:
        write_atomically(path, b"a picture")

    for module in (curves, confusion_matrix):
        for name in ("draw_curves", "draw_confusion"):
            if hasattr(module, name):
                setattr(module, name, lambda *given: None)
    vars(figure)["save_figure"] = save
    result.Sweep.draw = lambda self, path: save(Path(path), None)  # type: ignore[method-assign]


def main() -> None:
    draw_quickly()
    kind, place = KINDS[sys.argv[1]], Path(sys.argv[2])
    whole, copies = place / "whole", place / "copies"
    copies.mkdir()

    def straight() -> list[str]:
        kept_before_each_write(whole, copies)
        return kind(whole, resume=False)

    status, said = ended(straight)
    assert status == 0, said
    wanted, anew, wrong = what_came_of(whole), 0, []
    for folder in sorted(copies.iterdir()):
        left = sorted(str(one.relative_to(folder)) for one in folder.rglob("*"))
        status, said = ended(partial(kind, folder, resume=True))
        anew += any("begins anew" in note for note in said)
        if status or what_came_of(folder) != wanted:
            wrong.append({"place": folder.name, "left": left, "said": said})
    print(json.dumps({"places": len([*copies.iterdir()]), "anew": anew, "wrong": wrong}))


if __name__ == "__main__":
    main()
