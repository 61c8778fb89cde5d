"""Opens a file of weights by its ending, and where that says little, by its bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from zipfile import ZipFile

from cnndsl.files import natural, open_regular
from cnndsl.graph.archives import ZIP_ERRORS
from cnndsl.graph.weight_files import FLOATS, open_weights
from cnndsl.importers.weights.darknet_file import DarknetLayer, open_darknet
from cnndsl.importers.weights.source import WeightsSource, broken, told_as_unreadable
from cnndsl.importers.weights.state_dict import Entry, state_dict_source

__all__ = ["FORMATS", "is_darknet", "open_source"]

FORMATS = (
    "PyTorch (.safetensors, .pt, .pth, .bin), Keras (.weights.h5, .keras, .h5),"
    " Caffe (.caffemodel), ONNX (.onnx), Darknet (.weights), NumPy (.npz, a folder of .npy)"
)
"""What can be opened, for people."""

Open = Callable[[str], AbstractContextManager[WeightsSource]]


def open_source(
    path: str | os.PathLike[str],
    darknet: Sequence[DarknetLayer] | None = None,
    key: str | None = None,
) -> AbstractContextManager[WeightsSource]:
    """A file of weights, or a folder of arrays, as its reader gives it.

    Args:
        path: the file.
        darknet: the layers whose numbers a Darknet file has, which does not say itself.
        key: what the dictionary to take of a checkpoint is called.

    Raises:
        UserError: CNN650 where it is nothing that is read here, and as its reader does.
    """
    name = os.fspath(path)
    kind = "folder" if os.path.isdir(name) else _kind(name)
    if key is not None and kind != "pytorch":
        raise broken(
            name, f"it has no dictionaries, of which one may be `{key}`", help="leave `--key` out"
        )
    if kind == "pytorch":
        from cnndsl.importers.weights.pytorch_file import open_pytorch

        return open_pytorch(name, key)
    if kind == "darknet":
        if darknet is None:
            raise broken(
                name, "Darknet's files do not say what is in them", help="give the network"
            )
        return open_darknet(name, darknet)
    return _reader(kind)(name)


def is_darknet(path: str) -> bool:
    """Whether a file is Darknet's, by its ending: its bytes do not say it."""
    return path.lower().endswith(".weights") and not os.path.isdir(path)


def _reader(kind: str) -> Open:
    """The reader of a format; each loads what it needs, h5py only where a file is Keras's."""
    if kind == "keras":
        from cnndsl.importers.weights.keras_file import open_keras

        return open_keras
    if kind == "onnx":
        from cnndsl.importers.weights.onnx_file import open_onnx

        return open_onnx
    if kind == "caffe":
        from cnndsl.importers.weights.caffe_model import open_caffe

        return open_caffe
    if kind in ("npz", "folder"):
        from cnndsl.importers.weights.numpy_files import open_npy_folder, open_npz

        return open_npz if kind == "npz" else open_npy_folder
    return _open_safetensors


_ENDINGS = {
    ".safetensors": "safetensors",
    ".npz": "npz",
    ".onnx": "onnx",
    ".caffemodel": "caffe",
    ".weights": "darknet",
    ".keras": "keras",
    ".h5": "keras",
    ".hdf5": "keras",
}


def _kind(path: str) -> str:
    """The format of a file."""
    ending = os.path.splitext(path)[1].lower()
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    with told_as_unreadable(path, "file", ZIP_ERRORS), open_regular(path) as file:
        start = file.read(9)
        if start.startswith(b"PK\x03\x04"):
            file.seek(0)
            with ZipFile(file) as archive:
                names = archive.namelist()
            if any(name.endswith("data.pkl") for name in names):
                return "pytorch"
            if any(
                name.endswith(("archive_format", "serialized_exported_program.json"))
                for name in names
            ):
                raise broken(
                    path,
                    "it is a program of `torch.export`, whose weights have no names",
                    help="save its tensors: `torch.save(program.state_dict, …)`",
                )
            return "keras" if "model.weights.h5" in names else "npz"
    if start.startswith(b"\x89HDF"):
        return "keras"
    if start[8:9] == b"{":
        return "safetensors"
    if start.startswith(b"\x80") or ending in (".pt", ".pth", ".bin", ".ckpt", ".tar"):
        return "pytorch"
    raise broken(path, "it is of no format that is known", help=f"these are: {FORMATS}")


@contextmanager
def _open_safetensors(path: str) -> Iterator[WeightsSource]:
    """The tensors of a safetensors file, whose order says nothing: it is that of its writer."""
    with open_weights(path) as file:
        entries = {
            name: Entry(
                stored.shape,
                FLOATS.get(stored.dtype, stored.dtype),
                lambda name=name: file.read(name),  # type: ignore[misc]
            )
            for name, stored in sorted(file.stored.items(), key=lambda pair: natural(pair[0]))
        }
        if not entries:
            raise broken(path, "there is no tensor in it", help="give a file of weights")
        source = state_dict_source(path, "safetensors file", entries, ordered=False)
        yield WeightsSource(**{**vars(source), "classes": file.classes})
