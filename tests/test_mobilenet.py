"""The stages backbone and mobilenet: weights of the test's own making take the way of the downloaded ones."""

import hashlib
import json
import math
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
import yaml
from test_sweep import random_data
from torchvision.models import mobilenet_v3_large

from recognition import networks
from recognition.base import files
from recognition.base.determinism import serialised
from recognition.base.errors import UserError
from recognition.sources.fetch import File
from recognition.sources.web import Web
from recognition.training import checkpoints, datasets, fit
from recognition.training.evaluation import Score
from stages import backbone, mobilenet

ROOT = Path(__file__).parent.parent
DATA = random_data(500)


@pytest.fixture(scope="module")
def weights() -> bytes:
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return serialised(mobilenet_v3_large().state_dict())


class Study:
    """A folder with a params.yaml, and a web server for what it downloads."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.web, self.name = folder, folder / "web", name
        self.web.mkdir()
        self.set()

    def set(self, mirrored: bool = False, **changes) -> None:
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        small = {"device": "cpu", "pictures": 200, "epochs": 2}
        params["mobilenet"] |= small | changes
        params["mobilenet"]["recipe"] |= {"batch_size": 40, "mirrored": mirrored}
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params))

    def run(self) -> tuple[dict, checkpoints.Checkpoint]:
        backbone.main()
        mobilenet.main()
        metrics = json.loads((self.folder / "reports/mobilenet/metrics.json").read_text())["mobilenet"]
        return metrics, checkpoints.load(self.folder / "models/mobilenet/checkpoint.pth")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def study(tmp_path, monkeypatch, weights):
    digest = hashlib.sha256(weights).hexdigest()
    file = File(f"mobilenet-{digest[:8]}.pth", digest, len(weights))
    found = Study(tmp_path, file.name)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=found.web))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(backbone, "IMAGENET", file)
    monkeypatch.setattr(backbone, "IMAGENET_SOURCE", Web(f"http://127.0.0.1:{server.server_port}/"))
    monkeypatch.setattr(backbone.stages, "CACHE", tmp_path / ".cache")
    monkeypatch.setattr(mobilenet, "STATES", tmp_path / ".cache" / "mobilenet")
    monkeypatch.setattr(datasets, "fashion", lambda root, held_out, seed: DATA)
    monkeypatch.setitem(datasets.CLASSES, "fashion_mnist", ["upright", "level"])
    yield found
    server.shutdown()
    server.server_close()


def of_features(state: dict) -> dict:
    return {name.removeprefix("features."): value for name, value in state.items() if name.startswith("features.")}


def test_a_frozen_backbone_is_the_downloaded_one_and_computed_once(study, weights, monkeypatch):
    (study.web / study.name).write_bytes(weights)
    study.set(weights="imagenet", frozen=True, epochs=3)
    seen = []
    original = networks.MobileNet.backbone

    def counting(network):
        layers = original(network)
        layers.register_forward_hook(lambda layer, given, x: seen.append(len(x)))
        return layers

    monkeypatch.setattr(networks.MobileNet, "backbone", counting)
    metrics, checkpoint = study.run()
    assert (metrics["pretrained"], metrics["frozen"]) == (True, True)
    assert sum(seen) == sum(len(split.labels) for split in DATA[:3])  # whatever the number of epochs
    theirs = of_features(torch.load(study.folder / "data/mobilenet" / study.name, weights_only=True))
    ours = of_features(checkpoint.weights)
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(ours[name], value) for name, value in theirs.items())
    assert (study.folder / "data/mobilenet" / study.name).read_bytes() == weights
    losses = [float(row["train_loss"]) for row in files.read_csv(study.folder / "reports/mobilenet/epochs.csv")]
    assert losses[2] < losses[0]


def test_all_of_it_learns_from_the_downloaded_weights(study, weights):
    (study.web / study.name).write_bytes(weights)
    metrics, checkpoint = study.run()
    assert (metrics["pretrained"], metrics["frozen"]) == (True, False)
    theirs = of_features(torch.load(study.folder / "data/mobilenet" / study.name, weights_only=True))
    changed = {name: not torch.equal(value, theirs[name]) for name, value in of_features(checkpoint.weights).items()}
    assert all(is_so for name, is_so in changed.items() if name.endswith(".weight"))


def test_from_scratch_it_is_the_same_bytes_again(study):
    study.set(weights="none")
    metrics, _ = study.run()
    assert (metrics["pretrained"], metrics["n"]) == (False, len(DATA.test.labels))
    first = (study.folder / "models/mobilenet/checkpoint.pth").read_bytes()
    for path in (study.folder / ".cache/mobilenet").iterdir():
        path.unlink()
    study.run()
    assert (study.folder / "models/mobilenet/checkpoint.pth").read_bytes() == first


def test_a_training_that_goes_astray_stops_and_tells_of_what_was_before_alone(study, monkeypatch):
    """Also where it shows in what is watched alone: with a batch's own mean and deviation it may train on."""
    for losses in ([math.nan], [1.0, math.nan], [1.0, math.inf]):
        shutil.rmtree(study.folder / ".cache/mobilenet", ignore_errors=True)
        found = iter(losses)
        monkeypatch.setattr(fit, "mean_score", lambda *_, found=found: Score(next(found), 0.5))
        study.set(weights="none", epochs=len(losses))
        with pytest.raises(UserError, match=r"no finite number in epoch \d: .*learning_rate in params\.yaml"):
            study.run()
        told = study.folder / "reports/mobilenet/epochs.csv"
        assert (len(told.read_text().splitlines()) - 1 if told.exists() else 0) == len(losses) - 1  # those before


@pytest.mark.parametrize("there", ["another file", "nothing"])
def test_a_wrong_or_absent_download_is_trained_without_and_said(study, weights, there, capsys):
    if there == "another file":
        (study.web / study.name).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    backbone.main()
    said = capsys.readouterr()
    assert "trained from scratch" in said.err and study.name in said.err and "no weights" in said.out
    assert ("sha256" in said.err) == (there == "another file")
    assert json.loads(Path("data/mobilenet/weights.json").read_text()) == {"imagenet": None}
    assert [path.name for path in Path("data/mobilenet").iterdir()] == ["weights.json"]


def test_where_they_are_asked_for_by_name_their_absence_is_an_error(study):
    study.set(weights="imagenet")
    with pytest.raises(UserError, match=study.name):
        backbone.main()
    assert not Path("data/mobilenet/weights.json").exists()


@pytest.mark.parametrize(
    ("batch_size", "shards", "named"), [(64, 10, "shards"), (7, 7, "shards"), (1, 1, "shards"), (4000, 2, "batch_size")]
)
def test_batches_that_batch_normalisation_cannot_take_are_one_line(study, batch_size, shards, named):
    study.set(weights="none", shards=shards)
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["mobilenet"]["recipe"]["batch_size"] = batch_size
    Path("params.yaml").write_text(yaml.safe_dump(params))
    with pytest.raises(UserError, match=rf"mobilenet\.(recipe\.)?{named}"):
        study.run()


def test_features_are_of_a_picture_and_not_of_its_mirror_image(study, weights):
    (study.web / study.name).write_bytes(weights)
    study.set(weights="imagenet", frozen=True, mirrored=True)
    with pytest.raises(UserError, match=r"^params\.yaml: mobilenet\.recipe\.mirrored: with mobilenet.frozen"):
        study.run()


def test_a_frozen_backbone_wants_weights(study):
    study.set(weights="none", frozen=True)
    with pytest.raises(UserError, match=r"mobilenet\.frozen"):
        study.run()
