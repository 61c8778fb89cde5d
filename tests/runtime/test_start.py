"""The one place that starts sessions: what each purpose asks of ONNX Runtime."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime import library
from cnndsl.runtime.device import Device
from cnndsl.runtime.session import started
from cnndsl.runtime.start import (
    ANSWERING,
    CPU,
    CUDA,
    TRAINING,
    TRIAL,
    MisplacedError,
    Purpose,
    start,
)

STRICT = {"session.disable_cpu_ep_fallback": "1"}


class Options(types.SimpleNamespace):
    def add_session_config_entry(self, key: str, value: str) -> None:
        self.entries = {**getattr(self, "entries", {}), key: value}


class Runtime(types.ModuleType):
    """Notes what it is asked for; ``placed`` is the provider that it gives all sessions."""

    SessionOptions = Options
    placed = ""

    def set_default_logger_severity(self, level: int) -> None:
        pass

    def InferenceSession(self, model: bytes, options: Options, **asked: Any) -> Any:  # noqa: N802
        self.options, self.asked = options, asked
        first = asked["providers"][0]
        placed = self.placed or (first if isinstance(first, str) else first[0])
        return types.SimpleNamespace(get_providers=lambda: [placed])


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    module = Runtime("onnxruntime")
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    library.load.cache_clear()
    yield module
    library.load.cache_clear()


@pytest.mark.parametrize("purpose", [ANSWERING, TRAINING, TRIAL])
def test_on_the_cpu_there_is_nothing_else(runtime: Runtime, purpose: Purpose) -> None:
    start(b"", CPU, purpose)
    assert runtime.asked["providers"] == [CPU]
    assert runtime.asked["enable_fallback"] == 0
    assert not hasattr(runtime.options, "entries")


def test_only_answering_lets_the_cpu_help(runtime: Runtime) -> None:
    start(b"", CUDA, ANSWERING, index=1)
    (name, options), behind = runtime.asked["providers"]
    assert (name, options["device_id"], options["use_tf32"], behind) == (CUDA, "1", "0", CPU)
    assert not hasattr(runtime.options, "entries")
    for purpose in (TRAINING, TRIAL):
        start(b"", CUDA, purpose)
        assert [name for name, _ in runtime.asked["providers"]] == [CUDA]
        assert runtime.options.entries == STRICT


def test_training_plans_no_memory_and_keeps_layouts(runtime: Runtime) -> None:
    start(b"", CPU, TRAINING)
    assert runtime.options.enable_mem_pattern is False
    assert runtime.asked["disabled_optimizers"] == ["NchwcTransformer"]
    assert not hasattr(runtime.options, "enable_mem_reuse")
    start(b"", CPU, replace(TRAINING, keeps_buffers=False))
    assert runtime.options.enable_mem_reuse is False
    start(b"", CPU, ANSWERING)
    assert not hasattr(runtime.options, "enable_mem_pattern")
    assert "disabled_optimizers" not in runtime.asked


def test_threads_wait_no_longer_than_their_session_has_its_turn(runtime: Runtime) -> None:
    start(b"", CPU, replace(TRAINING, takes_turns=True))
    assert runtime.options.entries == {"session.force_spinning_stop": "1"}
    start(b"", CPU, replace(TRAINING, spins=False))
    assert runtime.options.entries == {"session.intra_op.allow_spinning": "0"}


def test_a_session_on_another_device_is_no_session(runtime: Runtime) -> None:
    runtime.placed = CPU
    with pytest.raises(MisplacedError, match="the session got CPUExecutionProvider instead"):
        start(b"", CUDA, TRIAL)
    with pytest.raises(UserError, match="ONNX Runtime put this model on the CPU") as caught:
        started(b"", Device("cuda:0", ""), TRAINING, None, lambda text: UserError("CNN604", text))
    assert caught.value.code == "CNN701"
