"""Small files that claim or unpack to much: they cost little memory, and are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy
import pytest
from numpy.lib import format as npy
from training_data import complaint, model_input, noise, watched_stores, write_idx

from cnndsl.data import stores
from cnndsl.data.dataset import open_dataset
from cnndsl.data.gzipped import Unpacker
from cnndsl.diagnostics.model import UserError

GRAY = model_input(1, 28, 28)
MEGABYTE = 2**20


def header(shape: tuple[int, ...], kind: str = "|u1") -> bytes:
    """The beginning of an array file."""
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue()


def write_npz(path: Path, method: int, **members: tuple[bytes, int]) -> Path:
    """An archive of arrays: the beginning of each, and how many bytes of zeros follow."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, (head, zeros) in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                file.write(head)
                for at in range(0, zeros, 4 * MEGABYTE):
                    file.write(bytes(min(4 * MEGABYTE, zeros - at)))
    return path


def write_gz(path: Path, head: bytes, zeros: int) -> Path:
    with gzip.open(path, "wb") as file:
        file.write(head)
        for at in range(0, zeros, 4 * MEGABYTE):
            file.write(bytes(min(4 * MEGABYTE, zeros - at)))
    return path


def peak(program: str, *arguments: str | Path) -> tuple[int, str]:
    """How many bytes of memory a program takes at most beyond its imports, and what it prints."""
    measured = f"""
import resource, sys
from pathlib import Path
from cnndsl.data.dataset import open_dataset
from cnndsl.data.reading import read_samples
from cnndsl.data.images import read_picture
from cnndsl.data.sources import ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.types import TensorType
import PIL.PngImagePlugin
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
one = ModelInput("input", TensorType((1, 28, 28)))
try:
    {program}
except UserError as error:
    print(error.code, error.message)
print(1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""
    done = subprocess.run(
        [sys.executable, "-c", measured, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    *said, taken = done.stdout.splitlines()
    return int(taken), "\n".join(said)


OPEN = "open_dataset(sys.argv[1], [one])"


# --- archives ---------------------------------------------------------------------------------


def test_counts_are_compared_before_anything_is_unpacked(tmp_path: Path) -> None:
    count = 100 * MEGABYTE // 784
    file = write_npz(
        tmp_path / "a.npz",
        zipfile.ZIP_DEFLATED,
        x=(header((count, 28, 28)), count * 784),
        y=(header((20,)), 20),
    )
    taken, said = peak(OPEN, file)
    assert f"has {count} samples in `x`, but 20 labels in `y`" in said
    assert taken < 50 * MEGABYTE


@pytest.mark.parametrize("where", ["x", "y"])
def test_what_would_unpack_to_more_than_the_limit_is_refused_unread(
    tmp_path: Path, where: str
) -> None:
    count = 2**26
    members = {"x": (header((count, 28, 28)), count), "y": (header((count,)), count)}
    file = write_npz(tmp_path / "a.npz", zipfile.ZIP_DEFLATED, **members)
    # What the directory says of the size is believed no more than the header.
    if where == "x":
        true, claimed = (struct.pack("<Q", number) for number in (count + 128, 2**38))
        file.write_bytes(file.read_bytes().replace(true, claimed))
    taken, said = peak(OPEN, file)
    assert said.startswith(("CNN801", "CNN906"))
    assert taken < 50 * MEGABYTE


def test_a_limit_can_be_raised_or_lowered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.npz"
    numpy.savez_compressed(file, x=noise(20, 28, 28), y=noise(20) % 2)
    monkeypatch.setenv("CNNDSL_LIMITS", "unpacked=15679")
    with complaint(
        "CNN906",
        f"`{file}:x` unpacks to 15,680 bytes, more than 15,679",
        "save it unpacked (`numpy.savez`, idx without `.gz`), then it is read piece by piece; or"
        " raise the limit: CNNDSL_LIMITS=unpacked=15680",
    ):
        open_dataset(file, [GRAY])
    monkeypatch.setenv("CNNDSL_LIMITS", "labels=19")
    with complaint(
        "CNN906",
        f"`{file}:y` holds 20 numbers, more than 19 labels",
        "take fewer samples, or raise the limit: CNNDSL_LIMITS=labels=20",
    ):
        open_dataset(file, [GRAY])
    monkeypatch.setenv("CNNDSL_LIMITS", "labels=20,unpacked=15680")
    assert len(open_dataset(file, [GRAY])) == 20


def test_a_large_packed_array_is_unpacked_into_a_file(tmp_path: Path) -> None:
    count = 400 * MEGABYTE // 784
    file = write_npz(
        tmp_path / "a.npz",
        zipfile.ZIP_DEFLATED,
        x=(header((count, 28, 28)), count * 784),
        y=(header((count,)), count),
    )
    program = f"data = {OPEN}; print(data.read(data.labels[:64])['input'].sum())"
    taken, said = peak(program, file)
    assert said == "0.0"
    assert taken < 100 * MEGABYTE


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_unpacked_array_has_the_same_samples_and_fingerprint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: int
) -> None:
    file = tmp_path / "a.npz"
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, array in (("x", noise(30, 28, 28)), ("y", noise(30) % 2)):
            with archive.open(f"{name}.npy", "w") as member:
                npy.write_array(member, array)
    rows = numpy.array([29, 0, 3, 3])
    whole = open_dataset(file, [GRAY]).read(rows)["input"]
    monkeypatch.setattr("cnndsl.data.members.MEMORY_LIMIT", 200)
    made = watched_stores(monkeypatch, stores)
    data = open_dataset(file, [GRAY])
    assert len(made) == 1
    assert (data.read(rows)["input"] == whole).all()
    assert data.fingerprint == open_dataset(file, [GRAY]).fingerprint
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(UserError, match="changed after it was opened"):
        data.read(rows)


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    file = tmp_path / "a.npz"
    numpy.savez_compressed(file, x=noise(20, 28, 28), y=noise(20) % 2)
    monkeypatch.setattr("cnndsl.data.members.MEMORY_LIMIT", 200)
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/tmp/small")
    with complaint(
        "CNN801",
        f"cannot unpack `{file}:x`, which takes 15,680 bytes, into `/tmp/small`: no space left on"
        " device",
        "make room there, name another folder in TMPDIR, or save the data unpacked",
    ):
        open_dataset(file, [GRAY])


def test_large_arrays_in_fortran_order_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.npz"
    x = noise(4, 28, 28)
    numpy.savez(file, x=numpy.asfortranarray(x), y=noise(4) % 2)
    values = open_dataset(file, [GRAY]).read(numpy.arange(4))["input"]
    assert (values[:, 0] == x).all()
    monkeypatch.setattr("cnndsl.data.members.MEMORY_LIMIT", 200)
    with pytest.raises(UserError, match="3,136 bytes are in Fortran order"):
        open_dataset(file, [GRAY])


@pytest.mark.parametrize("shape", [(20, 0, 8), (20, 8, 0), (20, 0, 8, 3)])
def test_pictures_of_no_size_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    file = tmp_path / "a.npz"
    numpy.savez(file, x=numpy.zeros(shape, numpy.uint8), y=noise(20) % 2)
    with pytest.raises(UserError, match=r"holds pictures of \dx\d pixels .* nothing in them") as e:
        open_dataset(file, [GRAY])
    assert e.value.code == "CNN703"


def test_one_giant_picture_in_an_array_is_refused(tmp_path: Path) -> None:
    file = write_npz(
        tmp_path / "a.npz",
        zipfile.ZIP_DEFLATED,
        x=(header((1, 12_000, 12_000)), 144_000_000),
        y=(header((1,)), 1),
    )
    taken, said = peak(OPEN, file)
    assert "holds pictures of 12000x12000 pixels (height x width), more than 134,217,728" in said
    assert taken < 50 * MEGABYTE


def test_run_reads_a_packed_archive_sample_by_sample(tmp_path: Path) -> None:
    count = 60 * MEGABYTE // 784
    file = write_npz(
        tmp_path / "a.npz", zipfile.ZIP_DEFLATED, x=(header((count, 28, 28)), count * 784)
    )
    program = "print(sum(1 for _ in read_samples([Path(sys.argv[1])], [[one]])))"
    taken, said = peak(program, file)
    assert said == str(count)
    assert taken < 50 * MEGABYTE


# --- idx --------------------------------------------------------------------------------------


def test_an_idx_header_that_claims_millions_beside_few_labels(tmp_path: Path) -> None:
    magic = struct.pack(">BBBB3I", 0, 0, 8, 3, 12_000_000, 28, 28)
    write_gz(tmp_path / "train-images-idx3-ubyte.gz", magic, 100 * MEGABYTE)
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", noise(20))
    taken, said = peak(OPEN, tmp_path)
    assert "holds 12000000 pictures, but `train-labels-idx1-ubyte.gz` 20 labels" in said
    assert taken < 50 * MEGABYTE


def test_an_idx_file_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    count = 12_000_000
    magic = struct.pack(">BBBB3I", 0, 0, 8, 3, count, 28, 28)
    write_gz(tmp_path / "train-images-idx3-ubyte.gz", magic, 100 * MEGABYTE)
    labels = struct.pack(">BBBBI", 0, 0, 8, 1, count)
    write_gz(tmp_path / "train-labels-idx1-ubyte.gz", labels, count)
    taken, said = peak(OPEN, tmp_path)
    assert "unpacks to 9,408,000,000 bytes, more than 4,294,967,296" in said
    assert taken < 60 * MEGABYTE


def test_a_large_idx_file_is_unpacked_into_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for end in (".gz", ""):
        write_idx(tmp_path / f"train-images-idx3-ubyte{end}", noise(30, 28, 28))
        write_idx(tmp_path / f"train-labels-idx1-ubyte{end}", noise(30))
        if end:
            monkeypatch.setattr("cnndsl.data.formats.idx.MEMORY_LIMIT", 200)
            made = watched_stores(monkeypatch, stores)
            packed = open_dataset(tmp_path, [GRAY])
            assert len(made) == 1
            monkeypatch.undo()
    rows = numpy.array([29, 0, 3, 3])
    plain = open_dataset(tmp_path, [GRAY])
    assert (packed.read(rows)["input"] == plain.read(rows)["input"]).all()


def unpacked(content: bytes) -> bytes:
    reader = Unpacker(io.BytesIO(content))
    return b"".join(iter(lambda: reader.read(1000), b""))


def test_all_members_of_a_gzip_file_are_read_and_zeros_behind_them_are_not() -> None:
    pieces = [noise(5000, seed=seed).tobytes() for seed in range(5)]
    whole = b"".join(pieces)
    packed = b"".join(gzip.compress(piece) for piece in pieces)
    assert unpacked(gzip.compress(whole)) == whole
    assert unpacked(packed) == whole
    assert unpacked(packed + bytes(200_000)) == whole
    assert unpacked(gzip.compress(b"") * 3 + gzip.compress(whole)) == whole
    large = bytes(3 * MEGABYTE)
    assert unpacked(gzip.compress(large)) == large


@pytest.mark.parametrize("cut", [1, 4, 8, 9, 500])
def test_a_gzip_file_that_is_cut_off_is_broken(cut: int) -> None:
    with pytest.raises(EOFError, match="ends too early"):
        unpacked(gzip.compress(noise(5000).tobytes())[:-cut])


def test_a_gzip_file_with_something_else_behind_is_broken() -> None:
    packed = gzip.compress(noise(5000).tobytes())
    for tail in (b"x", b"\0\0x", b"\x1fx", bytes(70_000) + b"PK"):
        with pytest.raises(zlib.error, match="something else follows"):
            unpacked(packed + tail)
    for wrong in (b"\x1f\x8b\x08", bz2.compress(b"a"), lzma.compress(b"a"), b"", packed[1:]):
        with pytest.raises((zlib.error, EOFError)):
            unpacked(wrong)


def test_a_gzip_file_of_endlessly_many_members_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnndsl.data.gzipped._MOST_MEMBERS", 10)
    with pytest.raises(zlib.error, match="too many members"):
        unpacked(gzip.compress(b"") * 11)


# --- other kinds ------------------------------------------------------------------------------


def test_batches_of_cifar_beyond_all_limits_are_refused(tmp_path: Path) -> None:
    for number in range(1, 4):
        with (tmp_path / f"data_batch_{number}.bin").open("wb") as file:
            file.truncate(3073 * 2**17)
    with pytest.raises(UserError, match="have 1,208,352,768 bytes, more than 536,870,912") as e:
        open_dataset(tmp_path, [model_input(3, 32, 32)])
    assert e.value.code == "CNN906"


def test_weights_of_other_shapes_are_never_unpacked(tmp_path: Path) -> None:
    file = write_npz(
        tmp_path / "w.npz",
        zipfile.ZIP_DEFLATED,
        **{"conv1.weight": (header((100 * MEGABYTE,), "<f4"), 400 * MEGABYTE)},
    )
    program = (
        "from cnndsl.graph.weight_files import open_weights;"
        " print(open_weights(sys.argv[1]).__enter__().stored)"
    )
    taken, said = peak(program, file)
    assert "shape=(104857600,), dtype='F32'" in said
    assert taken < 150 * MEGABYTE


def png(width: int, height: int, *chunks: tuple[bytes, bytes], pixels: bytes = b"") -> bytes:
    """A picture of one bit, with other chunks before its pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    between = b"".join(chunk(*one) for one in chunks)
    return b"\x89PNG\r\n\x1a\n" + head + between + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200 * MEGABYTE))),
        (b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(200 * MEGABYTE))),
        (b"iCCP", b"profile\0\0" + zlib.compress(bytes(200 * MEGABYTE))),
    ],
)
def test_what_else_a_picture_holds_is_not_unpacked(
    tmp_path: Path, name: bytes, body: bytes
) -> None:
    rows = zlib.compress(bytes(5 * 28))
    (tmp_path / "a.png").write_bytes(png(28, 28, *[(name, body)] * 4, pixels=rows))
    taken, said = peak("print(read_picture(sys.argv[1], one).shape)", tmp_path / "a.png")
    assert said.startswith(("(1, 28, 28)", "CNN702"))
    assert taken < 100 * MEGABYTE


def test_a_picture_beyond_the_limit_is_said_to_be_too_large(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(12_000, 12_000))
    taken, said = peak("read_picture(sys.argv[1], one)", tmp_path / "a.png")
    assert "a picture of 12000x12000 pixels is beyond the limit of 134,217,728 pixels" in said
    assert taken < 50 * MEGABYTE
