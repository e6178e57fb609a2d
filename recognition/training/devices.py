"""Where a training runs: on the processor, or on a GPU."""

import torch

from recognition.base.errors import UserError


def device(wanted: str, section: str) -> str:
    """ "cpu" or "cuda" for "auto", "cpu" or "cuda". Raises UserError where cuda is wanted and there is none.

    `section` of params.yaml wants it.
    """
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise UserError(
            f"params.yaml: {section}.device: cuda is wanted, but torch finds no such device here; try auto or cpu"
        )
    return "cuda" if there and wanted != "cpu" else "cpu"
