"""Train MobileNetV3 on FashionMNIST: the whole network, or a new head on features that are computed once."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from recognition import networks
from recognition.base import files, fingerprints
from recognition.base.determinism import generator, pin_torch
from recognition.base.errors import UserError
from recognition.base.params import load
from recognition.networks import describe
from recognition.networks.quick import quicken
from recognition.training import checkpoints, datasets, devices, doubt, evaluation, scores
from recognition.training.augmentation import Distortion
from recognition.training.fit import Recipe, fit
from recognition.training.history import History, Point
from stages import CACHE, progress, run

DATA = Path("data/fashion_mnist")
WEIGHTS = Path("data/mobilenet")
MODELS = Path("models/mobilenet")
REPORTS = Path("reports/mobilenet")
STATES = CACHE / "mobilenet"  # of trainings, 50 MB each


def main() -> None:
    params = load(Path("params.yaml")).mobilenet
    pin_torch()
    device = devices.device(params.device, "mobilenet")
    name = json.loads((WEIGHTS / "weights.json").read_text(encoding="utf-8"))["imagenet"]
    weights = (WEIGHTS / name).read_bytes() if name else b""
    if params.frozen and not weights:
        raise UserError("params.yaml: mobilenet.frozen: true needs ImageNet's weights, which are not there; try false")
    if params.frozen and params.recipe.mirrored:
        raise UserError(
            "params.yaml: mobilenet.recipe.mirrored: with mobilenet.frozen a picture's features are computed once, and "
            "not of its mirror image; make one of them false"
        )
    data = datasets.fashion(DATA, params.held_out, params.seed)
    there, batch = min(params.pictures, len(data.train.labels)), params.recipe.batch_size
    whole = there // batch * batch  # a last batch of few pictures would disturb the batch normalisation
    if not whole:
        raise UserError(
            f"params.yaml: mobilenet.recipe.batch_size: {batch} is more than the {there} pictures there are"
        )
    piece = -(-batch // params.shards)
    if piece < 2 or batch % piece == 1:
        raise UserError(
            f"params.yaml: mobilenet.shards: {params.shards} pieces of a batch of {batch} leave one with one picture, "
            "and batch normalisation wants two; change either"
        )
    data = data._replace(train=data.train[:whole])

    arguments = {"classes": data.classes, "image_size": params.image_size, "dropout": params.dropout}
    network = networks.build("MobileNet", arguments, generator(params.seed, "weights"))
    assert isinstance(network, networks.MobileNet)
    if weights:
        network.load_backbone(torch.load(WEIGHTS / name, weights_only=True))
    recipe = Recipe(
        epochs=params.epochs,
        distortion=Distortion(0.0, 0.0, 0.0, mirrored=params.recipe.mirrored),
        seed=params.seed,
        shards=params.shards,
        **params.recipe.model_dump(exclude={"mirrored"}),
    )
    settings = params.model_dump(exclude={"device", "weights"})
    kept = STATES / fingerprints.of(__file__, device, settings, fingerprints.digest(weights), *data.digests())
    network.to(device)
    learner, seen = network, data
    if params.frozen:
        with progress(" pictures", sum(len(split.labels) for split in data[:3]), f"features on {device}") as bar:
            train, held_out, test = (
                on_features(network, split, data.normalisation, params.shards, device, bar) for split in data[:3]
            )
        learner, seen = network.head(), datasets.Data(train, held_out, test, AS_THEY_ARE, data.classes)
    facts = {
        "pretrained": bool(weights),
        "frozen": params.frozen,
        "parameters": sum(p.numel() for p in network.parameters()),
        "macs": describe.macs(network),
    }

    def tell(history: History, **tested: float) -> None:
        """After every epoch, so that a training that runs can be watched, and in the end."""
        header = ["epoch", "examples", "train_loss", "held_out_loss", "held_out_accuracy"]
        files.write_csv(REPORTS / "epochs.csv", header, [[*epoch[:-1], *epoch.scores[0]] for epoch in history.epochs])
        files.write_csv(REPORTS / "steps.csv", Point._fields, history.points)
        last = history.epochs[-1]
        reached = {"train_loss": round(last.train_loss, 6), "held_out_accuracy": round(last.scores[0].accuracy, 6)}
        files.write_json(REPORTS / "metrics.json", {"mobilenet": facts | reached | tested})

    with progress(" pictures", params.epochs * whole, f"mobilenet on {device}") as bar:
        history = fit(learner, seen.train, [seen.held_out], seen.normalisation, recipe, device, kept, bar.update, tell)
    score = evaluation.mean_score(learner, seen.test.to(device), seen.normalisation, params.recipe.mirrored)

    classes = datasets.CLASSES["fashion_mnist"]
    known = doubt.learn(network, data.train, data.held_out, data.normalisation, params.seed)
    checkpoint = checkpoints.Checkpoint(
        "MobileNet", arguments, network.state_dict(), classes, data.normalisation, params.epochs, *known
    )
    checkpoints.save(MODELS / "checkpoint.pth", checkpoint)
    tell(history, **scores.test(*score, len(data.test.labels)))
    files.prune(STATES, newest=4)


AS_THEY_ARE = datasets.Normalisation(0.0, 1 / 255)  # of features, which are no pixels


def on_features(
    network: networks.MobileNet, split: datasets.Split, normalisation: datasets.Normalisation, threads: int, device, bar
) -> datasets.Split:
    """A split with the backbone's (N, 960) features in place of its pictures."""
    backbone = quicken(network.backbone())

    def some(pictures: torch.Tensor) -> torch.Tensor:
        found = evaluation.log_probabilities(backbone, pictures.to(device), normalisation)
        bar.update(len(pictures))
        return found

    with ThreadPoolExecutor(threads) as pool:
        return split._replace(pictures=torch.cat(list(pool.map(some, split.pictures.split(1000)))))


if __name__ == "__main__":
    run(main, takes_less="a smaller mobilenet.image_size or mobilenet.recipe.batch_size in params.yaml takes less")
