"""Damaged models, weights and data: each is refused with a word, or answers as before."""

from __future__ import annotations

import gzip
import io
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy
from PIL import Image

from tests.hunt.command import call
from tests.hunt.damage import damaged
from tests.hunt.runs import replaced

__all__ = ["damaged_data", "damaged_inputs", "damaged_models"]

SPEC = """\
input {dims} {{ scale 1/255 }}
conv 4@3 padding 1 -> batchnorm -> relu -> globalavgpool
dense 3 -> softmax

train {{ epochs 1
  batch 4 }}
"""

CPU = ("--device", "cpu")


# --- models and weights -----------------------------------------------------------------------


def damaged_models(seed: int) -> list[str]:
    """A compiled model or a file of weights with a few faults answers as before, or not at all."""
    chance = random.Random(f"models {seed}")
    Path("net.cnn").write_text(SPEC.format(dims="1x6x6"))
    numpy.save("x.npy", numpy.arange(36, dtype=numpy.float32).reshape(1, 1, 6, 6) / 36)
    call("compile", "net.cnn", "-o", "net.onnx")
    right = call("run", "net.onnx", "x.npy", "--format", "json", *CPU)
    found = right.complaints((0,))
    if chance.random() < 0.7:
        path, verbs = Path("net.onnx"), [("show", "net.onnx"), ("check", "net.onnx")]
    else:
        _weights()
        path, verbs = Path("net.safetensors"), []
    path.write_bytes(damaged(path.read_bytes(), chance))
    for verb in verbs:
        found += call(*verb).complaints((0, 1, 2))
    spec = ("net.onnx",) if path.suffix == ".onnx" else ("net.cnn", "--weights", str(path))
    answer = call("run", *spec, "x.npy", "--format", "json", *CPU)
    found += answer.complaints()
    if answer.code == 0 and path.suffix == ".onnx" and answer.out != right.out:
        found.append(f"a damaged model answers something else\n{right.out}\n{answer.out}")
    return found


def _weights() -> None:
    from safetensors.numpy import save_file

    import cnndsl

    shapes = cnndsl.load("net.cnn").weights
    save_file({name: numpy.ones(shape, "f4") for name, shape in shapes.items()}, "net.safetensors")


# --- data -------------------------------------------------------------------------------------


def damaged_data(seed: int) -> list[str]:
    """Training and evaluation on data of every kind, one file of which is damaged."""
    chance = random.Random(f"data {seed}")
    kind = chance.choice([*_KINDS])
    folder = Path("data")
    folder.mkdir()
    data, dims = _KINDS[kind](folder, chance)
    Path("net.cnn").write_text(SPEC.format(dims=dims))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    victim = chance.choice(files)
    if chance.random() < 0.9:
        replaced(victim, chance)
    else:
        victim.rename(victim.with_name(chance.choice(("odd name", "x.bin", "ä\u0308.png", "-"))))
    options = chance.choice(((), ("--valid", "0.3"), ("--skip-broken",)))
    run = call("train", "net.cnn", "--data", data, "--out", "run", *options, *CPU)
    found = run.complaints()
    call("compile", "net.cnn", "-o", "net.onnx")
    found += call("eval", "net.onnx", "--data", data, *CPU).complaints()
    return [f"{kind}: {text}" for text in found]


def _pictures(chance: random.Random, count: int, side: int, channels: int = 1) -> numpy.ndarray:
    numbers = numpy.random.default_rng(chance.randrange(2**32))
    return numbers.integers(0, 256, (count, side, side, channels), dtype=numpy.uint8)


def _npz(folder: Path, chance: random.Random) -> tuple[str, str]:
    pictures = _pictures(chance, 12, 6)[..., 0]
    kind = chance.choice(("u1", "f4", "i8", "u2", "?"))
    save = chance.choice((numpy.savez, numpy.savez_compressed))
    save(folder / "d.npz", x=pictures.astype(kind)[:, None], y=numpy.arange(12) % 3)
    return "data/d.npz", "1x6x6"


def _idx(folder: Path, chance: random.Random) -> tuple[str, str]:
    packed = chance.random() < 0.5
    for part, count in (("train", 12), ("t10k", 6)):
        pictures = _pictures(chance, count, 6)[..., 0].tobytes()
        labels = bytes(n % 3 for n in range(count))
        images = struct.pack(">HBBIII", 0, 8, 3, count, 6, 6) + pictures
        answers = struct.pack(">HBBI", 0, 8, 1, count) + labels
        for name, content in (("images-idx3", images), ("labels-idx1", answers)):
            path = folder / f"{part}-{name}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content) if packed else content)
    return "data", "1x6x6"


