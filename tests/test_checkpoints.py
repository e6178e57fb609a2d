import re

import pytest
import torch

from recognition import networks
from recognition.base.determinism import generator
from recognition.base.errors import UserError
from recognition.training import checkpoints
from recognition.training.checkpoints import Checkpoint
from recognition.training.datasets import Normalisation


def checkpoint(seed: int = 0) -> Checkpoint:
    arguments = {"classes": 3, "filters": 4, "kernel_size": 3, "dropout": 0.5}
    network = networks.build("MnistNet", arguments, generator(seed, "weights"))
    return Checkpoint(
        "MnistNet", arguments, network.state_dict(), ["alpha", "beta", "gamma"], Normalisation(0.1, 0.3), 7
    )


def test_a_network_is_rebuilt_from_its_file_alone(tmp_path):
    saved = checkpoint()
    checkpoints.save(tmp_path / "a.pth", saved)
    loaded = checkpoints.load(tmp_path / "a.pth")
    assert loaded._replace(weights=None) == saved._replace(weights=None)
    x = torch.randn(2, 1, 28, 28)
    assert torch.equal(loaded.network()(x), saved.network()(x))
    assert not loaded.network().training


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


def test_a_file_that_cannot_be_read_is_not_called_damaged(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=f"^{re.escape(str(tmp_path))}: Is a directory;"):
        checkpoints.load(tmp_path)

    def refused(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(type(tmp_path), "read_bytes", refused)  # root may read everything
    with pytest.raises(UserError, match=r"a\.pth: Permission denied;"):
        checkpoints.load(tmp_path / "a.pth")
