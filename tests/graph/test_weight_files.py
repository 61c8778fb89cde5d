"""Weights are read from every kind of file and type of number, and what changes them is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import safetensors
from numpy.typing import NDArray

from cnndsl import pipeline
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.initializers import initialise
from cnndsl.graph.weight_files import read_weights
from cnndsl.graph.weights import Array, write_weights
from cnndsl.layers.base import Init


def pytorch() -> tuple[Any, Any]:
    """PyTorch, and its door to safetensors."""
    torch = pytest.importorskip("torch")
    return torch, pytest.importorskip("safetensors.torch")


def tiny(classes: str = "") -> TypedNetwork:
    text = f"network tiny\ninput 1x6x6\n{classes}\nC1: conv 2@3\nflatten\nF2: dense 3 -> softmax\n"
    return pipeline.typed(pipeline.check_text(text))


def drawn() -> dict[str, Array]:
    return initialise(tiny(), 3, Init("normal", 1.0))


def both(path: Path, typed: TypedNetwork | None = None) -> tuple[dict[str, Array], list[str]]:
    """The weights of a file, and what was said of them."""
    said: list[str] = []
    return read_weights(path, typed or tiny(), said.append), said


# --- types of numbers -------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["float16", "bfloat16", "float64"])
def test_other_floating_point_types_become_float32(tmp_path: Path, word: str) -> None:
    """PyTorch writes them, and says what they are in float32."""
    torch, files = pytorch()
    dtype = getattr(torch, word)
    tensors = {name: torch.tensor(array).to(dtype) for name, array in drawn().items()}
    path = tmp_path / "w.safetensors"
    files.save_file(tensors, path)
    found, said = both(path)
    for name, tensor in tensors.items():
        assert found[name].dtype == numpy.float32
        assert (found[name] == tensor.float().numpy()).all()
    assert said == [f"`{path}` holds weights in other types (4 as {word}): they become float32"]


def test_all_other_types_are_said_at_once(tmp_path: Path) -> None:
    torch, files = pytorch()
    tensors = {name: torch.tensor(array) for name, array in drawn().items()}
    tensors["C1.weight"] = tensors["C1.weight"].bfloat16()
    tensors["F2.bias"] = tensors["F2.bias"].double()
    path = tmp_path / "w.safetensors"
    files.save_file(tensors, path)
    found, said = both(path)
    assert (found["C1.weight"] == tensors["C1.weight"].float().numpy()).all()
    assert said == [
        f"`{path}` holds weights in other types (1 as bfloat16, 1 as float64): they become float32"
    ]


@pytest.mark.parametrize("dtype", [numpy.float16, numpy.float64, ">f4"])
def test_an_npz_file_may_hold_them_too(tmp_path: Path, dtype: Any) -> None:
    arrays: dict[str, NDArray[Any]] = {name: one.astype(dtype) for name, one in drawn().items()}
    numpy.savez(tmp_path / "w.npz", **arrays)  # type: ignore[arg-type]  # names are names
    found, said = both(tmp_path / "w.npz")
    assert all((found[name] == arrays[name].astype(numpy.float32)).all() for name in arrays)
    assert len(said) == (dtype != ">f4")


def test_float32_is_not_worth_a_word(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.safetensors", drawn(), {})
    assert both(tmp_path / "w.safetensors")[1] == []


def test_what_float32_cannot_hold_is_refused(tmp_path: Path) -> None:
    arrays: dict[str, NDArray[Any]] = dict(drawn())
    arrays["F2.bias"] = numpy.array([1.0, -1e300, 0.0])
    numpy.savez(tmp_path / "w.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"`F2\.bias` .* too large for float32: up to 1e\+300"):
        both(tmp_path / "w.npz")


# --- compiled models --------------------------------------------------------------------------


def test_a_compiled_model_is_a_file_of_weights(tmp_path: Path) -> None:
    write_weights(tmp_path / "w.safetensors", drawn(), {})
    artifact = pipeline.compile(tiny(), weights=tmp_path / "w.safetensors")
    artifact.write(tmp_path / "model.ONNX")
    found, said = both(tmp_path / "model.ONNX")
    assert list(found) == list(drawn())
    assert all((found[name] == array).all() for name, array in drawn().items())
    assert said == []
    again = pipeline.compile(tiny(), weights=tmp_path / "model.ONNX")
    assert again.to_bytes() == artifact.to_bytes()
    step = pipeline.compile_training(tiny(), weights=tmp_path / "model.ONNX", batch=2)
    assert all((step.initial.weights[f"{n}.initial"] == a).all() for n, a in drawn().items())


def test_a_model_of_another_network_says_what_does_not_fit(tmp_path: Path) -> None:
    pipeline.compile(pipeline.load("lenet5")).write(tmp_path / "model.onnx")
    with pytest.raises(UserError, match="2 missing, 8 surplus, 2 wrongly shaped") as caught:
        both(tmp_path / "model.onnx")
    assert caught.value.code == "CNN601"


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    pipeline.compile(tiny()).write(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"C1.weight") + 40] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        both(path)
    assert caught.value.code in ("CNN604", "CNN607")


# --- classes ----------------------------------------------------------------------------------


def named(path: Path, classes: str) -> Path:
    write_weights(path, drawn(), {"classes": classes})
    return path


def test_the_same_classes_are_not_worth_a_word(tmp_path: Path) -> None:
    path = named(tmp_path / "w.safetensors", '["a", "b", "c"]')
    assert both(path, tiny('classes "a", "b", "c"'))[1] == []
    assert both(path)[1] == []


@pytest.mark.parametrize("classes", ["", "[", "{}", "[1, 2, 3]", "[]", "[" * 100_000])
def test_classes_that_are_not_known_are_not_compared(tmp_path: Path, classes: str) -> None:
    assert both(named(tmp_path / "w.safetensors", classes), tiny('classes "a", "b", "c"'))[1] == []


def test_other_names_of_classes_are_said(tmp_path: Path) -> None:
    """They may be translations: whoever compiles decides."""
    path = named(tmp_path / "w.safetensors", '["Hund", "Katze", "c"]')
    typed = tiny('classes "Hund", "cat", "c"')
    assert both(path, typed)[1] == [
        f"the weights in `{path}` were trained for other classes: class 1 is `Katze` in the file,"
        " `cat` in the spec"
    ]
    assert pipeline.compile(typed, weights=path).warnings


@pytest.mark.parametrize("kind", ["safetensors", "onnx"])
def test_the_same_classes_in_another_order_are_refused(tmp_path: Path, kind: str) -> None:
    path = named(tmp_path / "w.safetensors", '["a", "b", "c"]')
    if kind == "onnx":
        pipeline.compile(tiny('classes "a", "b", "c"'), weights=path).write(tmp_path / "m.onnx")
        path = tmp_path / "m.onnx"
    with pytest.raises(UserError, match="class 1 is `b` in the file, `c` in the spec") as caught:
        both(path, tiny('classes "a", "c", "b"'))
    assert caught.value.code == "CNN601"
    assert caught.value.help == "write the spec's `classes` in the order of the file"


# --- the checksum -----------------------------------------------------------------------------


def saved(path: Path) -> Path:
    """Weights as a run saves them."""
    write_weights(path, drawn(), {"classes": '["a","b","c"]', "network": "tiny"})
    return path


def header_size(content: bytes) -> int:
    return 8 + int.from_bytes(content[:8], "little")


def test_no_single_damaged_byte_of_a_weight_goes_unnoticed(tmp_path: Path) -> None:
    whole = saved(tmp_path / "w.safetensors").read_bytes()
    assert not both(tmp_path / "w.safetensors")[1]
    for at in range(header_size(whole), len(whole)):
        content = bytearray(whole)
        content[at] ^= 1
        (tmp_path / "w.safetensors").write_bytes(content)
        with pytest.raises(UserError) as caught:
            both(tmp_path / "w.safetensors")
        assert caught.value.code == "CNN607"


def test_no_damage_to_the_header_changes_the_weights(tmp_path: Path) -> None:
    """It is noticed, or all numbers are the same, as where the checksum's own name is damaged."""
    whole = saved(tmp_path / "w.safetensors").read_bytes()
    codes = []
    for at in range(header_size(whole)):
        content = bytearray(whole)
        content[at] ^= 1
        (tmp_path / "w.safetensors").write_bytes(content)
        try:
            found, _ = both(tmp_path / "w.safetensors")
        except UserError as error:
            codes.append(error.code)
        else:
            assert all((found[name] == array).all() for name, array in drawn().items())
    assert {*codes} == {"CNN602", "CNN607"}
    assert len(codes) > header_size(whole) * 0.9


def test_another_tool_may_load_and_save_the_weights(tmp_path: Path) -> None:
    """PyTorch's library orders tensors and metadata in its own way."""
    _, files = pytorch()
    path = saved(tmp_path / "w.safetensors")
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    files.save_file(dict(reversed(tensors.items())), path, metadata)
    found, _ = both(path)
    assert all((found[name] == array).all() for name, array in drawn().items())
    tensors["F2.bias"] += 1
    files.save_file(tensors, path, metadata)
    with pytest.raises(UserError, match="damaged or changed") as caught:
        both(path)
    assert caught.value.code == "CNN607"
    changed = read_weights(path, tiny(), verify=False)
    assert (changed["F2.bias"] == drawn()["F2.bias"] + 1).all()
    files.save_file(tensors, path)
    assert (both(path)[0]["F2.bias"] == changed["F2.bias"]).all()
