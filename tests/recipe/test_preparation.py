import json

import pytest

from cnndsl.recipe.preparation import SETTINGS, Preparation, prepare
from cnndsl.types import DType, TensorType

RGB = TensorType((3, 8, 8))
GRAY = TensorType((1, 8, 8))
SIGNAL = TensorType((16, 100))
TOKENS = TensorType((56,), DType.INT64)


def made(**values: object) -> Preparation:
    return prepare(
        {name: SETTINGS[name].model_validate({"value": value}) for name, value in values.items()}
    )


def test_nothing_said_changes_nothing() -> None:
    assert prepare({}) == Preparation()
    assert Preparation().scale == 1
    assert not Preparation().invert


def test_one_number_stands_for_all_channels() -> None:
    assert made(mean=0.5, std=2).mean == (0.5,)
    assert made(mean=0.5, std=2).std == (2.0,)


def test_the_background_becomes_0_unless_it_is_set() -> None:
    assert made().background == 0
    assert made(invert=True).background == 255
    assert made(invert=True, background=7).background == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scale", 0),
        ("scale", float("inf")),
        ("mean", ()),
        ("std", (1.0, 0.0)),
        ("layout", "hsv"),
        ("fit", "stretch"),
        ("background", 256),
        ("background", 0.5),
        ("invert", 1),
    ],
)
def test_impossible_values_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"`{name}`|validation error"):
        made(**{name: value})
    with pytest.raises(ValueError, match=f"`{name}`"):
        Preparation.from_json({name: value})


def test_every_setting_is_documented() -> None:
    for name, schema in SETTINGS.items():
        assert schema.model_fields["value"].description, name
        assert schema.__doc__, name


def test_json_gives_the_same_preparation_back() -> None:
    for preparation in (
        Preparation(),
        made(scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), layout="bgr"),
        made(invert=True, fit="pad", background=3),
        Preparation(fit="crop", fit_from=256, resample="nearest", range=(0.0, 1.5)),
    ):
        stored = json.loads(json.dumps(preparation.to_json()))
        assert Preparation.from_json(stored) == preparation
        assert Preparation.from_json(stored).to_json() == preparation.to_json()


def test_json_of_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="no input setting `zoom`"):
        Preparation.from_json({"zoom": 2})


@pytest.mark.parametrize(
    ("settings", "kind", "blamed"),
    [
        ({"mean": (1, 2, 3)}, RGB, []),
        ({"mean": 0.5, "std": 0.5}, RGB, []),
        ({"mean": (1, 2)}, RGB, ["mean"]),
        ({"std": (1, 2, 3)}, GRAY, ["std"]),
        ({"mean": (1, 2), "std": (1, 2, 3, 4)}, RGB, ["mean", "std"]),
        ({"layout": "rgb"}, RGB, []),
        ({"layout": "bgr"}, GRAY, ["layout"]),
        ({"layout": "gray"}, RGB, ["layout"]),
        ({"layout": "gray"}, SIGNAL, ["layout"]),
        ({"scale": 0.5}, SIGNAL, []),
        ({"scale": 0.5, "invert": True}, TOKENS, ["scale", "invert"]),
    ],
)
def test_what_does_not_fit_the_input_blames_its_setting(
    settings: dict[str, object], kind: TensorType, blamed: list[str]
) -> None:
    faults = list(made(**settings).faults(kind))
    assert [fault.blame[0] for fault in faults] == blamed
    assert {fault.code for fault in faults} <= {"CNN503"}


def test_the_layout_follows_the_channels() -> None:
    assert Preparation().layout_for(GRAY) == "gray"
    assert Preparation().layout_for(RGB) == "rgb"
    assert made(layout="bgr").layout_for(RGB) == "bgr"
    for kind in (SIGNAL, TOKENS, TensorType((4, 8, 8)), TensorType((3, 4, 8, 8))):
        assert Preparation().layout_for(kind) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("fit crop from 256", ""),
        ("fit crop from 224  scale 1/255", ""),
        ("scale 1/255  fit crop from 256  range 0 1  resample bicubic", ""),
        ("range -1024 3071", ""),
        ("range [0, 1]", ""),
        ("fit crop from 223", "a picture whose shorter side is 223 need not cover the input"),
        ("fit pad from 256", "`from` belongs to `fit crop`, not to `fit pad`"),
        ("range -3e38 3e38", "`range` is wider than any number"),
        ("range 1 1", "`range 1 1` is empty: 1 is not below 1"),
        ("range 0", "`range` needs a value"),
        ("range 0 1 2", "`range` has no place for `1`"),
        ("from 256", "`input` has no setting `from`"),
        ("fit crop from", "`from` has no value"),
    ],
)
def test_settings_of_several_words(text: str, problem: str) -> None:
    import cnndsl

    found = cnndsl.check(f"input 3x224x224 {{ {text} }}\nconv 4@3\n")
    messages = [one.message for one in found]
    assert (messages == []) if not problem else (len(messages) == 1 and problem in messages[0])


@pytest.mark.parametrize("kind", [SIGNAL, TensorType((3, 4, 8, 8))])
def test_a_cut_is_for_pictures(kind: TensorType) -> None:
    (fault,) = Preparation(fit="crop", fit_from=9).faults(kind)
    assert "is for pictures" in fault.message
