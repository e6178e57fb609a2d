"""The schema of params.yaml: every key, its type, its range. Anything else is one line naming the key.

DVC itself checks nothing here (`dvc exp run -S train.epochs=abc` is accepted), so the file is read by one strict reader
before any work starts. It is read with ruamel.yaml, as DVC does: PyYAML (YAML 1.1) takes 010 for 8 and 1e-3 for text.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from recognition.base.alphabet import NAMES
from recognition.base.errors import LONGEST_VALUE, UserError, quoted, shortened

Seed = Annotated[int, Field(ge=0, lt=2**31)]
Device = Literal["auto", "cpu", "cuda"]
Seconds = Annotated[float, Field(gt=0, le=3600)]
KernelSize = Annotated[int, Field(ge=1, le=27)]
Filters = Annotated[int, Field(ge=1, le=1024)]
Epochs = Annotated[int, Field(ge=1, le=1000)]
BatchSize = Annotated[int, Field(ge=1, le=10000)]
Shards = Annotated[int, Field(ge=1, le=256)]
LearningRate = Annotated[float, Field(gt=0, le=10)]
Optimizer = Literal["sgd", "adamw", "muon"]
Share = Annotated[float, Field(ge=0, lt=1)]


def once(values: list) -> list:
    """For a list in which nothing may stand twice."""
    if len(set(values)) < len(values):
        raise PydanticCustomError("twice", "nothing should stand there twice")
    return values


def names(value: object) -> object:
    """For names that are whatever the user calls his folders."""
    if value != "all" and not (isinstance(value, list) and all(isinstance(name, str) and name for name in value)):
        raise PydanticCustomError("names", "should be all, or a list of names, in quotes where they are numbers")
    return value if value == "all" else once(value)


def scheduler(address: str) -> str:
    """For the address of a Dask scheduler; the certificates of tls:// are named in Dask's own configuration."""
    found = re.fullmatch(r"t(?:cp|ls)://(?:\[[\da-fA-F:]+\]|[^\s:/@]+):(\d{1,5})", address)
    if not found or not 0 < int(found[1]) < 65536:
        raise PydanticCustomError("address", "should be tcp://host:port or tls://host:port")
    return address


