"""What finding and normalising both measure and scale with."""

import numpy as np
from PIL import Image
from scipy import ndimage


def resize(picture: np.ndarray, side: int) -> Image.Image:
    """With its longer side `side`; averaged where smaller, interpolated where larger."""
    height, width = picture.shape
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX)


def distance(mask: np.ndarray) -> np.ndarray:
    """Of each pixel of the mask to the nearest one outside it; 0 outside."""
    return np.asarray(ndimage.distance_transform_edt(mask))
