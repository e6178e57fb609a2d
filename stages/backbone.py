"""Put MobileNet's ImageNet weights into data/mobilenet, where they are wanted and can be had."""

import sys
from functools import partial
from pathlib import Path

import stages
from recognition.base import files
from recognition.base.errors import UserError
from recognition.base.params import load
from recognition.sources.catalogue import IMAGENET, IMAGENET_SOURCE
from recognition.sources.fetch import fetch
from recognition.sources.folder import Folder

DATA = Path("data/mobilenet")


def main() -> None:
    params = load(Path("params.yaml"))
    wanted = params.mobilenet.weights
    there = False
    if wanted != "none":
        with stages.progress(unit="B", leave=False) as bar:
            try:
                fetch(
                    [IMAGENET],
                    [IMAGENET_SOURCE, Folder(Path(params.download.folder) / "mobilenet")],
                    store=stages.CACHE / "download",
                    target=DATA,
                    timeout_s=params.download.timeout_s,
                    progress=partial(stages.show, bar),
                )
                there = True
            except UserError as error:
                if wanted == "imagenet":
                    raise
                bar.write(f"backbone: {error}; MobileNet will be trained from scratch", file=sys.stderr)
    files.write_json(DATA / "weights.json", {"imagenet": IMAGENET.name if there else None})
    print(f"backbone: {'ImageNet weights, sha256 verified' if there else 'no weights, training is from scratch'}")


if __name__ == "__main__":
    stages.run(main)
