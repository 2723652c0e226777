"""Strides and paddings of convolutions, which no weight tells: those with which an image comes back in its own size."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from latentlab.checkpoints.foreign.unit import Unit

SIDES = (28, 32, 48, 64, 84, 96, 100, 112, 128, 160, 192, 224, 256)
# By the kernel, the usual first: (stride, padding).
DOWN: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((1, 0),),
    2: ((2, 0),),
    3: ((2, 1), (1, 1), (2, 0), (1, 0)),
    4: ((2, 1), (2, 0)),
    5: ((2, 2), (2, 1), (1, 2), (2, 0)),
    7: ((2, 3), (1, 3)),
}
# The same for a transposed one: (stride, padding, output padding).
UP: dict[int, tuple[tuple[int, int, int], ...]] = {
    2: ((2, 0, 0),),
    3: ((2, 1, 1), (1, 1, 0), (2, 1, 0), (2, 0, 0)),
    4: ((2, 1, 0), (2, 0, 0)),
    5: ((2, 2, 1), (2, 0, 0), (1, 2, 0)),
    6: ((2, 2, 0), (2, 0, 0)),
}
MOST_KERNELS = 3


class Step(NamedTuple):
    """How one convolution goes over its image; `factor`: each pixel is made that many times as large before."""

    stride: int
    padding: int
    transposed: bool = False
    output_padding: int = 0
    factor: int = 1


class Geometry(NamedTuple):
    """Images of a side, and the steps with which they become the grid before the latent and come back."""

    side: int
    encoder: tuple[Step, ...]
    decoder: tuple[Step, ...]


def find_geometries(
    encoder: Sequence[Unit],
    end: int,
    decoder: Sequence[Unit],
    start: int,
    transposed: Sequence[bool],
    sides: Sequence[int],
) -> list[Geometry]:
    """All that fit, the usual first.

    Args:
        encoder: its convolutions.
        end: the side of the grid that they give.
        decoder: its convolutions.
        start: the side of the grid that they take.
        transposed: which of those are transposed.
        sides: sides of images to try.
    """
    back = [(steps, size) for steps in _ups(decoder, transposed, start) if (size := _grown(decoder, steps, start))]
    found = []
    for steps in _downs(encoder, end):
        for side in sides:
            if _shrunk(encoder, steps, side) == end:
                found += [Geometry(side, steps, others) for others, size in back if size == side]
    return found


def _downs(units: Sequence[Unit], end: int) -> Iterator[tuple[Step, ...]]:
    kernels = sorted({unit.shape[2] for unit in units})
    if len(kernels) > MOST_KERNELS or any(kernel not in DOWN for kernel in kernels):
        return
    for chosen in itertools.product(*(DOWN[kernel] for kernel in kernels)):
        steps = tuple(Step(*dict(zip(kernels, chosen, strict=True))[unit.shape[2]]) for unit in units)
        yield steps
        if end == 1 and units[-1].shape[2] > 1:
            # The last one may take in all that is left.
            yield (*steps[:-1], Step(1, 0))


def _ups(units: Sequence[Unit], transposed: Sequence[bool], start: int) -> Iterator[tuple[Step, ...]]:
    turned = sorted({unit.shape[2] for unit, turn in zip(units, transposed, strict=True) if turn})
    if len(turned) > MOST_KERNELS or any(kernel not in UP for kernel in turned):
        return
    plain = [index for index, turn in enumerate(transposed) if not turn]
    if any(units[index].shape[2] % 2 == 0 for index in plain):
        return
    # Convolutions in a decoder keep the size, and are enlarged before: none, all but the last, or all.
    enlarged: list[set[int]] = [set()]
    for option in (set(plain[:-1]), set(plain)):
        if option not in enlarged:
            enlarged.append(option)
    for chosen in itertools.product(*(UP[kernel] for kernel in turned)):
        by_kernel = dict(zip(turned, chosen, strict=True))
        for larger in enlarged:
            steps = []
            for index, (unit, turn) in enumerate(zip(units, transposed, strict=True)):
                kernel = unit.shape[2]
                if turn:
                    stride, padding, more = by_kernel[kernel]
                    steps.append(Step(stride, padding, True, more))
                else:
                    steps.append(Step(1, kernel // 2, factor=2 if index in larger else 1))
            yield tuple(steps)
            if steps[0].transposed and start == 1:
                yield (Step(1, 0, True), *steps[1:])
            if steps[0].output_padding:
                # 4 → 7 → 14 → 28.
                yield (steps[0]._replace(output_padding=0), *steps[1:])


def _shrunk(units: Sequence[Unit], steps: Sequence[Step], side: int) -> int:
    for unit, step in zip(units, steps, strict=True):
        left = side + 2 * step.padding - unit.shape[2]
        if left < 0:
            return 0
        side = left // step.stride + 1
    return side


def _grown(units: Sequence[Unit], steps: Sequence[Step], side: int) -> int:
    for unit, step in zip(units, steps, strict=True):
        if step.transposed:
            side = (side - 1) * step.stride - 2 * step.padding + unit.shape[2] + step.output_padding
        else:
            side *= step.factor
        if side < 1:
            return 0
    return side
