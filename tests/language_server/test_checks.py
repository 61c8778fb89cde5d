"""Of many changes the last is checked: what a later one has overtaken ends, or does not begin."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types

from cnndsl import pipeline
from cnndsl.language_server.features import make_server
from cnndsl.language_server.project import Hope, Overtaken, analysed
from cnndsl.language_server.server import SpecServer

TEXT = "input 1x8x8\nconv 4@3 -> relu\n"
PATH = Path("/net.cnn")


def test_a_check_that_nobody_waits_for_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    hope = Hope()
    assert analysed(PATH, {PATH: TEXT}, hope=hope).analysis.checked.network is not None
    hope.give_up()
    monkeypatch.setattr(pipeline, "analyse", lambda *_, **__: pytest.fail("it began"))
    with pytest.raises(Overtaken):
        analysed(PATH, {PATH: TEXT}, hope=hope)


@pytest.mark.parametrize("repairs", [False, True])
def test_a_check_ends_behind_each_stage(repairs: bool) -> None:
    wrong = "input 3x224x224\nconv 96@11 stride 4\n"
    seen: list[str] = []
    pipeline.analyse(PATH, {PATH: wrong}, repairs=repairs, go_on=lambda: seen.append(""))
    assert len(seen) == 3 if not repairs else len(seen) > 6  # and of each trial of a repair
    for last in range(len(seen)):
        left = iter(range(last))

        def go_on(left: Any = left) -> None:
            if next(left, None) is None:
                raise Overtaken

        with pytest.raises(Overtaken):
            pipeline.analyse(PATH, {PATH: wrong}, repairs=repairs, go_on=go_on)


class Gate:
    """Lets checks begin, and counts those that get through their first stage."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.begun = threading.Event()
        self.checked: list[str] = []
        real = pipeline.analyse

        def analyse(path: Path, texts: Any, *, go_on: Callable[[], object], **more: Any) -> Any:
            self.begun.set()
            assert self.open.wait(20)
            go_on()
            self.checked.append(texts[path])
            return real(path, texts, go_on=go_on, **more)

        monkeypatch.setattr("cnndsl.language_server.project.pipeline.analyse", analyse)


def typed(server: SpecServer, uri: str, text: str) -> None:
    """What a change does, but for the talk with an editor."""
    document = server.project.document(uri)
    assert document is not None
    document.change([types.TextDocumentContentChangeWholeDocument(text)], 1)
    server.project.forget(document.path)
    server._drop(document.path)


def test_of_many_changes_the_last_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)

    async def typing() -> None:
        server = make_server()
        uri = (tmp_path / "net.cnn").as_uri()
        server.project.open(uri, TEXT, 1)
        asked = [asyncio.ensure_future(server.view(uri))]
        await asyncio.to_thread(gate.begun.wait, 20)
        for number in range(20):
            typed(server, uri, f"{TEXT}conv {number + 1}@1\n")
            asked.append(asyncio.ensure_future(server.view(uri)))
            await asyncio.sleep(0)
        gate.open.set()
        found = await asyncio.gather(*asked)
        texts = {one[1].texts[one[1].path] for one in found if one is not None}
        assert texts == {f"{TEXT}conv 20@1\n"}
        assert None not in found
        server._checker.shutdown()
        server._mender.shutdown()

    asyncio.run(typing())
    assert gate.checked == [f"{TEXT}conv 20@1\n"]


def test_repairs_of_a_text_that_has_changed_are_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def typing() -> None:
        server = make_server()
        uri = (tmp_path / "net.cnn").as_uri()
        server.project.open(uri, "input 3x224x224\nconv 96@11 stride 4\n", 1)
        found = await server.view(uri)
        assert found is not None
        mended = await server.mended(found[1])
        assert mended is not None
        assert mended.analysis.checked.diagnostics[0].fixes
        gate = Gate(monkeypatch)
        typed(server, uri, TEXT)
        server._mends.clear()
        waiting = asyncio.ensure_future(server.mended(found[1]))
        await asyncio.to_thread(gate.begun.wait, 20)
        server._drop(found[0].path)
        gate.open.set()
        assert await waiting is None
        server._checker.shutdown()
        server._mender.shutdown()

    asyncio.run(typing())
