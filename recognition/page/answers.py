"""What the network says: of a picture, and of one character's 28x28; and what is cut from it, to be kept."""

import base64
import io
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from recognition.base import files, fingerprints
from recognition.base.alphabet import NAMES
from recognition.base.determinism import pin_torch
from recognition.base.errors import UserError, quoted
from recognition.ink import collect, read
from recognition.ink.characters import Character
from recognition.ink.decode import read_grey
from recognition.ink.normalise import IMAGE_SIZE
from recognition.telling.filters import describe, respond
from recognition.training import checkpoints
from recognition.training.checkpoints import Checkpoint

MOST_FILTERS = 20  # of a first layer that is shown, as of Fig. 11
PICTURE = "the picture"  # in what is said of it
NAME = re.compile(r"[A-Za-z]{2,}(?:[ _-][A-Za-z]+)*")  # what is no sign, or several


class Reader:
    """Reads with the networks that lie at `paths`, by their names."""

    def __init__(self, paths: dict[str, Path]) -> None:
        pin_torch()
        self.paths = paths
        self.loaded: dict[str, tuple[object, Checkpoint]] = {}

    def answers(self) -> dict[str, Callable]:
        return {"read": self.read, "see": self.see, "cut": self.cut}

    def read(self, network: str, content: bytes, photo: bool) -> dict:
        """What is written in a picture, line by line; of a photo, which may lie on its side, also its grey values."""
        checkpoint, grey = self._checkpoint(network), decoded(content)
        sheet = read.sheet(checkpoint, grey, may_lie=photo)
        return {
            "classes": checkpoint.classes,
            "filters": first_layer(checkpoint) is not None,
            "width": grey.shape[1],
            "height": grey.shape[0],
            "turn": sheet.turn,
            "text": sheet.text,
            "lines": [[facts(one) for one in line] for line in sheet.lines],
            "shown": jpeg(grey) if photo else None,
        }

    def see(self, network: str, content: bytes) -> dict:
        """The first layer's filters, and the response of each to one character's 28x28, as report's Fig. 11."""
        weights = first_layer(self._checkpoint(network))
        if weights is None or len(content) != IMAGE_SIZE * IMAGE_SIZE:
            raise UserError("that network has no first layer that is shown, or that is no picture of 28x28")
        picture = np.frombuffer(content, np.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE)
        responses = respond(picture / 255, weights)
        return {
            "size": weights.shape[-1],
            "kinds": [found.kind for found in describe(weights)],
            "filters": signed(weights),
            "responses": signed(responses),
        }

    def cut(
        self, network: str, content: bytes, photo: bool, labels: list[str | None], writer: str
    ) -> list[tuple[str, bytes]]:
        """Path below data/handwriting and PNG of what is written in a picture, as `network` reads it line by line, by
        its labels, as `collect` keeps it; without a label it is left out.

        Raises UserError where a name or their number is wrong.
        """
        if not any(label is not None for label in labels):
            raise UserError("nothing is to be kept; say what is written")
        grey = decoded(content)
        sheet = read.sheet(self._checkpoint(network), grey, may_lie=photo)
        characters = [one.character for line in sheet.lines for one in line]
        if len(characters) != len(labels):
            raise UserError(f"{len(labels)} labels for {len(characters)} characters; read the picture again")
        try:
            whose = collect.checked_writer(writer)
            names = [None if label is None else one_name(label) for label in labels]
        except UserError as error:  # in the words of the command line
            raise UserError(str(error).removeprefix("--as ").removeprefix("--")) from None
        mark, upright = fingerprints.mark(content), np.rot90(grey, -sheet.turn // 90)

        def cut(one: Character) -> bytes:
            return files.png(Image.fromarray(collect.cut(upright, characters, one)))

        return [
            (collect.path_of(name, whose, mark, n).as_posix(), cut(one))
            for n, (name, one) in enumerate(zip(names, characters, strict=True), 1)
            if name is not None
        ]

    def _checkpoint(self, network: str) -> Checkpoint:
        """Loaded anew where its file has changed."""
        if network not in self.paths:
            raise UserError(f"there is no network of that name; {', '.join(self.paths)} are known")
        path = self.paths[network]
        about = path.stat() if path.exists() else None
        now = about and (about.st_ino, about.st_size, about.st_mtime_ns)
        if network not in self.loaded or self.loaded[network][0] != now:
            self.loaded[network] = now, checkpoints.load(path)
        return self.loaded[network][1]


def facts(one: read.Read) -> dict:
    return {
        "box": one.box,
        "prediction": one.prediction,
        "probabilities": one.probabilities,
        "picture": text(one.picture),
        "known": one.known,
    }


def one_name(label: str) -> str:
    """A character's name, Greek letters' in English; others may be of several words, as a folder's may. Raises
    UserError for what is none, or several."""
    words = label.split()
    if NAME.fullmatch(" ".join(words)) and not any(word.lower() in NAMES for word in words):
        return collect.checked_name(" ".join(words))
    match collect.names_of(label):
        case [[name]]:
            return name
    raise UserError(f"{quoted(label)}: not one sign; name it with a word")


def decoded(content: bytes) -> np.ndarray:
    """A picture's file to grey values, (H, W) uint8: as `read_grey` does, of a file that lies in memory alone."""
    with os.fdopen(os.memfd_create("picture"), "wb") as file:
        file.write(content)
        file.flush()
        path = Path(f"/proc/self/fd/{file.fileno()}")
        try:
            return read_grey(path)
        except UserError as error:
            raise UserError(str(error).replace(str(path), PICTURE)) from None


def first_layer(checkpoint: Checkpoint) -> np.ndarray | None:
    """(K, k, k) weights, where there are few that look at the picture itself."""
    weights = checkpoint.weights.get("conv1.weight")
    if weights is None or weights.shape[1] != 1 or len(weights) > MOST_FILTERS:
        return None
    return weights[:, 0].numpy()


def signed(values: np.ndarray) -> list[str]:
    """(K, H, W) on one scale, from -127 to 127, zero staying zero: base64 of int8, row by row, of each."""
    scaled = np.round(values * (127 / (np.abs(values).max() or 1))).astype(np.int8)
    return [text(one) for one in scaled]


def text(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()


def jpeg(grey: np.ndarray) -> str:
    content = io.BytesIO()
    Image.fromarray(grey).save(content, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
