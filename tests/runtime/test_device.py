import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy
import pytest

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime import device, library
from cnndsl.runtime.device import Driver, choose, trial
from cnndsl.runtime.start import CPU, CUDA

H100 = Driver((13, 0), ("NVIDIA H100",))


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    library.load.cache_clear()
    trial.cache_clear()
    yield
    library.load.cache_clear()
    trial.cache_clear()


def cuda_works() -> bool:
    return trial(CUDA).works


class FakeRuntime(types.ModuleType):
    """An ONNX Runtime whose CUDA provider fails as told."""

    cuda_version = "13.0"
    __version__ = "1.99"

    def __init__(
        self, error: str = "", printed: str = "", providers: tuple[str, ...] = (CUDA, CPU)
    ) -> None:
        super().__init__("onnxruntime")
        self.error, self.printed, self.providers = error, printed, providers

    def get_available_providers(self) -> list[str]:
        return list(self.providers)

    def preload_dlls(self) -> None:
        print(self.printed)

    def set_default_logger_severity(self, level: int) -> None:
        pass

    class SessionOptions:
        def add_session_config_entry(self, key: str, value: str) -> None:
            pass

    def InferenceSession(self, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        if self.error:
            raise RuntimeError(self.error)
        return types.SimpleNamespace(
            get_providers=lambda: [CPU],
            run=lambda names, feeds: [numpy.full((1, 1, 1, 1), 8.0)],
        )


@pytest.fixture
def _cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has all libraries but those that a test takes away."""
    monkeypatch.setattr("ctypes.CDLL", lambda name: None)


def fake(
    monkeypatch: pytest.MonkeyPatch, runtime: FakeRuntime, driver: Driver | None = H100
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", runtime)
    monkeypatch.setattr(device, "read_driver", lambda: driver)


class TestChoose:
    def test_cpu_is_taken_without_trying_anything(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(device, "trial", None)
        assert choose("cpu") == device.Device("cpu", "as asked")

    def test_auto_says_what_it_took_and_why(self) -> None:
        chosen = choose("auto")
        assert chosen.name == ("cuda:0" if cuda_works() else "cpu")
        assert chosen.reason == trial(CUDA).reason

    @pytest.mark.parametrize("word", ["gpu", "cuda:", "cuda:x", "cuda:-1", "", "CPU"])
    def test_other_words_are_refused(self, word: str) -> None:
        with pytest.raises(UserError, match="there is no device") as caught:
            choose(word)
        assert caught.value.code == "CNN701"

    def test_the_cpu_provider_really_runs(self) -> None:
        assert trial(CPU).works


class TestRealFailure:
    """The wheel of this machine, where it lists CUDA and has none."""

    @pytest.fixture(autouse=True)
    def _needs_a_listed_cuda_that_fails(self) -> None:
        ort = pytest.importorskip("onnxruntime")
        if CUDA not in ort.get_available_providers() or cuda_works():
            pytest.skip("needs an ONNX Runtime with CUDA on a machine without it")

    def test_cuda_fails_with_the_reason_and_the_mend(
        self, capfd: pytest.CaptureFixture[str]
    ) -> None:
        trial.cache_clear()
        with pytest.raises(UserError, match="`cuda` does not work: ") as caught:
            choose("cuda")
        assert caught.value.code == "CNN701"
        assert 'pip install "cnndsl[cuda]"' in caught.value.help or "nvidia-smi" in (
            caught.value.help
        )
        assert any(note.startswith("ONNX Runtime: ") for note in caught.value.notes)
        assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("_cudnn")
class TestDiagnosis:
    def reason(self, word: str = "cuda") -> tuple[str, str]:
        with pytest.raises(UserError) as caught:
            choose(word)
        assert caught.value.code == "CNN701"
        return caught.value.message, caught.value.help

    def test_a_silent_fall_back_to_the_cpu_is_noticed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake(monkeypatch, FakeRuntime())
        assert "the session got CPUExecutionProvider instead" in self.reason()[0]

    def test_missing_libraries_are_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        log = "load y.so with error: libcublas.so.13: cannot open shared object file"
        fake(monkeypatch, FakeRuntime(log, "Failed to load libcurand.so.10: no"))
        message, help = self.reason()
        assert "missing: `libcurand.so.10`, `libcublas.so.13`" in message
        assert help == 'run `pip install "cnndsl[cuda]"`'

    def test_missing_cudnn_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def load(name: str) -> None:
            raise OSError(name)

        monkeypatch.setattr("ctypes.CDLL", load)
        fake(monkeypatch, FakeRuntime("NOT_IMPLEMENTED"))
        assert "cudnn" in self.reason()[0]

    def test_a_missing_driver_is_named_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake(monkeypatch, FakeRuntime("x", "Failed to load libcurand.so.10: no"), None)
        message, help = self.reason()
        assert "NVIDIA's driver is not there" in message
        assert "release 580 or newer" in help

    def test_an_old_driver_is_told_by_its_version(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake(monkeypatch, FakeRuntime("x"), Driver((12, 4), ("NVIDIA A10",)))
        message, help = self.reason()
        assert "supports CUDA 12.4, this ONNX Runtime needs CUDA 13" in message
        assert help.startswith("update NVIDIA's driver")

    def test_a_driver_without_gpus_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake(monkeypatch, FakeRuntime("x"), Driver((13, 0), (), "no device (error 100)"))
        assert "no device (error 100)" in self.reason()[0]

    def test_a_gpu_number_too_high_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake(monkeypatch, FakeRuntime("invalid device ordinal"))
        assert "there is no GPU 3" in self.reason("cuda:3")[0]

    def test_the_wheel_without_cuda_over_the_other_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        both = {"onnxruntime": "1.99", "onnxruntime-gpu": "1.98"}
        monkeypatch.setattr(library, "installed_wheels", lambda: both)
        monkeypatch.setattr(library, "has_gpu_wheel", lambda: True)
        fake(monkeypatch, FakeRuntime(providers=(CPU,)))
        message, help = self.reason()
        assert "built without CUDA" in message
        assert help == (
            'run `pip uninstall -y onnxruntime onnxruntime-gpu && pip install "cnndsl[cuda]"`'
        )

    def test_auto_takes_the_cpu_and_gives_the_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake(monkeypatch, FakeRuntime("x"), None)
        assert choose("auto").name == "cpu"
        assert "NVIDIA's driver is not there" in choose("auto").reason


class TestLibrary:
    def refusal(self) -> UserError:
        with pytest.raises(UserError) as caught:
            library.load()
        assert caught.value.code == "CNN705"
        return caught.value

    def test_a_missing_onnx_runtime_names_the_command(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        # `None` in sys.modules makes the import fail as for a package that is not there.
        assert self.refusal().help == f"run `pip install {library.wheel()}`"

    def test_an_emptied_package_is_recognised(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "onnxruntime", types.ModuleType("onnxruntime"))
        error = self.refusal()
        assert "without its files" in error.message
        assert library.one_wheel_command() in error.help

    def test_a_broken_one_says_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(name: str) -> None:
            raise ImportError("libfoo.so.1: cannot open shared object file")

        monkeypatch.setattr("importlib.import_module", fail)
        error = self.refusal()
        assert "libfoo.so.1" in error.message
        assert "--force-reinstall" in error.help

    def test_a_log_line_is_shown_without_its_decoration(self) -> None:
        line = (
            "\x1b[1;31m2026-11-21 01:20:27.46 [E:onnxruntime:, a.cc:2 f()] Something failed\x1b[m"
        )
        assert library.plain(line) == "Something failed"
        assert library.plain("[ONNXRuntimeError] : 1 : FAIL : Because") == "Because"
