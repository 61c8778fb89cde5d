"""PyTorch's checkpoints, read without PyTorch, as PyTorch reads them."""

from __future__ import annotations

import argparse
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from foreign_weights import drawn

from cnndsl.diagnostics.model import UserError
from cnndsl.importers.weights.pytorch_file import open_pytorch
from cnndsl.importers.weights.pytorch_writer import checkpoint

ZIPPED = {"_use_new_zipfile_serialization": True}
OLD = {"_use_new_zipfile_serialization": False}


def loaded(path: Path) -> dict[str, Any]:
    with open_pytorch(str(path)) as source:
        return {name: one.read() for name, one in source.tensors.items()}


def refused(path: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        loaded(path)
    return caught.value


@pytest.mark.parametrize("form", [ZIPPED, OLD], ids=["zip", "old"])
def test_tensors_of_every_type_and_stride_are_read(form: dict[str, bool], tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    whole = torch.arange(24.0).reshape(2, 3, 4)
    tensors = {
        "a.weight": whole,
        "b.weight": whole.transpose(0, 2),
        "c.weight": whole[1, 1:],
        "d.weight": whole.expand(2, 2, 3, 4),
        "e.weight": whole.half() + 0.5,
        "f.weight": whole.bfloat16() / 3,
        "g.weight": whole.double() / 3,
        "h.weight": torch.nn.Parameter(whole[:, :, 0]),
        "i.bias": torch.tensor(3.0),
        "j.bias": torch.zeros(0),
    }
    path = tmp_path / "a.pt"
    torch.save(tensors, path, **form)
    found = loaded(path)
    assert [*found] == [*tensors]
    for name, tensor in tensors.items():
        assert found[name].shape == tensor.shape, name
        numpy.testing.assert_array_equal(
            found[name].astype(numpy.float64), tensor.detach().double().numpy()
        )


@pytest.mark.parametrize("form", [ZIPPED, OLD], ids=["zip", "old"])
def test_the_state_dict_is_found_in_a_checkpoint(form: dict[str, bool], tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.zeros(1, 3, 8, 8)).sum().backward()
    optimizer.step()
    path = tmp_path / "a.pth"
    torch.save(
        {
            "epoch": 3,
            "arch": "net",
            "args": argparse.Namespace(lr=0.1, path=None),
            "best": numpy.float64(0.5),
            "state_dict": torch.nn.DataParallel(model).state_dict(),
            "optimizer": optimizer.state_dict(),
            "model_ema": model.state_dict(),
        },
        path,
        **form,
    )
    with open_pytorch(str(path)) as source:
        assert [one.name for one in source.layers] == ["0", "1"]
        assert [str(one.role) for one in source.layers[1].tensors] == [
            "scale",
            "bias",
            "mean",
            "var",
        ]
        assert {one.what for one in source.left_out} == {
            "an optimizer's state",
            "a counter of training steps",
        }
        assert source.notes == (
            "7 tensors of `model_ema` are left out: the weights are taken from `state_dict`, and"
            " `--key` says which to take",
        )


@pytest.mark.parametrize("form", [ZIPPED, OLD], ids=["zip", "old"])
def test_a_key_says_which_dictionary_to_take(form: dict[str, bool], tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    path = tmp_path / "a.pth"
    state = {"a.weight": torch.zeros(2, 2)}
    averages = {"decay": 0.9, "module": {"a.weight": torch.ones(2, 2)}}
    torch.save({"model": state, "ema": averages, "shadow": [torch.zeros(3)]}, path, **form)
    for key, value in ((None, 0), ("model", 0), ("ema.module", 1)):
        with open_pytorch(str(path), key) as source:
            assert [(one.read() == value).all() for one in source.tensors.values()] == [True]
    with pytest.raises(UserError) as caught, open_pytorch(str(path), "ema"):
        pass
    assert "no dictionary of tensors `ema`: there is `model`, `ema.module`" in str(caught.value)


def test_pairs_of_names_and_tensors_are_a_dictionary(tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    path = tmp_path / "a.pth"
    torch.save([("a.weight", torch.ones(2, 2)), ("a.bias", torch.ones(2))], path)
    with open_pytorch(str(path)) as source:
        assert [*source.tensors] == ["a.weight", "a.bias"]


def test_a_whole_module_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "a.pt")
    error = refused(tmp_path / "a.pt")
    assert error.code == "CNN651"
    assert "it holds a whole module (`torch.nn.modules.linear.Linear`)" in error.message
    assert "state_dict()" in error.help


def test_a_script_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", pickle.dumps({}))
        archive.writestr("net/code/__torch__.py", "")
    assert refused(path).code == "CNN651"


def zipped(path: Path, content: bytes, storages: dict[str, bytes], **options: Any) -> Path:
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("a/data.pkl", content)
        for key, numbers in storages.items():
            archive.writestr(f"a/data/{key}", numbers)
    return path


def a_tensor(key: str, items: int, size: bytes = b"K\x02", offset: bytes = b"K\x00") -> bytes:
    """A dictionary with one tensor, by hand."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00" + key.encode()
    storage += b"X\x03\x00\x00\x00cpu" + b"J" + items.to_bytes(4, "little") + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + offset
    tensor += b"(" + size + b"t(K\x01t\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02}X\x08\x00\x00\x00a.weight" + tensor + b"s."


def test_tensors_that_say_more_than_there_is_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    assert [*loaded(zipped(path, a_tensor("0", 2), {"0": bytes(8)}))] == ["a.weight"]
    wrong = [
        (a_tensor("0", 1), {"0": bytes(8)}, "reaches beyond its storage"),
        (a_tensor("0", 2, offset=b"K\x01"), {"0": bytes(8)}, "reaches beyond its storage"),
        (a_tensor("0", 2), {"0": bytes(7)}, "cut short"),
        (a_tensor("0", 2), {}, "no whole PyTorch checkpoint"),
        (a_tensor("0", 2, size=b"J\xff\xff\xff\xff"), {"0": bytes(8)}, "sizes are no numbers"),
        (a_tensor("0", 2, size=b"N"), {"0": bytes(8)}, "sizes are no numbers"),
        (a_tensor("0", 2, size=b"M\xff\xff"), {"0": bytes(8)}, "reaches beyond its storage"),
    ]
    for content, storages, message in wrong:
        assert message in str(refused(zipped(path, content, storages))), message


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CNNDSL_LIMITS", "unpacked=1000000")
    size = b"J" + (2_000_000).to_bytes(4, "little")
    content = a_tensor("0", 2_000_000, size=size)
    options = {"compression": zipfile.ZIP_DEFLATED}
    path = zipped(tmp_path / "a.pt", content, {"0": bytes(8_000_000)}, **options)
    assert "has more than 1,000,000 bytes" in str(refused(path))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(99), bytes(99), b"\x80\x02." * 5])
def test_what_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    assert refused(path).code == "CNN650"


def test_files_that_are_cut_short_are_refused(tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    for form in (ZIPPED, OLD):
        stream = io.BytesIO()
        torch.save({"a.weight": torch.rand(5, 5), "b.weight": torch.rand(7)}, stream, **form)
        whole = stream.getvalue()
        path = tmp_path / "a.pt"
        for end in range(0, len(whole) - 1, 61):
            path.write_bytes(whole[:end])
            assert refused(path).code == "CNN650", end


# --- and written ------------------------------------------------------------------------------


def test_what_is_written_is_read_by_us_and_by_pytorch(tmp_path: Path) -> None:
    tensors: dict[str, Any] = {
        "conv.weight": drawn(4, 3, 2, 2),
        "conv.bias": drawn(4),
        "ü.num_batches_tracked": numpy.zeros((), numpy.int64),
        "empty": numpy.zeros((0, 3), numpy.float32),
    }
    path = tmp_path / "a.pt"
    path.write_bytes(b"".join(checkpoint(tensors)))
    assert path.read_bytes() == b"".join(checkpoint(tensors))
    found = loaded(path)
    assert [*found] == ["conv.weight", "conv.bias", "empty"]
    numpy.testing.assert_array_equal(found["conv.weight"], tensors["conv.weight"])
    torch: Any = pytest.importorskip("torch")
    for only in (False, True):
        theirs = torch.load(path, weights_only=only)
        assert [*theirs] == [*tensors]
        for name, one in theirs.items():
            numpy.testing.assert_array_equal(one.numpy(), tensors[name])
            assert one.numpy().dtype == tensors[name].dtype
