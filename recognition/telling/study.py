"""What the stages have written, as the report asks for it."""

import csv
import io
import json
from pathlib import Path

from recognition.base.params import Params, load


class Missing(Exception):
    """A stage has not written this yet. Its only argument is the stage's name."""


class Study:
    """The params, and what the stages have written into the folder `reports`.

    Every method raises Missing for what is not there.
    """

    def __init__(self, reports: Path, params: Params, within: str = "") -> None:
        self.reports = reports
        self.params = params
        self.within = within  # the folder, from where the report lies

    def whole(self) -> "Study":
        """The same study with the original's numbers of epochs, as benchmarks/full.py publishes it."""
        folder = self.reports / "full"
        if not (folder / "params.yaml").exists():
            raise Missing("full")
        return Study(folder, load(folder / "params.yaml"), "full/")

    def machines(self) -> list[dict]:
        """What computed such a study: processor, cores and seconds of each."""
        return json.loads(self.read("machines.json"))

    def metrics(self, stage: str, *keys: str) -> dict:
        """A stage's metrics below `keys`. `stage` may name a folder below: finetune/greek."""
        found = json.loads(self.read(f"{stage}/metrics.json"))
        for key in keys:
            found = found[key]
        return found

    def table(self, stage: str, name: str) -> list[dict[str, str]]:
        """The rows of a stage's table: strings by column."""
        return list(csv.DictReader(io.StringIO(self.read(f"{stage}/{name}.csv"), newline="")))

    def download(self, dataset: str) -> dict:
        """What was downloaded of a data set, and from where it may come."""
        return json.loads(self.read(f"download/{dataset}.json"))["download"][0]

    def figure(self, name: str, caption: str) -> str:
        """Markdown that shows a figure, from the point of view of a file in `reports`."""
        path = Path("figures", f"{name}.png")
        if not (self.reports / path).exists():
            raise Missing("render")
        return f"![{caption}]({self.within}{path.as_posix()})\n\n*{caption}*"

    def read(self, path: str) -> str:
        try:
            return (self.reports / path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise Missing(path.split("/")[0]) from None
