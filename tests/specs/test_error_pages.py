"""The messages on the pages of errors outside a spec are those of the program.

Each page shows one command and its message. Here the situation is set up in which that command
gives it; `REWRITE=1` writes the messages anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy
import onnx
import pytest
from console import commands, matches, run
from documents import ROOT, fences
from foreign_situations import FOREIGN
from PIL import Image
from repositories import a_repository
from safetensors.numpy import save_file
from sweep_runs import a_sweep

import cnndsl
from cnndsl.diagnostics.codes import CODES

PAGES = ROOT / "docs" / "errors"
Situation = Callable[[Path], object]

MACHINES = {"CNN612", "CNN620", "CNN701", "CNN705", "CNN717", "CNN861", "CNN863", "CNN884"}
"""What these say depends on the machine."""

OTHERS_WORDS = {"CNN602", "CNN702"}
"""These end with words of another library, which may change with its version."""


def nothing(folder: Path) -> None:
    """The command does it alone."""


def not_text(folder: Path) -> None:
    (folder / "lenet5.onnx").write_bytes(b"\x08\x08\x12\x06cnndsl\x1a\x05\xd5\xff")


def the_page_itself(folder: Path) -> None:
    [spec] = fences(PAGES / "CNN114.md", "cnn")
    (folder / "tiny.cnn").write_text(spec.text, encoding="utf-8")


def one_output(folder: Path) -> None:
    [spec] = fences(PAGES / "CNN809.md", "cnn")
    (folder / "one.cnn").write_text(spec.text, encoding="utf-8")


def renamed_weights(folder: Path) -> None:
    shapes = cnndsl.load("lenet5").weights
    names = {name: name.replace("F6.weight", "fc6.weight") for name in shapes}
    arrays = {names[name]: numpy.zeros(shape, numpy.float32) for name, shape in shapes.items()}
    save_file(arrays, folder / "old.safetensors")


def weights_of_another_tool(folder: Path) -> None:
    (folder / "lenet5.pth").write_bytes(b"PK\x03\x04" + bytes(2000))


def model_of_another_tool(folder: Path) -> None:
    onnx.save(onnx.ModelProto(ir_version=8), folder / "resnet50-v2-7.onnx")


def foreign(
    folder: Path, name: str, *nodes: onnx.NodeProto, sizes: tuple[int | str, ...], opset: int = 17
) -> None:
    """A model of another tool, from `data` to `answer`."""
    ports = [
        onnx.helper.make_tensor_value_info("data", onnx.TensorProto.FLOAT, ["N", *sizes]),
        onnx.helper.make_tensor_value_info("answer", onnx.TensorProto.FLOAT, None),
    ]
    graph = onnx.helper.make_graph(list(nodes), name, ports[:1], ports[1:])
    opsets = [onnx.helper.make_opsetid("", opset)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets), folder / f"{name}.onnx")


def half_a_model(folder: Path) -> None:
    cnndsl.load("lenet5").compile(device="cpu").save(folder / "half.onnx")
    whole = (folder / "half.onnx").read_bytes()
    (folder / "half.onnx").write_bytes(whole[: len(whole) // 2])


def weights_elsewhere(folder: Path) -> None:
    cnndsl.load("lenet5").compile(device="cpu").save(folder / "lenet5.onnx")
    model = onnx.load(folder / "lenet5.onnx")
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="model.data")
    (folder / "model.data").unlink()


def an_old_opset(folder: Path) -> None:
    foreign(folder, "old", onnx.helper.make_node("Relu", ["data"], ["answer"]), sizes=(3,), opset=3)


def sizes_left_open(folder: Path) -> None:
    pool = onnx.helper.make_node("GlobalAveragePool", ["data"], ["answer"])
    foreign(folder, "open", pool, sizes=(3, "height", "width"))


def a_sorted_answer(folder: Path) -> None:
    pool = onnx.helper.make_node("GlobalAveragePool", ["data"], ["means"])
    places = onnx.helper.make_node("ArgMax", ["means"], ["answer"], name="best", axis=1)
    foreign(folder, "sorted", pool, places, sizes=(3, 8, 8))


def nothing_but_a_sort(folder: Path) -> None:
    places = onnx.helper.make_node("ArgMax", ["data"], ["answer"], name="best", axis=1)
    foreign(folder, "constant", places, sizes=(3, 8, 8))


def weights_alone(folder: Path) -> None:
    (folder / "resnet.pth").write_bytes(b"PK")


def a_huge_network(folder: Path) -> None:
    (folder / "huge.cnn").write_text("input 1x40x40\nflatten -> dense 500000\n", encoding="utf-8")


def half_a_picture(folder: Path) -> None:
    whole = folder / "digit.png"
    Image.effect_noise((64, 64), 50).save(whole)
    whole.write_bytes(whole.read_bytes()[:500])


def a_picture(folder: Path) -> None:
    Image.new("L", (28, 28)).save(folder / "digit.png")


def channels_last(folder: Path) -> None:
    numpy.save(folder / "digits.npy", numpy.zeros((32, 32, 1), numpy.uint8))


def a_folder_of_notes(folder: Path) -> None:
    (folder / "digits").mkdir()
    (folder / "digits" / "notes.txt").write_text("no picture", encoding="utf-8")


def three_classes(folder: Path) -> None:
    a_picture(folder)
    cnndsl.load("lenet5").compile(device="cpu").save(folder / "lenet5.onnx")
    model = onnx.load(folder / "lenet5.onnx")
    [classes] = [entry for entry in model.metadata_props if entry.key == "cnndsl.classes"]
    classes.value = '["a","b","c"]'
    onnx.save(model, folder / "lenet5.onnx")


def a_spec_with_its_own_size(folder: Path) -> None:
    a_picture(folder)
    body = "conv 8@5 -> flatten -> dense 10 -> softmax\n"
    (folder / "exact.cnn").write_text(f"input 1x28x28 {{ fit exact }}\n{body}", encoding="utf-8")


def a_network_of_maps(folder: Path) -> None:
    a_picture(folder)
    (folder / "maps.cnn").write_text("input 1x28x28\nconv 2@3 -> softmax\n", encoding="utf-8")


def cats_and_dogs(folder: Path) -> None:
    a_picture(folder)
    for name, classes in (("first", '"cat", "dog"'), ("second", '"dog", "cat"')):
        text = f"input 1x28x28\nclasses {classes}\nflatten -> dense 2 -> softmax\n"
        cnndsl.parse(text).compile(device="cpu").save(folder / f"{name}.onnx")


def two_seeds(folder: Path) -> None:
    for seed, name in ((1, "first"), (2, "second")):
        text = f"input 4\ndense 2 -> softmax\ntrain {{ seed {seed} }}\n"
        cnndsl.parse(text).compile(device="cpu").save(folder / f"{name}.onnx")
    numpy.savez(folder / "letters.npz", x=numpy.eye(4, dtype=numpy.float32), y=[0, 1, 0, 1])


def a_picture_for_vectors(folder: Path) -> None:
    a_picture(folder)
    a_network_of_vectors(folder)


def a_layer_of_nobody(folder: Path) -> None:
    a_picture(folder)
    path = folder / "lenet5.onnx"
    cnndsl.load("lenet5").compile(device="cpu").save(path)
    model = onnx.load(path)
    [spec] = [entry for entry in model.metadata_props if entry.key == "cnndsl.spec"]
    spec.value = spec.value.replace("flatten", "magic 3 -> flatten", 1)
    onnx.save(model, path)


def a_lenet(folder: Path) -> None:
    cnndsl.load("lenet5").compile(device="cpu").save(folder / "lenet5.onnx")


def a_lenet_for_sixteen(folder: Path) -> None:
    cnndsl.load("lenet5").compile(device="cpu", batch=16).save(folder / "lenet5.onnx")


def a_changed_bit(folder: Path) -> None:
    path = folder / "damaged.onnx"
    cnndsl.load("lenet5").compile(device="cpu").save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def a_network_of_vectors(folder: Path) -> None:
    (folder / "iris.cnn").write_text("input 4\ndense 3 -> softmax\n", encoding="utf-8")


def a_large_weight(folder: Path) -> None:
    shapes = cnndsl.load("lenet5").weights
    arrays = {name: numpy.zeros(shape, numpy.float32) for name, shape in shapes.items()}
    arrays["F6.weight"][0, 0] = 1e6
    save_file(arrays, folder / "large.safetensors")


def a_model_in_float16(folder: Path) -> None:
    cnndsl.load("lenet5").compile(float16=True, device="cpu").save(folder / "half.onnx")


def pools_only(folder: Path) -> None:
    text = "input 2x8x8\nglobalavgpool -> softmax\n"
    (folder / "means.cnn").write_text(text, encoding="utf-8")
    pixels = numpy.random.default_rng(0).random((4, 2, 8, 8), numpy.float32)
    numpy.save(folder / "maps.npy", pixels)


def blocks_only(folder: Path) -> None:
    (folder / "blocks.cnn").write_text("block unit(n) {\n  conv n@3 -> relu\n}\n", encoding="utf-8")


def too_large(folder: Path) -> None:
    (folder / "data.cnn").write_bytes(b"#" * 16_000_001)


def a_bomb(folder: Path) -> None:
    with zipfile.ZipFile(folder / "pictures.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, shape in (("x", (15_000_000, 28, 28)), ("y", (15_000_000,))):
            with archive.open(f"{name}.npy", "w") as member:
                claim = {"descr": "|u1", "fortran_order": False, "shape": shape}
                numpy.lib.format.write_array_header_1_0(member, claim)
                member.write(bytes(15_000_000))
        # The directory tells of all the pictures, of which one small part is there.
        archive.getinfo("x.npy").file_size = 15_000_000 * 28 * 28 + 128


def letters(folder: Path) -> None:
    pictures, labels = numpy.zeros((52, 28, 28), numpy.uint8), numpy.arange(52) % 26 + 1
    numpy.savez(folder / "letters.npz", x=pictures, y=labels)


def no_boxes(folder: Path) -> None:
    page = (ROOT / "docs" / "errors" / "CNN845.md").read_text("utf-8")
    spec = page.partition("```cnn\n")[2].partition("```")[0]
    (folder / "boxes.cnn").write_text(spec, encoding="utf-8")
    pictures = numpy.zeros((20, 3, 32, 32), numpy.float32)
    numpy.savez(folder / "pictures.npz", x=pictures, y=numpy.arange(20) % 10)


def two_broken_pictures(folder: Path) -> None:
    cnndsl.load("lenet5").compile(device="cpu").save(folder / "lenet5.onnx")
    for digit in range(10):
        (folder / "pictures" / str(digit)).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (28, 28)).save(folder / "pictures" / str(digit) / f"{number}.png")
    for name in ("3/0.png", "7/1.png"):
        (folder / "pictures" / name).write_text("<html>")


def a_page(code: str) -> Situation:
    """The page in Markdown that a page about an error shows."""

    def written(folder: Path) -> None:
        [page] = fences(PAGES / f"{code}.md", "markdown")
        (folder / "page.md").write_text(page.text, encoding="utf-8")

    return written


def files_of(code: str) -> Situation:
    """The files that a page about an error shows."""

    def written(folder: Path) -> None:
        for fence in fences(PAGES / f"{code}.md"):
            if fence.file:
                (folder / fence.file).write_text(fence.text, encoding="utf-8")

    return written


def a_run(folder: Path, epochs: int = 1) -> None:
    words = ["train", "lenet5", "--data", "digits", "--epochs", str(epochs), "--device", "cpu"]
    subprocess.run([sys.executable, "-m", "cnndsl", *words], cwd=folder, check=True)


def a_damaged_checkpoint(folder: Path) -> None:
    a_run(folder, epochs=2)
    last = folder / "runs" / "lenet5" / "checkpoints" / "step-00000056.ckpt"
    content = bytearray(last.read_bytes())
    content[-9] ^= 1
    last.write_bytes(content)


NOTHING = (
    "CNN010 CNN011 CNN012 CNN603 CNN605 CNN609 CNN621 CNN623 CNN640 CNN641"
    " CNN713 CNN801 CNN808 CNN812 CNN850 CNN862 CNN880 CNN881 CNN883"
    " CNN886"
)
"""The commands of these do it alone."""

SITUATIONS: dict[str, Situation] = {
    **dict.fromkeys(NOTHING.split(), nothing),
    "CNN005": not_text,
    "CNN114": the_page_itself,
    "CNN601": renamed_weights,
    "CNN602": weights_of_another_tool,
    "CNN604": model_of_another_tool,
    "CNN606": a_huge_network,
    "CNN607": a_changed_bit,
    "CNN608": a_network_of_vectors,
    "CNN610": a_large_weight,
    "CNN611": a_model_in_float16,
    "CNN613": pools_only,
    "CNN622": files_of("CNN622"),
    "CNN624": files_of("CNN624"),
    "CNN630": blocks_only,
    **FOREIGN,
    "CNN665": half_a_model,
    "CNN666": weights_elsewhere,
    "CNN667": an_old_opset,
    "CNN668": sizes_left_open,
    "CNN669": a_sorted_answer,
    "CNN670": weights_alone,
    "CNN671": nothing_but_a_sort,
    "CNN680": files_of("CNN680"),
    "CNN681": files_of("CNN681"),
    "CNN682": files_of("CNN682"),
    "CNN683": files_of("CNN683"),
    "CNN690": a_page("CNN690"),
    "CNN691": a_page("CNN691"),
    "CNN692": a_page("CNN692"),
    "CNN702": half_a_picture,
    "CNN703": channels_last,
    "CNN642": a_repository,
    "CNN643": a_repository,
    "CNN644": a_repository,
    "CNN704": a_picture,
    "CNN706": a_folder_of_notes,
    "CNN707": three_classes,
    "CNN708": a_spec_with_its_own_size,
    "CNN709": a_network_of_maps,
    "CNN710": cats_and_dogs,
    "CNN716": two_seeds,
    "CNN711": a_picture_for_vectors,
    "CNN712": a_layer_of_nobody,
    "CNN714": a_picture,
    "CNN715": a_lenet,
    "CNN802": letters,
    "CNN803": two_broken_pictures,
    "CNN806": a_damaged_checkpoint,
    "CNN807": a_run,
    "CNN809": one_output,
    "CNN810": a_run,
    "CNN845": no_boxes,
    "CNN860": a_lenet_for_sixteen,
    **dict.fromkeys(("CNN882", "CNN885"), a_sweep),
    "CNN901": too_large,
    "CNN906": a_bomb,
}


def test_every_page_with_a_message_is_tested() -> None:
    shown = {code for code in CODES if any(fences(PAGES / f"{code}.md", "console"))}
    assert shown == set(SITUATIONS) | MACHINES


@pytest.mark.parametrize("code", SITUATIONS)
def test_the_message_on_the_page_is_real(code: str, tmp_path: Path) -> None:
    page = PAGES / f"{code}.md"
    SITUATIONS[code](tmp_path)
    [fence] = fences(page, "console")
    [command] = commands(fence)
    real = run(command.line, tmp_path)
    real = real[re.search(r"^error", real, re.MULTILINE).start() :]  # type: ignore[union-attr]
    assert real.startswith(f"error[{code}]: ")
    if os.environ.get("REWRITE"):
        fresh = f"$ {command.line}\n{real}\n"
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(fence.text, fresh), encoding="utf-8")
        return
    shown = command.output
    if code in OTHERS_WORDS:
        shown, real = (":".join(text.split(":")[:2]) for text in (shown, real))
    assert matches(shown, real), f"it is\n\n{real}\n\nrun it once with REWRITE=1"
