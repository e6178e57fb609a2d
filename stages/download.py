"""Put one data set into data/, verified: `python -m stages.download mnist`."""

import sys
from functools import partial
from pathlib import Path

import stages
from recognition.base import files, params
from recognition.base.errors import UserError
from recognition.sources.catalogue import DATASETS, Dataset, sources
from recognition.sources.fetch import fetch


def main() -> None:
    match sys.argv[1:]:
        case [name] if name in DATASETS:
            dataset = DATASETS[name]
        case _:
            raise UserError(f"data set {' '.join(sys.argv[1:]) or 'missing'}: name one of {', '.join(DATASETS)}")
    settings = params.load(Path("params.yaml")).download
    with stages.progress(unit="B") as bar:
        served = fetch(
            dataset.files,
            sources(dataset, Path(settings.folder)),
            store=stages.CACHE / "download",
            target=Path("data") / name / dataset.folder,
            timeout_s=settings.timeout_s,
            progress=partial(stages.show, bar),
        )
    files.write_json(Path("reports/download") / f"{name}.json", {"download": [facts(dataset)]})
    size = sum(file.bytes for file in dataset.files) / 1e6
    origin = " and ".join(served) or "the store"
    print(f"{name}: {len(dataset.files)} files, {size:.0f} MB, from {origin}, sha256 verified")


def facts(dataset: Dataset) -> dict:
    """What is true of a data set on every machine. Not which source served: dvc.lock holds this file's hash and is to
    be the same with and without internet. It stands in a list, or `dvc exp show` had a column for each number.
    """
    return {
        "dataset": dataset.name,
        "pictures": dataset.pictures,
        "files": [file._asdict() for file in dataset.files],
        "sources": ["torchvision's mirrors", dataset.package.name],
        "origin": dataset.origin,
        "licence": dataset.licence,
    }


if __name__ == "__main__":
    stages.run(main)