class Section(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Download(Section):
    folder: Annotated[str, Field(min_length=1)]
    timeout_s: Seconds


class Train(Section):
    seed: Seed
    device: Device
    shards: Shards
    filters: Filters
    kernel_size: KernelSize
    held_out: Annotated[int, Field(ge=100, le=30000)]
    epochs: Epochs
    optimizer: Optimizer
    batch_size: BatchSize
    learning_rate: LearningRate
    warm_up: Share
    momentum: Share
    weight_decay: Share
    dropout: Share
    rotation: Annotated[float, Field(ge=0, le=180)]
    scale: Share
    shift: Annotated[float, Field(ge=0, le=28)]


class Greek(Section):
    source: Literal["auto", "folder", "drive", "omniglot", "rendered"]
    timeout_s: Seconds
    hands: Annotated[int, Field(ge=0, le=999)]
    held_out: Share
    seed: Seed


class Letters(Section):
    letters: Annotated[
        list[Literal[*NAMES]],  # pyrefly: ignore[invalid-literal]
        Field(min_length=2, max_length=len(NAMES)),
        AfterValidator(once),
        BeforeValidator(lambda value: NAMES if value == "all" else value),
    ]
    epochs: Epochs


class Signs(Section):
    names: Annotated[list[str] | Literal["all"], BeforeValidator(names)]
    digits: Annotated[int, Field(ge=0, le=5000)]
    held_out: Share
    learning_rate: LearningRate


class LastLayer(Section):
    batch_size: BatchSize
    learning_rate: LearningRate
    momentum: Share


class AllLayers(Section):
    epochs: Epochs
    pictures: Annotated[int, Field(ge=1, le=100000)]
    optimizer: Optimizer
    batch_size: BatchSize
    learning_rate: LearningRate
    momentum: Share
    weight_decay: Share
    rotation: Annotated[float, Field(ge=0, le=180)]
    scale: Share
    shift: Annotated[float, Field(ge=0, le=28)]
    shear: Annotated[float, Field(ge=0, le=2)]
    elastic: Annotated[float, Field(ge=0, le=1000)]
    smoothness: Annotated[float, Field(ge=1, le=28)]


class Finetune(Section):
    seed: Seed
    shards: Shards
    greek: Letters
    greek_extended: Letters
    signs: Signs
    last_layer: LastLayer
    all_layers: AllLayers


class Optimisation(Section):
    optimizer: Optimizer
    batch_size: BatchSize
    learning_rate: LearningRate
    warm_up: Share
    momentum: Share
    weight_decay: Share
    mirrored: bool


class Sweep(Section):
    architectures: Annotated[
        list[Literal["MnistNet", "MnistNet2", "MnistNet3"]], Field(min_length=1), AfterValidator(once)
    ]
    kernel_sizes: Annotated[list[KernelSize], Field(min_length=1), AfterValidator(once)]
    filters: Annotated[list[Filters], Field(min_length=1), AfterValidator(once)]
    seed: Seed
    noise_seeds: Annotated[list[Seed], AfterValidator(once)]
    epochs: Epochs
    held_out: Annotated[int, Field(ge=100, le=59000)]
    dropout: Share
    recipe: Optimisation
    device: Device
    workers: Annotated[int, Field(ge=1, le=1024)] | None
    scheduler: Annotated[str, AfterValidator(scheduler)] | None


class Budgets(Section):
    seeds: Annotated[list[Seed], Field(min_length=1), AfterValidator(once)]
    budgets: Annotated[list[Epochs], Field(min_length=1), AfterValidator(once)]


class Mobilenet(Section):
    weights: Literal["auto", "imagenet", "none"]
    seed: Seed
    device: Device
    shards: Shards
    image_size: Annotated[int, Field(ge=28, le=512)]
    frozen: bool
    held_out: Annotated[int, Field(ge=100, le=59000)]
    pictures: Annotated[int, Field(ge=100, le=60000)]
    epochs: Epochs
    dropout: Share
    recipe: Optimisation


class Params(Section):
    download: Download
    greek: Greek
    train: Train
    finetune: Finetune
    sweep: Sweep
    epochs: Budgets
    mobilenet: Mobilenet


def load(path: Path) -> Params:
    """Read and check a params.yaml. Raises UserError with one line that names the first wrong key and its value."""
    try:
        return Params.model_validate(read(path))
    except ValidationError as error:
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")  # a misspelt key before its absence
        key = shortened(".".join(map(str, first["loc"])), LONGEST_VALUE) or "the whole file"
        got = "" if first["type"] == "missing" else f", not {quoted(first['input'])}"
        what = {"missing": "is missing", "extra_forbidden": "is no key of this project"}.get(
            first["type"], first["msg"][0].lower() + first["msg"][1:]
        )
        raise UserError(f"{path}: {key}: {what}{got}") from None


def read(path: Path) -> object:
    """What a YAML 1.2 file says. Raises UserError with one line that names the file, and the line that is wrong."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; run from the project's root") from None
    try:
        return YAML(typ="safe", pure=True).load(content.decode())
    except UnicodeDecodeError as error:
        where, problem = content.count(b"\n", 0, error.start), f"byte 0x{content[error.start]:02x} is not UTF-8"
    except ReaderError as error:
        where = content.decode().count("\n", 0, error.position)
        problem = f"character 0x{error.character:02x} is not allowed"
    except MarkedYAMLError as error:
        where, problem = error.problem_mark.line, " ".join(error.problem.split())
    except (ValueError, LookupError, RecursionError) as error:  # 2001-13-45, !!bool abc, 3000 brackets
        raise UserError(f"{path}: not YAML: {error}") from None
    raise UserError(f"{path}:{where + 1}: not YAML: {problem}")
