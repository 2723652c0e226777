"""The sizes that an image passes through when it is halved again and again, and the layers that do it.

An odd size is rounded up on the way down (7 → 4), and the way up knows which size it has to meet, so that
every image size comes back exactly.
"""

from __future__ import annotations

from torch import nn

from latentlab.codec import ImageSpec

Size = tuple[int, int]


def halvings(image: ImageSpec, times: int) -> list[Size]:
    """The sizes from the image's own to the smallest, `times` halvings later.

    Raises:
        ValueError: when the image is too small to be halved so often.

    >>> halvings(ImageSpec(1, 28, 28), 3)
    [(28, 28), (14, 14), (7, 7), (4, 4)]
    """
    sizes = [(image.height, image.width)]
    for _ in range(times):
        height, width = sizes[-1]
        if min(height, width) < 2:
            most = len(sizes) - 1
            raise ValueError(
                f"channels: expected at most {most} stages for {image} images, got {times}; each stage halves the image"
            )
        sizes.append(((height + 1) // 2, (width + 1) // 2))
    return sizes


def build_down(before: int, after: int) -> nn.Module:
    """Halve an image, rounding odd sizes up."""
    return nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1)


def build_up(before: int, after: int, target: Size) -> nn.Module:
    """Double an image to the size `target`, which may be one short of double.

    An even target takes a 4×4 kernel, which covers every pixel equally often; with an odd one that is not possible.
    """
    height, width = (4 if side % 2 == 0 else 3 for side in target)
    return nn.ConvTranspose2d(before, after, kernel_size=(height, width), stride=2, padding=1)
