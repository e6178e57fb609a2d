import os
import re
from pathlib import Path

import pytest
import torch

from recognition import networks
from recognition.base.determinism import generator
from recognition.base.errors import UserError
from recognition.training import checkpoints, doubt
from recognition.training.checkpoints import Checkpoint
from recognition.training.datasets import Normalisation


def checkpoint(seed: int = 0) -> Checkpoint:
    arguments = {"classes": 3, "filters": 4, "kernel_size": 3, "dropout": 0.5}
    network = networks.build("MnistNet", arguments, generator(seed, "weights"))
    prototypes = torch.randint(-127, 128, (3, 2, doubt.size(network)), generator=generator(seed, "p"), dtype=torch.int8)
    names, scale = ["alpha", "beta", "gamma"], Normalisation(0.1, 0.3)
    return Checkpoint("MnistNet", arguments, network.state_dict(), names, scale, 7, prototypes, 0.25)


def test_a_network_is_rebuilt_from_its_file_alone(tmp_path):
    saved = checkpoint()
    checkpoints.save(tmp_path / "a.pth", saved)
    loaded = checkpoints.load(tmp_path / "a.pth")
    assert same(loaded, saved)
    x = torch.randn(2, 1, 28, 28)
    assert torch.equal(loaded.network()(x), saved.network()(x))
    assert not loaded.network().training


def same(one: Checkpoint, other: Checkpoint) -> bool:
    """Whether two checkpoints agree but for their weights."""
    bare = [each._replace(weights=None, prototypes=None) for each in (one, other)]
    return bare[0] == bare[1] and torch.equal(one.prototypes, other.prototypes)


def test_it_reads_pictures_and_says_which_are_known():
    saved, pictures = checkpoint(), torch.randint(0, 256, (5, 28, 28), generator=generator(0, "x"), dtype=torch.uint8)
    network = saved.network()
    found, doubts = doubt.read(network, pictures, saved.normalisation, saved.prototypes)
    read, known = saved._replace(threshold=doubts.median().item()).read(pictures)
    assert torch.equal(read, found) and int(known.sum()) == 3


def test_any_program_reads_it_with_weights_only(tmp_path):
    checkpoints.save(tmp_path / "a.pth", checkpoint())
    state = torch.load(tmp_path / "a.pth", weights_only=True)
    assert set(state) == set(Checkpoint._fields) and type(state) is dict


def test_the_bytes_depend_on_the_content_and_not_on_the_name(tmp_path):
    for name, seed in (("a.pth", 0), ("folder/other.bin", 0), ("c.pth", 1)):
        checkpoints.save(tmp_path / name, checkpoint(seed))
    a, b, c = ((tmp_path / name).read_bytes() for name in ("a.pth", "folder/other.bin", "c.pth"))
    assert a == b != c