def _cifar(folder: Path, chance: random.Random) -> tuple[str, str]:
    for name, count in (("data_batch_1.bin", 6), ("test_batch.bin", 3)):
        rows = [
            bytes([n % 3]) + _pictures(chance, 1, 32, 3).transpose(0, 3, 1, 2).tobytes()
            for n in range(count)
        ]
        (folder / name).write_bytes(b"".join(rows))
    return "data", "3x32x32"


def _picture(chance: random.Random) -> tuple[str, bytes]:
    """A picture in a random format and mode, and the ending of its name."""
    form, mode = chance.choice(
        (
            ("png", "L"),
            ("png", "RGB"),
            ("png", "RGBA"),
            ("png", "P"),
            ("png", "1"),
            ("png", "I;16"),
            ("jpeg", "L"),
            ("jpeg", "RGB"),
            ("jpeg", "CMYK"),
            ("bmp", "RGB"),
            ("gif", "P"),
            ("tiff", "F"),
            ("tiff", "I"),
            ("tiff", "I;16"),
            ("webp", "RGB"),
        )
    )
    side = chance.choice((1, 6, 7, 16))
    pixels = _pictures(chance, 1, side, 3)[0]
    if mode.startswith("I;16"):
        picture = Image.fromarray(pixels[..., 0].astype(numpy.uint16) * 257)
    else:
        picture = Image.fromarray(pixels).convert(mode)
    stream = io.BytesIO()
    picture.save(stream, form)
    return form, stream.getvalue()


def _folder(folder: Path, chance: random.Random) -> tuple[str, str]:
    for name in ("a", "b", "c"):
        (folder / name).mkdir()
        for n in range(4):
            form, content = _picture(chance)
            (folder / name / f"{n}.{form}").write_bytes(content)
    return "data", chance.choice(("1x6x6", "3x6x6"))


def _table(folder: Path, chance: random.Random) -> tuple[str, str]:
    labels = chance.choice(("abc", "012", "123", ("a", " a", "A"), ("ä", "a\u0308", "b"), "1x2"))
    lines = [
        chance.choice(("path,label", "label,path", "Image Name;Class", "file,label,split", ""))
    ]
    for n in range(9):
        form, content = _picture(chance)
        (folder / f"{n}.{form}").write_bytes(content)
        row = [f"{n}.{form}", labels[n % 3]]
        row += [("train", "test", "val", "")[n % 4]] if lines[0].endswith("split") else []
        row = row[::-1] if lines[0].startswith("label") else row
        lines.append((";" if ";" in lines[0] else ",").join(row))
    lines.insert(
        chance.randrange(len(lines)), chance.choice(("", "", ",", "#", '"', "x", "a,b,c,d"))
    )
    text = chance.choice(("\n", "\n", "\r\n", "\r")).join(lines).lstrip("\n") + chance.choice(
        ("\n", "")
    )
    coding = chance.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"))
    (folder / "table.csv").write_bytes(text.encode(coding, "replace"))
    return "data/table.csv", chance.choice(("1x6x6", "3x6x6"))


_KINDS: dict[str, Callable[[Path, random.Random], tuple[str, str]]] = {
    "npz": _npz,
    "idx": _idx,
    "cifar": _cifar,
    "folder": _folder,
    "table": _table,
}


def damaged_inputs(seed: int) -> list[str]:
    """`run` on damaged pictures and arrays, alone and among good ones."""
    chance = random.Random(f"inputs {seed}")
    Path("net.cnn").write_text(SPEC.format(dims=chance.choice(("1x6x6", "3x6x6"))))
    call("compile", "net.cnn", "-o", "net.onnx")
    Path("in").mkdir()
    for n in range(3):
        form, content = _picture(chance)
        path = Path("in") / f"{n}.{form}"
        path.write_bytes(content if n else damaged(content, chance))
    stream = io.BytesIO()
    kind = chance.choice(("u1", "f4", "f8", "i4", "u2", "f2", "c8", "?", "U3"))
    shape = chance.choice(((6, 6), (1, 6, 6), (2, 1, 6, 6), (2, 3, 6, 6), (0, 1, 6, 6), ()))
    numpy.save(stream, numpy.ones(shape).astype(kind))
    Path("in/a.npy").write_bytes(damaged(stream.getvalue(), chance))
    found = []
    for inputs in (sorted(map(str, Path("in").iterdir())), ["in"]):
        for one in inputs:
            found += call("run", "net.onnx", one, *CPU).complaints()
    return found
