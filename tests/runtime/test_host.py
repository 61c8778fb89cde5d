"""What this machine's CPU has beyond the standard operators is tried, never assumed, and kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import cnndsl
from cnndsl.cli.compile import compile
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime import host as module
from cnndsl.runtime.doctor import examine
from cnndsl.runtime.host import BLOCKS, cache_file, form_of, form_on, found_host
from cnndsl.training.host import Host

needs_host = pytest.mark.skipif(found_host() is None, reason="no blocks for this CPU")


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Each test has a file of its own, which is not there yet."""
    file = tmp_path / "cache" / "host.json"
    monkeypatch.setattr(module, "cache_file", lambda: file)
    found_host.cache_clear()
    yield file
    found_host.cache_clear()


def anew() -> Host | None:
    found_host.cache_clear()
    return found_host()


@needs_host
def test_one_size_of_blocks_is_right_and_no_other() -> None:
    found = found_host()
    assert found is not None
    assert [block for block in BLOCKS if module._is_right(Host(block))] == [found.block]


@needs_host
def test_what_was_found_is_kept(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = found_host()
    assert place.exists()
    monkeypatch.setattr(module, "_is_right", lambda host: pytest.fail("it was tried again"))
    assert anew() == found


@needs_host
def test_another_runtime_is_tried_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found_host()
    monkeypatch.setattr(module, "_key", lambda: "another")
    monkeypatch.setattr(module, "_is_right", lambda host: False)
    assert anew() is None
    assert len(json.loads(place.read_text())) == 2


@needs_host
@pytest.mark.parametrize("damaged", [b"", b"{", b"[1]", b'{"KEY": 7}', b'{"KEY": [8]}', b"\xff"])
def test_a_damaged_file_is_tried_again(place: Path, damaged: bytes) -> None:
    found = found_host()
    place.write_bytes(damaged.replace(b"KEY", module._key().encode()))
    assert anew() == found
    assert json.loads(place.read_text())[module._key()] == found.block if found else False


@needs_host
def test_a_place_that_cannot_be_written_is_no_error(place: Path) -> None:
    place.parent.write_text("a file where the folder should be")
    assert found_host() is not None


def test_the_place_is_where_the_system_keeps_such_things(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_file() == tmp_path / "cnndsl" / "host.json"


def test_without_it_training_is_by_standard_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_is_right", lambda host: False)
    assert form_on("cpu") == {"target": "cpu", "host": None}
    assert examine().host == "by standard operators"
    with pytest.raises(UserError, match="there are no forms for `host` here") as caught:
        form_of("host")
    assert caught.value.code == "CNN717"


def test_asking_for_it_where_it_is_not_is_an_error_with_a_help_that_works(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "_is_right", lambda host: False)
    monkeypatch.chdir(tmp_path)
    words = ["lenet5", "--training", "--target"]
    refused = CliRunner().invoke(compile, [*words, "host"]).exception
    assert isinstance(refused, UserError)
    assert refused.help.startswith("use `--target cpu`")
    assert CliRunner().invoke(compile, [*words, "cpu"]).exit_code == 0


def test_only_the_cpu_has_it() -> None:
    assert form_on("cuda:1") == form_of("cuda") == {"target": "cuda", "host": None}
    assert form_of("cpu")["host"] is None


@needs_host
def test_doctor_says_what_was_found() -> None:
    found = found_host()
    assert examine().host == f"{found} (target `host`)"


@needs_host
def test_a_file_of_it_comes_with_a_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["lenet5", "--training", "--target"]
    assert "ONNX Runtime alone runs it" in CliRunner().invoke(compile, [*words, "host"]).output
    assert "ONNX Runtime alone runs it" not in CliRunner().invoke(compile, [*words, "cpu"]).output


@needs_host
def test_a_step_for_it_names_its_operators_and_others_do_not(tmp_path: Path) -> None:
    network = cnndsl.load("resnet20")
    domains = {}
    for target in ("cpu", "host"):
        [file, *_] = network.compile_training(target=target, batch=8).steps
        domains[target] = {node.domain for node in file.model.graph}
    assert domains == {"cpu": {""}, "host": {"", "com.microsoft.nchwc"}}
