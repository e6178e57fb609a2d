"""The data sets against torchvision's own reading of them; the real ones, which `dvc repro download` has put there."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import transforms
from torchvision.datasets import FashionMNIST

from recognition.base.determinism import generator
from recognition.base.errors import UserError
from recognition.training import datasets
from recognition.training.datasets import Normalisation, Split

DATA = Path(__file__).parent.parent / "data"


@pytest.mark.parametrize("name", datasets.READERS)
@pytest.mark.parametrize(("train", "part", "n"), [(True, "train", 60000), (False, "t10k", 10000)])
def test_a_data_set_is_what_its_files_say(name, train, part, n):
    """The format is Y. LeCun's: a header of 16 bytes in front of the pictures, of 8 in front of the labels."""
    [raw] = (DATA / name).glob("*/raw")
    pictures, labels = (
        np.fromfile(raw / f"{part}-{kind}-ubyte", np.uint8, offset=header)
        for kind, header in (("images-idx3", 16), ("labels-idx1", 8))
    )
    split = datasets.load(name, DATA / name, train)
    assert split.pictures.dtype == torch.uint8 and split.labels.dtype == torch.int64
    assert np.array_equal(split.pictures.numpy(), pictures.reshape(n, 28, 28))
    assert np.array_equal(split.labels.numpy(), labels) and np.array_equal(np.unique(labels), np.arange(10))


def test_the_classes_are_named_in_the_order_of_their_labels():
    assert {"mnist": list("0123456789"), "fashion_mnist": FashionMNIST.classes} == datasets.CLASSES


def test_balanced_shows_each_class_as_often_and_every_picture():
    labels = torch.tensor([1, 0, 1, 1, 3])
    split = Split(torch.arange(5, dtype=torch.uint8).view(5, 1, 1), labels)
    shown = split.balanced(4)
    assert shown.labels.tolist() == [0] * 4 + [1] * 4 + [3] * 4
    assert shown.pictures.flatten().tolist() == [1, 1, 1, 1, 0, 2, 3, 0, 4, 4, 4, 4]
    assert split.balanced(2).pictures.flatten().tolist() == [1, 1, 1, 0, 2, 3, 4, 4, 4]


def test_parts_of_each_class_share_no_picture():
    labels = torch.tensor([1, 0, 1, 1, 0])
    split = Split(torch.arange(5, dtype=torch.uint8).view(5, 1, 1), labels)
    first, rest = split.of_each(slice(0, 1)), split.of_each(slice(1, 9))
    assert (first.pictures.flatten().tolist(), first.labels.tolist()) == ([1, 0], [0, 1])
    both = first.followed_by(rest)
    assert (both.pictures.flatten().tolist(), both.labels.tolist()) == ([1, 0, 4, 2, 3], [0, 1, 0, 1, 1])


def test_the_normalisation_is_mnists_known_one_and_torchvisions():
    split = datasets.load("mnist", DATA / "mnist", train=True)
    ours = datasets.normalisation(split.pictures)
    assert ours == pytest.approx((0.1307, 0.3081), abs=5e-5)
    picture = split.pictures[:1].unsqueeze(1)
    theirs = transforms.Normalize([ours.mean], [ours.deviation])(picture / 255)
    torch.testing.assert_close(ours(picture), theirs, rtol=0, atol=1e-5)


def test_normalised_pixels_have_mean_zero_and_deviation_one():
    pictures = torch.randint(0, 256, (50, 28, 28), dtype=torch.uint8)
    x = datasets.normalisation(pictures)(pictures.unsqueeze(1)).double()
    assert x.mean().item() == pytest.approx(0, abs=1e-6)
    assert x.std(correction=0).item() == pytest.approx(1, abs=1e-6)


def test_the_caller_keeps_his_pictures():
    ink = torch.full((1, 1, 2, 2), 100.0)
    Normalisation(0.1, 0.3)(ink)
    assert (ink == 100).all()


def test_holding_out_divides_the_pictures_by_seed():
    split = Split(torch.arange(1000, dtype=torch.int32).view(-1, 1, 1), torch.arange(1000))
    rest, held = datasets.hold_out(split, 100, generator(0, "held out"))
    assert len(held.labels) == 100 and sorted([*rest.labels.tolist(), *held.labels.tolist()]) == list(range(1000))
    for part in (rest, held):
        assert torch.equal(part.pictures.flatten().long(), part.labels)
        assert part.labels.tolist() == sorted(part.labels.tolist())
    again, other = (datasets.hold_out(split, 100, generator(seed, "held out"))[1] for seed in (0, 1))
    assert torch.equal(again.labels, held.labels) and not torch.equal(other.labels, held.labels)


def test_a_data_set_that_is_not_there_says_how_to_get_it(tmp_path):
    with pytest.raises(UserError, match="dvc repro download@mnist"):
        datasets.load("mnist", tmp_path, train=True)
