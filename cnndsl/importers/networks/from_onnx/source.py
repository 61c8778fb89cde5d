"""Opens an ONNX file of anybody's: its bytes, its functions inlined, its weights from other files.

What cannot be read at all is an error here; what can be read but not said is refused later, node
by node.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.files import reason

if TYPE_CHECKING:
    import onnx

__all__ = ["opened", "opset_of", "unreadable"]

_LARGEST = 2**31
"""The bytes of the largest file that protobuf can be."""

OLDEST, NEWEST = 7, 26
"""The opsets whose operators are known here. Older ones broadcast in another way."""


def opened(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """The model in a file, with all its weights and without functions.

    Raises:
        UserError: CNN665 where it cannot be read, CNN666 for weights in other files that are not
            there, CNN667 for an opset that is not known.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    name = os.fspath(path)
    try:
        with open_regular(path, most=_LARGEST) as file:
            model: onnx.ModelProto = onnx.ModelProto.FromString(file.read())
    except OSError as error:
        help = "look whether the file is there, and whether you may read it"
        raise unreadable(name, reason(error), help) from error
    except DecodeError as error:
        raise unreadable(name, "it is no ONNX model, or only a part of one") from error
    if not model.HasField("graph") or not model.graph.output:
        raise unreadable(name, "it is no ONNX model: there is no graph in it")
    _known_opset(model, name)
    _with_weights(model, Path(name))
    return _without_functions(model, name)


_AS_WRITTEN = "give a model as `onnx.save` and the exporters of other tools write it"


def unreadable(name: str, why: str, help: str = _AS_WRITTEN) -> UserError:
    """CNN665."""
    return UserError("CNN665", f"cannot read the network in `{name}`: {why}", help=help)


def opset_of(model: onnx.ModelProto) -> int:
    """The version of the standard operators; 0 where none is named."""
    versions = [one.version for one in model.opset_import if one.domain in ("", "ai.onnx")]
    return max(versions, default=0)


def _known_opset(model: onnx.ModelProto, name: str) -> None:
    opset = opset_of(model)
    if OLDEST <= opset <= NEWEST:
        return
    if not opset:
        raise unreadable(name, "it does not say which operators it uses")
    convert = f"`onnx.version_converter.convert_version(model, {max(OLDEST, 13)})` may convert it"
    raise UserError(
        "CNN667",
        f"`{name}` uses the operators of opset {opset}, and {OLDEST} to {NEWEST} are known",
        help=convert if opset < OLDEST else "export it again with an older opset",
    )


def _with_weights(model: onnx.ModelProto, path: Path) -> None:
    """Read the weights that lie in other files, which must lie beside the model."""
    import onnx
    from onnx import external_data_helper

    for tensor in external_data_helper._get_all_tensors(model):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        where = {entry.key: entry.value for entry in tensor.external_data}.get("location", "")
        folder = path.resolve().parent
        target = (folder / where).resolve()
        if not where or folder not in target.parents:
            raise unreadable(str(path), f"its weight `{tensor.name}` is in `{where}`, elsewhere")
        if not target.is_file():
            raise UserError(
                "CNN666",
                f"the weights of `{path}` are in `{where}`, and there is no such file beside it",
                help=f"put `{where}` beside the model, as its exporter did",
            )
        try:
            external_data_helper.load_external_data_for_tensor(tensor, str(folder))
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            raise unreadable(str(path), f"`{where}` cannot be read ({error})") from error
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def _without_functions(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    import onnx.inliner

    if not model.functions:
        return model
    try:
        inlined: onnx.ModelProto = onnx.inliner.inline_local_functions(model)
    except Exception as error:  # the library raises whatever its C++ part did
        raise unreadable(name, f"its functions cannot be inlined ({error})") from error
    return inlined
