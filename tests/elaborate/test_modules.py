"""Specs and imports are found where they may be, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.modules import find_spec, read_text, shipped_specs
from cnndsl.limits import Limits
from cnndsl.pipeline import check

HEAD = "input 3x8x8\n"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.cnn"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def problems(path: Path, **limits: int) -> list[tuple[str, int, str]]:
    found = check(path, limits=Limits(**limits)).diagnostics
    return [(Path(d.span.source.name).name, d.span.first.line, d.code) for d in found]


# --- finding --------------------------------------------------------------------------------------


def test_a_name_is_a_shipped_spec_unless_a_file_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_spec("lenet5").is_file()
    assert "lenet5" in shipped_specs()
    (tmp_path / "lenet5").write_text("", encoding="utf-8")
    assert find_spec("lenet5") == Path("lenet5")


@pytest.mark.parametrize(
    ("name", "help"),
    [("lenet", "did you mean `lenet5`?"), ("neet.cnn", "did you mean `net.cnn`?")],
)
def test_a_name_that_is_nearly_right_is_recognised(
    name: str, help: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.cnn").write_text("", encoding="utf-8")
    with pytest.raises(UserError) as caught:
        find_spec(name)
    assert (caught.value.code, caught.value.help) == ("CNN010", help)


@pytest.mark.parametrize("name", ["x" * 300, "a/b/c.cnn", "nul\0byte.cnn", "", "no/such/folder"])
def test_a_name_that_can_be_no_file_is_refused(name: str) -> None:
    with pytest.raises(UserError) as caught:
        read_text(find_spec(name), Limits())
    assert caught.value.code in ("CNN010", "CNN005")


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "net.cnn").write_bytes(b"\xef\xbb\xbf" + HEAD.encode() + b"relu\n")
    assert problems(tmp_path / "net.cnn") == []


def test_a_text_has_its_limit(tmp_path: Path) -> None:
    write(tmp_path, net=f"{HEAD}relu\n")
    assert problems(tmp_path / "net.cnn", text=200) == []
    assert [code for _, _, code in problems(tmp_path / "net.cnn", text=10)] == ["CNN901"]
    with pytest.raises(UserError, match="larger than"):
        problems(tmp_path / "net.cnn", text=2)


# --- imports --------------------------------------------------------------------------------------


def test_blocks_come_in_with_their_constants_and_rounding(tmp_path: Path) -> None:
    write(
        tmp_path,
        net=f'import "parts"\n{HEAD}half(2) => 4x4x4\n',
        parts="rounding floor\nlet growth = 2\n"
        "block half(k) { conv growth*k@3 stride 2 padding 1 }\n",
    )
    assert problems(tmp_path / "net.cnn") == []


def test_constants_of_an_imported_file_stay_there(tmp_path: Path) -> None:
    write(tmp_path, net=f'import "parts"\n{HEAD}conv growth@1\n', parts="let growth = 2\n")
    assert problems(tmp_path / "net.cnn") == [("net.cnn", 3, "CNN102")]


def test_imports_of_imports_come_in_too(tmp_path: Path) -> None:
    write(
        tmp_path,
        net=f'import "sub/one"\n{HEAD}a() -> b()\n',
        sub__one='import "two"\nblock a() { b() }\n',
        sub__two="block b() { relu }\n",
    )
    assert problems(tmp_path / "net.cnn") == []


def test_one_file_imported_twice_is_no_conflict(tmp_path: Path) -> None:
    write(
        tmp_path,
        net=f'import "one"\nimport "two"\nimport "one.cnn"\n{HEAD}a() -> b()\n',
        one='import "two"\nblock a() { b() }\n',
        two="block b() { relu }\n",
    )
    assert problems(tmp_path / "net.cnn") == []


def test_two_blocks_of_one_name_are_a_conflict(tmp_path: Path) -> None:
    write(
        tmp_path,
        net=f'import "one"\nimport "two"\n{HEAD}a()\n',
        one="block a() { relu }\n",
        two="block a() { tanh }\n",
    )
    assert problems(tmp_path / "net.cnn") == [("net.cnn", 2, "CNN104")]


def test_an_error_in_an_imported_block_is_shown_where_it_is(tmp_path: Path) -> None:
    write(tmp_path, net=f'import "one"\n{HEAD}a()\n', one="block a() {\n cnov 3@3\n}\n")
    assert problems(tmp_path / "net.cnn") == [("one.cnn", 2, "CNN101")]


def test_what_an_imported_file_says_itself_is_ignored(tmp_path: Path) -> None:
    one = "network other\ninput 4\ndense 3\nexpect params 7\nblock a() { relu }\n"
    write(tmp_path, net=f'import "one"\n{HEAD}a()\n', one=one)
    assert problems(tmp_path / "net.cnn") == []


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"net": 'import "net"\n' + HEAD + "relu\n"}, ("net.cnn", 1, "CNN108")),
        (
            {"net": f'import "one"\n{HEAD}relu\n', "one": '\nimport "net"\n'},
            ("one.cnn", 2, "CNN108"),
        ),
    ],
)
def test_a_circle_is_an_error(
    files: dict[str, str], place: tuple[str, int, str], tmp_path: Path
) -> None:
    write(tmp_path, **files)
    assert problems(tmp_path / "net.cnn") == [place]


def test_a_missing_file_is_one_error_whatever_is_called(tmp_path: Path) -> None:
    write(tmp_path, net=f'import "pats"\n{HEAD}half(2) -> double(3)\n', parts="")
    assert problems(tmp_path / "net.cnn") == [("net.cnn", 1, "CNN107")]
    (diagnostic,) = check(tmp_path / "net.cnn").diagnostics
    assert diagnostic.help == 'did you mean `import "parts"`?'
    assert diagnostic.fixes


def test_the_shipped_library_is_always_there(tmp_path: Path) -> None:
    write(tmp_path, net=f'import "std/residual"\n{HEAD}conv 64@1 -> basic(64) => 64x8x8\n')
    assert problems(tmp_path / "net.cnn") == []
    write(tmp_path, std__residual="block mine() { relu }\n")
    assert problems(tmp_path / "net.cnn") == [], "a folder of this name does not hide it"


def test_imports_have_their_depth(tmp_path: Path) -> None:
    files = {f"n{i}": f'import "n{i + 1}"\n' for i in range(9)}
    write(tmp_path, net=f'import "n0"\n{HEAD}relu\n', n9="", **files)
    assert problems(tmp_path / "net.cnn") == []
    assert [code for _, _, code in problems(tmp_path / "net.cnn", depth=5)] == ["CNN902"]


def test_imports_together_have_their_limit(tmp_path: Path) -> None:
    files = {f"n{i}": f"# {'x' * 200}\n" for i in range(5)}
    imports = "".join(f'import "{name}"\n' for name in files)
    write(tmp_path, net=f"{imports}{HEAD}relu\n", **files)
    assert problems(tmp_path / "net.cnn") == []
    assert "CNN901" in [code for _, _, code in problems(tmp_path / "net.cnn", text=600)]
