"""Put pictures of the Greek letters into data/greek, from the first source that has them."""

import shutil
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

import stages
from recognition.base import files
from recognition.base.errors import UserError, one_line
from recognition.base.params import load
from recognition.greek import sources
from recognition.ink import dataset

PICTURES = Path("data/handwriting/greek")
DATA = Path("data/greek")
REPORTS = Path("reports/greek")
FEW = 5  # pictures of a letter, of which a network learns little


def main() -> None:
    params = load(Path("params.yaml")).greek
    failures = []

    def complain(line: str) -> None:
        failures.append(one_line(line))
        bar.write(f"greek: {failures[-1]}", file=sys.stderr)

    with TemporaryDirectory() as scratch, stages.progress(unit=" pictures", leave=False) as bar:
        remote = (Path(scratch), params.timeout_s, partial(stages.show, bar), complain)
        places = {
            "folder": partial(sources.folder, PICTURES, complain),
            "drive": partial(sources.drive, stages.CACHE / "drive", *remote),
            "omniglot": partial(sources.omniglot, *remote),
            "rendered": partial(sources.rendered, params.hands),
        }
        asked = places if params.source == "auto" else [params.source]
        found = sources.gather([(name, places[name]) for name in asked], complain)
    if not found:
        raise UserError(f"params.yaml: greek.source: {failures[-1]}; try auto, or another source")
    rows = table([source for source, _ in found], [picture for _, picture in found], params.held_out, params.seed)
    shutil.rmtree(DATA, ignore_errors=True)  # of an earlier source; DVC has done so already
    for row, (_, picture) in zip(rows, found, strict=True):
        files.write_png(DATA / row.path, Image.fromarray(picture.grey))
    dataset.write_table(DATA, rows)

    held_out = sum(row.split == "held_out" for row in rows)
    served = Counter(row.source for row in rows)
    facts = {"letters": len({row.letter for row in rows}), "pictures": len(rows), "held_out": held_out}
    files.write_json(REPORTS / "metrics.json", {"letters": {**facts, "sources": " ".join(served)}})
    print(f"greek: {' and '.join(f'{n} pictures from {name}' for name, n in served.items())}; {held_out} held out")
    few = {letter: n for letter, n in Counter(row.letter for row in rows).items() if n < FEW}
    if few:
        print(
            f"greek: little to learn from: {', '.join(f'{n} of {letter}' for letter, n in few.items())}; "
            "greek.source: rendered has hands and typefaces, and leaves your own pictures to be read",
            file=sys.stderr,
        )


def table(served: list[str], pictures: list[sources.Picture], held_out: float, seed: int) -> list[dataset.Letter]:
    """The rows of letters.csv."""
    names = sources.file_names(pictures)
    paths = [f"{picture.letter}/{name}.png" for picture, name in zip(pictures, names, strict=True)]
    hands = [(path, picture.letter, picture.writer) for path, picture in zip(paths, pictures, strict=True)]
    splits = dataset.split(hands, held_out, seed)
    return [
        dataset.Letter(path, picture.letter, picture.writer, split, source, picture.origin)
        for path, picture, split, source in zip(paths, pictures, splits, served, strict=True)
    ]


if __name__ == "__main__":
    stages.run(main)
