"""What a program's functions take and give, told by running them on blank images."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latentlab.checkpoints.foreign.opened import Claims, Fact, Opened
from latentlab.codec import ImageSpec
from latentlab.errors import CapabilityError, DataError, LatentlabError
from latentlab.models.program import Call, ProgramConfig, build_program
from latentlab.nn.bound import MOST_SIDE

# Sides of images that are tried where nothing tells them, and how many pictures at once.
SIDES = (28, 32, 64, 128, 96, 224, 256)
COUNT = 2
MOST_TRIED = 24


@dataclass(frozen=True)
class Functions:
    """The two functions of a program, before it is known what they take.

    Args:
        encoder: whose `encode` takes images.
        encode: the name of that function.
        decoder: whose `decode` takes latents.
        decode: the name of that function.
        images: shapes that its weights or its inputs speak of, the likeliest first; 0 for a side that may be any.
    """

    encoder: nn.Module
    encode: str
    decoder: nn.Module
    decode: str
    images: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True)
class Found:
    """What the functions of a program take and give."""

    image: ImageSpec
    latent: tuple[int, ...]
    probabilistic: bool
    flat: bool


def find_shapes(functions: Functions, claims: Claims) -> Found:
    """Run a program on blank images until one of them comes back in its own shape.

    Raises:
        CapabilityError: when none does, with what the last one met.
    """
    met = "no size of image was left to try"
    for image in candidates(functions.images, claims):
        for flat in (False, True):
            try:
                return _run(functions, image, flat)
            except LatentlabError as error:
                met = f"{'×'.join(map(str, image.shape))}: {error}"
            except Exception as error:
                # Whatever an unknown program raises: of sizes that it does not take, torch alone has several kinds.
                met = f"{'×'.join(map(str, image.shape))}: {_line(error)}"
    raise CapabilityError(
        f"expected encode and decode that lead back to the shape of an image, got {met}; "
        "say which images it takes with --image-size"
    )


def open_program(
    origin: str, functions: Functions, claims: Claims, told: Sequence[str], warned: Sequence[str]
) -> Opened:
    """The codec of a program, with what was told of it.

    Raises:
        CapabilityError: as `find_shapes`.
    """
    found = find_shapes(functions, claims)
    pixels = claims.range or "unit"
    config = ProgramConfig(found.image, origin=origin, latent=found.latent, takes=pixels, gives=pixels)
    flat = found.image.size if found.flat else 0
    module = build_program(
        config,
        Call(functions.encoder, functions.encode, flat),
        Call(functions.decoder, functions.decode, 0, found.image.shape if found.flat else ()),
        probabilistic=found.probabilistic,
    )
    gives = "a mean and a log-variance" if found.probabilistic else "one code and no log-variance: it has no posterior"
    return Opened(
        origin=origin,
        config=None,
        told=(
            *told,
            f"images {'×'.join(map(str, found.image.shape))}, latent {'×'.join(map(str, found.latent))}: "
            "it led a blank image of that shape back to that shape",
            f"encode gives {gives}",
        ),
        missing=_missing(functions, found, claims),
        warnings=tuple(warned),
        module=module,
    )


def candidates(known: Iterable[tuple[int, int, int]], claims: Claims) -> Iterator[ImageSpec]:
    """The shapes of images to try: those that fit what is claimed, the likeliest first.

    >>> [image.shape for image in candidates([(1, 28, 28)], Claims())][:2]
    [(1, 28, 28), (3, 28, 28)]
    """
    claimed = (claims.channels or 0, *(claims.image_size or (0, 0)))
    tried: dict[tuple[int, int, int], None] = {}
    for shape in [*(shape for shape in known if _fits(shape, claims)), claimed]:
        channels, height, width = (side or want for side, want in zip(shape, claimed, strict=True))
        sides = [(height or side, width or side) for side in SIDES] if 0 in (height, width) else [(height, width)]
        for pair in sides:
            for colours in (channels,) if channels else (1, 3):
                tried[colours, *pair] = None
    for channels, height, width in list(tried)[:MOST_TRIED]:
        if channels in (1, 3) and 0 < min(height, width) <= max(height, width) <= MOST_SIDE:
            yield ImageSpec(channels, height, width)


def weights_speak(module: nn.Module) -> tuple[tuple[int, int, int], ...]:
    """The shapes of images that the first weights of a network speak of: a convolution's channels, a matrix's width."""
    for _, weight in module.named_parameters():
        if weight.ndim == 4:
            # A transposed one, or another's first, says nothing of images.
            return ((weight.shape[1], 0, 0),) if weight.shape[1] in (1, 3) else ()
        if weight.ndim == 2:
            return squares(weight.shape[1])
    return ()


def squares(values: int) -> tuple[tuple[int, int, int], ...]:
    """The shapes of square images, grey and RGB, that have so many values; one of a single pixel is none."""
    sides = {colours: math.isqrt(values // colours) for colours in (1, 3)}
    return tuple((c, side, side) for c, side in sides.items() if side > 1 and c * side**2 == values)


def as_moments(found: object) -> tuple[Tensor, Tensor | None]:
    """The mean and the log-variance, or None, of what an encoder gave.

    Raises:
        CapabilityError: when it is neither one tensor nor two of one shape.
    """
    if isinstance(found, Tensor):
        return found, None
    parts = list(found) if isinstance(found, tuple | list) else []
    if len(parts) == 1 and isinstance(parts[0], Tensor):
        return parts[0], None
    if len(parts) == 2 and all(isinstance(part, Tensor) for part in parts) and parts[0].shape == parts[1].shape:
        return parts[0], parts[1]
    got = f"{len(parts)} values" if parts else type(found).__name__
    raise CapabilityError(f"expected encode to give a mean, or a mean and a log-variance of one shape, got {got}")


@torch.no_grad()
def _run(functions: Functions, image: ImageSpec, flat: bool) -> Found:
    x = torch.zeros(COUNT, *image.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mean, logvar = as_moments(getattr(functions.encoder, functions.encode)(x.flatten(1) if flat else x))
        if not 1 < mean.ndim <= 4 or len(mean) != COUNT or not mean[0].numel():
            raise DataError(f"encode gave {tuple(mean.shape)} for {COUNT} images")
        pixels = getattr(functions.decoder, functions.decode)(mean)
    if not isinstance(pixels, Tensor):
        raise CapabilityError(f"expected decode to give images, got {type(pixels).__name__}")
    if tuple(pixels.shape) != ((COUNT, image.size) if flat else (COUNT, *image.shape)):
        raise DataError(f"decode gave {tuple(pixels.shape)}")
    return Found(image, tuple(mean.shape[1:]), logvar is not None, flat)


def _fits(shape: tuple[int, int, int], claims: Claims) -> bool:
    wanted = (claims.channels or 0, *(claims.image_size or (0, 0)))
    return all(not side or not want or side == want for side, want in zip(shape, wanted, strict=True))


def _missing(functions: Functions, found: Found, claims: Claims) -> tuple[Fact, ...]:
    facts = []
    certain = claims.image_size is not None or any(0 not in shape for shape in functions.images)
    if not certain:
        size = f"{found.image.height}×{found.image.width}"
        facts.append(Fact("image size", f"{size}, the first that it takes; it may take others", "--image-size"))
    if claims.range is None:
        facts.append(Fact("pixel range", "[0, 1]", "--range"))
    if found.probabilistic:
        facts.append(Fact("log-variance", "the second that encode gives; were it a deviation, KL would be wrong", ""))
    facts.append(Fact("likelihood", "a Gaussian with σ = 1: a program gives pixels and no spread", ""))
    return tuple(facts)


def _line(error: BaseException) -> str:
    # TorchScript ends with what went wrong, after the code that it was in.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return next((line for line in lines if line.startswith("RuntimeError:")), lines[0])[:200]
