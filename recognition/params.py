"""The schema of params.yaml: every key, its type, its range. Anything else is one line naming the key.

DVC itself checks nothing here (`dvc exp run -S train.epochs=abc` is accepted), and PyYAML reads 1e-3 as a string where
DVC reads a number, so the file is read by one strict reader before any work starts.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from recognition.alphabet import NAMES
from recognition.errors import UserError


class Section(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Download(Section):
    folder: Annotated[str, Field(min_length=1)]
    timeout_s: Annotated[float, Field(gt=0, le=3600)]


class Train(Section):
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    device: Literal["auto", "cpu", "cuda"]
    shards: Annotated[int, Field(ge=1, le=256)]
    filters: Annotated[int, Field(ge=1, le=1024)]
    kernel_size: Annotated[int, Field(ge=1, le=27)]
    held_out: Annotated[int, Field(ge=100, le=30000)]
    epochs: Annotated[int, Field(ge=1, le=1000)]
    batch_size: Annotated[int, Field(ge=1, le=10000)]
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0, lt=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    rotation: Annotated[float, Field(ge=0, le=180)]
    scale: Annotated[float, Field(ge=0, lt=1)]
    shift: Annotated[float, Field(ge=0, le=28)]


class Greek(Section):
    source: Literal["auto", "folder", "drive", "omniglot", "rendered"]
    timeout_s: Annotated[float, Field(gt=0, le=3600)]
    held_out: Annotated[float, Field(ge=0, lt=1)]
    seed: Annotated[int, Field(ge=0, lt=2**31)]


class Study(Section):
    letters: Annotated[list[Literal[*NAMES]], Field(min_length=2, max_length=len(NAMES))]
    epochs: Annotated[int, Field(ge=1, le=1000)]

    @field_validator("letters")
    @classmethod
    def once(cls, letters: list[str]) -> list[str]:
        if len(set(letters)) < len(letters):
            raise PydanticCustomError("twice", "a letter should be named once")
        return letters


class LastLayer(Section):
    batch_size: Annotated[int, Field(ge=1, le=10000)]
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    momentum: Annotated[float, Field(ge=0, lt=1)]


class AllLayers(Section):
    epochs: Annotated[int, Field(ge=1, le=1000)]
    pictures: Annotated[int, Field(ge=1, le=100000)]
    batch_size: Annotated[int, Field(ge=1, le=10000)]
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0, lt=1)]
    rotation: Annotated[float, Field(ge=0, le=180)]
    scale: Annotated[float, Field(ge=0, lt=1)]
    shift: Annotated[float, Field(ge=0, le=28)]
    shear: Annotated[float, Field(ge=0, le=2)]
    elastic: Annotated[float, Field(ge=0, le=1000)]
    smoothness: Annotated[float, Field(ge=1, le=28)]


class Finetune(Section):
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    shards: Annotated[int, Field(ge=1, le=256)]
    greek: Study
    greek_extended: Study
    last_layer: LastLayer
    all_layers: AllLayers


class Params(Section):
    download: Download
    greek: Greek
    train: Train
    finetune: Finetune


class Yaml12Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-3 as a number, as DVC (YAML 1.2) does."""


Yaml12Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:float"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Yaml12Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|^[-+]?\.(inf|Inf|INF)$|^\.(nan|NaN|NAN)$"),
    list("-+0123456789."),
)


def load(path: Path) -> Params:
    """Read and check a params.yaml. Raises UserError with one line that names the first wrong key and its value."""
    try:
        return Params.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=Yaml12Loader))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; run from the project's root") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UserError(f"{where}: not YAML: {getattr(error, 'problem', error)}") from None
    except ValidationError as error:
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")  # a misspelt key before its absence
        key = ".".join(map(str, first["loc"])) or "the whole file"
        got = "" if first["type"] == "missing" else f", not {first['input']!r}"
        what = {"missing": "is missing", "extra_forbidden": "is no key of this project"}.get(
            first["type"], first["msg"][0].lower() + first["msg"][1:]
        )
        raise UserError(f"{path}: {key}: {what}{got}") from None
