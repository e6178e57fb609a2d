"""Train mnistNet on MNIST."""

from pathlib import Path

from recognition import networks
from recognition.base import files, fingerprints
from recognition.base.determinism import generator, pin_torch
from recognition.base.params import load
from recognition.training import checkpoints, datasets, devices, doubt
from recognition.training.augmentation import Distortion
from recognition.training.fit import Recipe, fit
from recognition.training.history import History, Point
from stages import CACHE, progress, run

DATA = Path("data/mnist")
MODELS = Path("models/train")
REPORTS = Path("reports/train")
STATES = CACHE / "train"  # of trainings, 0.7 MB each


def main() -> None:
    params = load(Path("params.yaml")).train
    pin_torch()
    device = devices.device(params.device, "train")
    split = datasets.load("mnist", DATA, train=True)
    train, held_out = datasets.hold_out(split, params.held_out, generator(params.seed, "held out"))
    normalisation = datasets.normalisation(train.pictures)

    arguments = {
        "classes": len(datasets.CLASSES["mnist"]),
        "filters": params.filters,
        "kernel_size": params.kernel_size,
        "dropout": params.dropout,
    }
    network = networks.build("MnistNet", arguments, generator(params.seed, "weights"))
    recipe = Recipe(
        epochs=params.epochs,
        optimizer=params.optimizer,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        warm_up=params.warm_up,
        momentum=params.momentum,
        weight_decay=params.weight_decay,
        distortion=Distortion(params.rotation, params.scale, params.shift),
        seed=params.seed,
        shards=params.shards,
    )
    kept = STATES / fingerprints.of(
        __file__, device, params.model_dump(exclude={"device"}), *map(fingerprints.digest, (t.numpy() for t in split))
    )

    def tell(history: History) -> None:
        """After every epoch, so that a training that runs can be watched."""
        header = ["epoch", "examples", "train_loss", "held_out_loss", "held_out_accuracy"]
        files.write_csv(REPORTS / "epochs.csv", header, [[*epoch[:-1], *epoch.scores[0]] for epoch in history.epochs])
        files.write_csv(REPORTS / "steps.csv", Point._fields, history.points)
        files.write_json(REPORTS / "metrics.json", {"train": metrics(network, history)})

    with progress(" pictures", params.epochs * len(train.labels), f"train on {device}") as bar:
        history = fit(network, train, [held_out], normalisation, recipe, device, kept, bar.update, tell)

    def checkpoint(epoch: int) -> checkpoints.Checkpoint:
        """Of the network as it is now."""
        known = doubt.learn(network, train, held_out, normalisation, params.seed)
        names, weights = datasets.CLASSES["mnist"], network.state_dict()
        return checkpoints.Checkpoint("MnistNet", arguments, weights, names, normalisation, epoch, *known)

    found = checkpoint(params.epochs)
    checkpoints.save(MODELS / "checkpoint.pth", found)
    best = min(history.epochs, key=lambda epoch: epoch.train_loss)
    if best.epoch < params.epochs:
        network.load_state_dict(history.best)
        found = checkpoint(best.epoch)
    checkpoints.save(MODELS / "checkpoint_best.pth", found)
    files.prune(STATES, newest=20)


def metrics(network, history: History) -> dict[str, float]:
    final = history.epochs[-1]
    return {
        "parameters": sum(p.numel() for p in network.parameters()),
        "train_loss": round(final.train_loss, 6),
        "held_out_loss": round(final.scores[0].loss, 6),
        "held_out_accuracy": round(final.scores[0].accuracy, 6),
    }


if __name__ == "__main__":
    run(main, takes_less="a smaller train.batch_size or fewer train.filters in params.yaml take less")
