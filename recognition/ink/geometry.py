"""What finding and normalising both measure and scale with."""

import numpy as np
from PIL import Image
from scipy import ndimage

TOUCHING = np.ones((3, 3))  # a pixel's neighbours, diagonal ones too


def resize(picture: np.ndarray, side: int) -> Image.Image:
    """With its longer side `side`; averaged where smaller, interpolated where larger."""
    height, width = picture.shape
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX)


def distance(mask: np.ndarray) -> np.ndarray:
    """Of each pixel of the mask, (H, W) bool, to the nearest one outside it; 0 outside."""
    found = np.zeros(mask.shape)
    for box in ndimage.find_objects(mask.view(np.uint8)):  # one, the smallest around all of it
        around = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in box)
        found[around] = ndimage.distance_transform_edt(mask[around])
    return found


def on_edge(labels: np.ndarray, n: int) -> np.ndarray:
    """Of each of the labels 1 to n, all of which are there: pixels on the picture's edge, as a share of its extent;
    more than 1 where it lies on several sides."""
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    extents = [max(s.stop - s.start for s in box) for box in ndimage.find_objects(labels)]
    return np.bincount(edge, minlength=n + 1)[1:] / np.array(extents)


def hull_area(mask: np.ndarray) -> tuple[float, float]:
    """Areas, in pixels, of the convex hull of a mask and of the least rectangle around it, however it is turned."""
    rows = np.flatnonzero(mask.any(axis=1))
    left, right = mask.argmax(axis=1)[rows], mask.shape[1] - mask[:, ::-1].argmax(axis=1)[rows]
    corners = sorted(
        {(int(x), int(y + d)) for xs in (left, right) for x, y in zip(xs, rows, strict=True) for d in (0, 1)}
    )

    def half(points: list[tuple[int, int]]) -> list[tuple[int, int]]:
        chain: list[tuple[int, int]] = []
        for x, y in points:
            while len(chain) > 1 and (chain[-1][0] - chain[-2][0]) * (y - chain[-2][1]) <= (
                chain[-1][1] - chain[-2][1]
            ) * (x - chain[-2][0]):
                chain.pop()
            chain.append((x, y))
        return chain[:-1]

    hull = np.array(half(corners) + half(corners[::-1]))
    after = np.roll(hull, -1, axis=0)
    area = abs(int((hull[:, 0] * after[:, 1] - hull[:, 1] * after[:, 0]).sum())) / 2
    sides = after - hull
    along = sides @ hull.T
    across = np.stack([-sides[:, 1], sides[:, 0]], axis=1) @ hull.T
    rectangles = np.ptp(along, axis=1) * np.ptp(across, axis=1) / (sides * sides).sum(axis=1)
    return area, float(rectangles.min())
