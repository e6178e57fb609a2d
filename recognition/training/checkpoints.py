"""A trained network in a file, with all that is needed to use it: no params.yaml, no data set."""

import io
import zipfile
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor, nn

from recognition.base import files
from recognition.base.determinism import serialised
from recognition.base.errors import UserError
from recognition.base.params import once
from recognition.networks import ARCHITECTURES
from recognition.training import doubt
from recognition.training.datasets import Normalisation

MOST_BYTES = 1 << 28  # of a file, and of it unpacked; MobileNet has 17 MB, the largest network that params allow 70
MOST_PICKLED = 1 << 20  # of all that is no weights

Number = Annotated[float, Field(allow_inf_nan=False)]


class Unfit(Exception):
    """Why a file is no checkpoint, in a few words."""


class Arguments(BaseModel):
    """What a network is built with: bounded, so that a small file does not name a network of gigabytes."""

    model_config = ConfigDict(strict=True, extra="forbid")
    classes: Annotated[int, Field(ge=2, le=1000)] = 10
    filters: Annotated[int, Field(ge=1, le=1024)] = 10
    kernel_size: Annotated[int, Field(ge=1, le=27)] = 5
    image_size: Annotated[int, Field(ge=28, le=512)] = 28
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5


class State(BaseModel):
    """A checkpoint as it lies in its file."""

    model_config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)
    architecture: Literal[*ARCHITECTURES]  # pyrefly: ignore[invalid-literal]
    arguments: Arguments
    weights: dict[str, Tensor]
    classes: Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], AfterValidator(once)]
    normalisation: tuple[Number, Annotated[Number, Field(gt=0)]]
    epoch: Annotated[int, Field(ge=0)]
    prototypes: Tensor
    threshold: Annotated[Number, Field(ge=0)]

    @model_validator(mode="after")
    def one_name_an_output(self) -> "State":
        if len(self.classes) != self.arguments.classes:
            raise ValueError(f"{len(self.classes)} names for {self.arguments.classes} outputs")
        return self


class Checkpoint(NamedTuple):
    architecture: str  # a key of networks.ARCHITECTURES
    arguments: dict[str, int | float]  # what the network was built with
    weights: dict[str, Tensor]
    classes: list[str]  # their names, in the order of the network's outputs
    normalisation: Normalisation
    epoch: int
    prototypes: Tensor  # see doubt.Known, and so the threshold
    threshold: float

    def network(self) -> nn.Module:
        """The network with its weights, ready to read pictures."""
        network = ARCHITECTURES[self.architecture](**self.arguments)
        network.load_state_dict(self.weights)
        return network.to(memory_format=torch.channels_last).eval()

    def read(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 28, 28) uint8 pictures to (N, classes) log-probabilities and (N,) bool: whether such are known."""
        found, doubts = doubt.read(self.network(), pictures, self.normalisation, self.prototypes)
        return found, doubts <= self.threshold


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all, as a plain dict that torch.load(weights_only=True) reads."""
    weights = {name: value.detach().cpu().contiguous() for name, value in checkpoint.weights.items()}
    state = checkpoint._asdict() | {"weights": weights, "normalisation": tuple(checkpoint.normalisation)}
    files.write_bytes(path, serialised(state))


def load(path: Path) -> Checkpoint:
    """Read a checkpoint, whoever made it. Raises UserError with one line where there is none, or where anything in it
    is not as `save` writes it: the file's own checksums, every field, every weight."""
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: not a file; name a checkpoint")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such checkpoint; `dvc repro` trains the project's own") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; a checkpoint is a file that can be read") from None
    try:
        check_archive(content)
        state = State.model_validate(torch.load(io.BytesIO(content), weights_only=True)).model_dump(exclude_unset=True)
        checkpoint = Checkpoint(**state | {"normalisation": Normalisation(*state["normalisation"])})
        check_weights(checkpoint)
        return checkpoint
    except Exception as error:  # torch.load has many ways to fail
        reason = str(error) if isinstance(error, Unfit) else "its content is another"
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            reason = f"{'.'.join(map(str, first['loc']))}: {first['msg'][0].lower()}{first['msg'][1:]}"
        raise UserError(
            f"{path}: damaged, or not a checkpoint of this project ({reason}); `dvc repro` trains its own"
        ) from None


def check_archive(content: bytes) -> None:
    """Raise Unfit where a file is no archive as torch.save writes it, too large, or other than its checksums say."""
    if len(content) > MOST_BYTES:
        raise Unfit(f"more than {MOST_BYTES} bytes")
    if not zipfile.is_zipfile(io.BytesIO(content)):  # before 2020 torch wrote a pickle alone, which has no checksum
        raise Unfit("no archive of torch.save")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > MOST_BYTES:
            raise Unfit(f"unpacked more than {MOST_BYTES} bytes")
        if any(member.file_size > MOST_PICKLED for member in members if member.filename.endswith(".pkl")):
            raise Unfit(f"more than {MOST_PICKLED} bytes beside its weights")
        if wrong := archive.testzip():
            raise Unfit(f"checksum of {wrong}")


def check_weights(checkpoint: Checkpoint) -> None:
    """Raise Unfit where weights or prototypes are not those of the network that is named, or weights no numbers."""
    network = ARCHITECTURES[checkpoint.architecture](**checkpoint.arguments)
    wanted = network.state_dict()
    if wanted.keys() != checkpoint.weights.keys():
        raise Unfit("weights of another network")
    for name, value in checkpoint.weights.items():
        if (value.shape, value.dtype, value.layout) != (wanted[name].shape, wanted[name].dtype, torch.strided):
            raise Unfit(f"{name} of another network")
        if not value.isfinite().all():
            raise Unfit(f"{name} has what is no finite number")
    k = checkpoint.prototypes.shape[1] if checkpoint.prototypes.dim() == 3 else 0
    shape = (len(checkpoint.classes), min(max(1, k), doubt.PROTOTYPES), doubt.size(network))
    found = (checkpoint.prototypes.shape, checkpoint.prototypes.dtype, checkpoint.prototypes.layout)
    if found != (shape, torch.int8, torch.strided):
        raise Unfit("prototypes of another network")
