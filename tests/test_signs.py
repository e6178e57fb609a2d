"""What is learned of the user's own signs: which, beside which digits, and what cannot be."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recognition.base import files
from recognition.base.errors import UserError
from recognition.base.params import AllLayers, Signs, load
from stages import finetune

DIGITS = list("0123456789")
ROOT = Path(__file__).parent.parent
MNIST = ROOT / "data" / "mnist"


@pytest.fixture
def signs(tmp_path, monkeypatch):
    """The task of a study, from ten pictures of each of these signs: bars, each another."""

    def task(there: str, names="all", digits: int = 0) -> finetune.Task:
        for place, name in enumerate(there):
            (tmp_path / name).mkdir(exist_ok=True)
            for k in range(10):
                page = np.full((80, 80), 230, np.uint8)
                page[15 + k : 65, 20 + 8 * place : 28 + 8 * place] = 30
                Image.fromarray(page).save(tmp_path / name / f"{k}.png")
        monkeypatch.setattr(finetune, "SIGNS", tmp_path)
        monkeypatch.setattr(finetune, "MNIST", MNIST)
        return finetune.signs(Signs(names=names, digits=digits, held_out=0.2, learning_rate=0.01), 3, DIGITS)

    return task


@pytest.mark.parametrize("digits", [0, 30])
def test_without_signs_there_is_nothing_to_learn(signs, digits):
    assert not signs("", digits=digits).rows and not signs("+", names=[], digits=digits).rows


def test_a_share_of_each_sign_is_held_out(signs):
    task = signs("×+")
    assert task.classes == ["+", "×"] and len(task.rows) == 20
    assert Counter(task.train.labels.tolist()) == {0: 8, 1: 8} and Counter(task.held_out.labels.tolist()) == {
        0: 2,
        1: 2,
    }
    assert torch.equal(task.unlearned.pictures, task.held_out.pictures)


def test_beside_digits_signs_come_after_them_and_a_digit_of_ones_own_is_that_digit(signs):
    task = signs("+8", digits=30)
    assert task.classes == [*DIGITS, "+"]
    learned, doubted = (Counter(split.labels.tolist()) for split in (task.train, task.unlearned))
    assert learned == dict.fromkeys(range(10), 30) | {8: 38, 10: 8}
    assert doubted == dict.fromkeys(range(10), finetune.UNLEARNED) | {8: finetune.UNLEARNED + 2, 10: 2}
    assert Counter(task.held_out.labels.tolist()) == {8: 2, 10: 2}
    zeros = [{p.numpy().tobytes() for p in split.pictures[split.labels == 0]} for split in (task.train, task.unlearned)]
    assert not set.intersection(*zeros)


def test_signs_are_chosen_by_name_and_keep_their_sides(signs):
    sides = {row.path: row.split for row in signs("+×÷").rows}
    task = signs("+×÷", names=["÷", "+"])
    assert task.classes == ["÷", "+"] and {row.path: row.split for row in task.rows}.items() <= sides.items()


@pytest.mark.parametrize(
    ("there", "names", "words"),
    [
        ("+", ["+", "Ж", "x"], "no picture of Ж, x; draw some, or set finetune.signs.names: all"),
        ("+", "all", r"\+ alone is told from nothing; draw another, or set finetune.signs.digits"),
    ],
)
def test_what_cannot_be_learned_is_one_line(signs, there, names, words):
    with pytest.raises(UserError, match=words):
        signs(there, names)


@pytest.mark.parametrize("name", sorted(AllLayers.model_fields.keys() - {"pictures"}))
def test_every_setting_of_all_layers_changes_how_letters_are_learned(name):
    params = load(ROOT / "params.yaml").finetune
    own = getattr(params.all_layers, name)
    other = "sgd" if name == "optimizer" else type(own)(own / 2)
    changed = params.model_copy(update={"all_layers": params.all_layers.model_copy(update={name: other})})
    learned, before = (finetune.recipes(given, params.greek) for given in (changed, params))
    assert learned["all_layers"] != before["all_layers"] and learned["last_layer"] == before["last_layer"]


def test_signs_are_learned_as_letters_are_but_for_their_own_learning_rate():
    params = load(ROOT / "params.yaml").finetune
    letters, signs = (finetune.recipes(params, study)["all_layers"] for study in (params.greek, params.signs))
    assert signs == replace(letters, learning_rate=params.signs.learning_rate) != letters


@pytest.mark.parametrize("ways", [["all_layers"], ["last_layer", "all_layers"]])
def test_the_first_held_out_readings_are_the_first_of_each_way(tmp_path, ways):
    readings = [[way, f"{k}.png", "", "a", "a", -0.5, -0.5] for way in ways for k in range(40)]
    finetune.write_readings(tmp_path, readings, ["a"])
    rows = files.read_csv(tmp_path / "first_letters.csv")
    assert [(row["way"], row["path"]) for row in rows] == [(way, f"{k}.png") for way in ways for k in range(10)]