@pytest.mark.parametrize("content", [None, b"", b"hello", "tensor", "half"])
def test_what_is_no_checkpoint_is_one_line(tmp_path, content):
    path = tmp_path / "a.pth"
    if content == "tensor":
        torch.save(torch.zeros(3), path)
    elif content == "half":
        checkpoints.save(path, checkpoint())
        path.write_bytes(path.read_bytes()[:5000])
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(str(path))) as caught:
        checkpoints.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "LeNet"},
        {"arguments": {"classes": 3, "filters": 5, "kernel_size": 3, "dropout": 0.5}},  # other sizes than the weights'
        {"arguments": {"classes": 3, "width": 4}},
        {"weights": {}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_network_that_cannot_be_built_is_one_line_when_it_is_read(tmp_path, change):
    checkpoints.save(tmp_path / "a.pth", checkpoint()._replace(**change))
    with pytest.raises(UserError, match="not a checkpoint of this project") as caught:
        checkpoints.load(tmp_path / "a.pth")
    assert "\n" not in str(caught.value)


WEIGHT = "conv1.weight"


def altered(**change) -> dict:
    """A checkpoint's content as it lies in its file, with changes."""
    whole = checkpoint()
    return whole._asdict() | {"normalisation": tuple(whole.normalisation)} | change


def weights(**change) -> dict:
    return {"weights": checkpoint().weights | change}


WRONG = {
    "a number that is none": weights(**{WEIGHT: torch.full((4, 1, 3, 3), float("nan"))}),
    "an infinite number": weights(**{WEIGHT: torch.full((4, 1, 3, 3), float("inf"))}),
    "other numbers": weights(**{WEIGHT: torch.zeros(4, 1, 3, 3, dtype=torch.float64)}),
    "complex numbers": weights(**{WEIGHT: torch.zeros(4, 1, 3, 3, dtype=torch.complex64)}),
    "a sparse tensor": weights(**{WEIGHT: torch.zeros(4, 1, 3, 3).to_sparse()}),
    "a tensor of no memory": weights(**{WEIGHT: torch.zeros(1).as_strided((10**6, 10**6), (0, 0))}),
    "a weight too many": weights(more=torch.zeros(1)),
    "no tensor": weights(**{WEIGHT: [1.0]}),
    "a gigantic network": {"arguments": {"classes": 3, "filters": 1_000_000, "kernel_size": 3}},
    "an image size for one that has none": {
        "arguments": {"classes": 3, "filters": 4, "kernel_size": 3, "image_size": 99}
    },
    "a size that is text": {"arguments": {"classes": 3, "filters": "4", "kernel_size": 3}},
    "two names for three outputs": {"classes": ["alpha", "beta"]},
    "four names": {"classes": ["alpha", "beta", "gamma", "delta"]},
    "a name twice": {"classes": ["alpha", "alpha", "gamma"]},
    "names that are none": {"classes": [1, 2, 3]},
    "an empty name": {"classes": ["alpha", "", "gamma"]},
    "a normalisation of text": {"normalisation": ("0.1", "0.3")},
    "no deviation": {"normalisation": (0.1, 0.0)},
    "a deviation that is none": {"normalisation": (0.1, float("nan"))},
    "half a normalisation": {"normalisation": (0.1,)},
    "an epoch of text": {"epoch": "7"},
    "prototypes of more features": {"prototypes": torch.zeros(3, 2, 1031, dtype=torch.int8)},
    "prototypes of more classes": {"prototypes": torch.zeros(4, 2, 1030, dtype=torch.int8)},
    "no prototypes of a class": {"prototypes": torch.zeros(3, 0, 1030, dtype=torch.int8)},
    "prototypes without end": {"prototypes": torch.zeros(1, dtype=torch.int8).expand(3, 10**6, 1030)},
    "flat prototypes": {"prototypes": torch.zeros(3, 1030, dtype=torch.int8)},
    "prototypes of other numbers": {"prototypes": torch.zeros(3, 2, 1030)},
    "a threshold of text": {"threshold": "0.1"},
    "a threshold that is none": {"threshold": float("nan")},
    "a threshold below zero": {"threshold": -0.1},
    "something more": {"more": 1},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_checkpoint_is_as_it_is_written_or_refused_in_one_line(tmp_path, change):
    torch.save(altered(**change), tmp_path / "a.pth")
    with pytest.raises(UserError, match="not a checkpoint of this project") as caught:
        checkpoints.load(tmp_path / "a.pth")
    assert "\n" not in str(caught.value)
    torch.save(altered(), tmp_path / "a.pth")
    assert checkpoints.load(tmp_path / "a.pth").epoch == 7


@pytest.mark.parametrize("lacks", ["prototypes", "threshold"])
def test_one_that_does_not_know_what_it_knows_is_refused_in_one_line(tmp_path, lacks):
    """As those are that were made before."""
    state = altered()
    del state[lacks]
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(UserError, match=rf"\({lacks}: field required\); `dvc repro` trains its own"):
        checkpoints.load(tmp_path / "a.pth")


def test_a_flipped_bit_is_found_or_changes_nothing(tmp_path):
    path, saved = tmp_path / "a.pth", checkpoint()
    checkpoints.save(path, saved)
    content = path.read_bytes()
    refused = 0
    for number, bit in enumerate(torch.randint(8 * len(content), (200,), generator=generator(0, "bits")).tolist()):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            loaded = checkpoints.load(path)
        except UserError:
            refused += 1
            continue
        assert same(loaded, saved), number
        assert all(torch.equal(loaded.weights[name], value) for name, value in saved.weights.items()), number
    assert refused > 150


@pytest.mark.parametrize("how", ["/dev/zero", "pipe", "pickle alone", "larger than any"])
def test_what_never_ends_or_is_no_archive_is_not_read(tmp_path, monkeypatch, how):
    path = tmp_path / "a.pth"
    match how:
        case "/dev/zero":
            path = Path("/dev/zero")
        case "pipe":
            os.mkfifo(path)
        case "pickle alone":
            torch.save(altered(), path, _use_new_zipfile_serialization=False)
        case "larger than any":
            monkeypatch.setattr(checkpoints, "MOST_BYTES", 1000)
            torch.save(altered(), path)
    with pytest.raises(UserError, match=re.escape(str(path))):
        checkpoints.load(path)


def test_a_file_that_cannot_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=f"^{re.escape(str(tmp_path))}: not a file;"):
        checkpoints.load(tmp_path)

    def refused(self, mode):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(type(tmp_path), "open", refused)  # root may read everything
    with pytest.raises(UserError, match=r"a\.pth: Permission denied;"):
        checkpoints.load(tmp_path / "a.pth")
