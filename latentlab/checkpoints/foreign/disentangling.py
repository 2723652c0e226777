"""disentangling-vae: Burgess' convolutional VAE, whose mean and log-variance are interleaved in one layer."""

from __future__ import annotations

import math

from latentlab.checkpoints.foreign.network import (
    FLAT,
    Networks,
    activation,
    conv,
    grid,
    join_model,
    linear,
    told_pixels,
)
from latentlab.checkpoints.foreign.opened import Claims, Contents, Opened
from latentlab.checkpoints.foreign.piece import Piece, Source
from latentlab.codec import ImageSpec
from latentlab.errors import CapabilityError, FileFormatError

NAME = "disentangling-vae"
MARK = ("encoder.mu_logvar_gen.weight", "decoder.convT1.weight", "decoder.lin1.weight")
SPECS = "specs.json"
# Its convolutions end in a grid of this side; one more of them stands in its models of 64 × 64.
SIDE = 4


def recognise(contents: Contents) -> str:
    """Why these are its contents, or ""."""
    named = all(name in contents.tensors for name in MARK)
    return f"weights named as in {NAME} ({MARK[0]})" if named else ""


def read(contents: Contents, claims: Claims) -> Opened:
    """Make layers of it.

    Raises:
        FileFormatError: when weights are missing.
        CapabilityError: when it has more than its models have.
    """
    source = Source(contents.tensors)
    large = "encoder.conv_64.weight" in source
    names = ["conv1", "conv2", "conv3", *(["conv_64"] if large else [])]
    encoder: list[Piece] = []
    for name in names:
        encoder += [conv(source, f"encoder.{name}", stride=2, padding=1), activation("relu")]
    encoder.append(FLAT)
    for name in ("lin1", "lin2"):
        encoder += [linear(source, f"encoder.{name}"), activation("relu")]
    mean, logvar = (linear(source, "encoder.mu_logvar_gen", slice(first, None, 2)) for first in (0, 1))

    decoder: list[Piece] = []
    for name in ("lin1", "lin2", "lin3"):
        decoder += [linear(source, f"decoder.{name}"), activation("relu")]
    back = [*(["convT_64"] if large else []), "convT1", "convT2", "convT3"]
    blocks = [conv(source, f"decoder.{name}", stride=2, padding=1, transposed=True) for name in back]
    decoder.append(grid(len(blocks[0].tensors["weight"]), SIDE, SIDE))
    for block in blocks:
        decoder += [block, activation("relu")]
    decoder.pop()
    if left := [name for name in source.left() if name.startswith(("encoder.", "decoder."))]:
        raise CapabilityError(f"{NAME}: expected Burgess' networks, got {left[0]!r} too; give --loader module:factory")

    side = SIDE * 2 ** len(names)
    channels = source.tensors["encoder.conv1.weight"].shape[1]
    if channels not in (1, 3):
        raise FileFormatError(f"{NAME}: expected images of 1 or 3 channels, got {channels}")
    image = ImageSpec(channels, side, side)
    size = len(mean.tensors["weight"])
    pixels, likelihood = told_pixels(claims, "sigmoid")
    networks = Networks(encoder, [mean], [logvar], decoder)
    config, tensors = join_model(NAME, image, (size,), networks, pixels, likelihood)
    specs = contents.json.get(SPECS, {})
    return Opened(
        origin=NAME,
        config=config,
        tensors=tensors,
        told=(
            f"{len(names)} convolutions of stride 2: from the names, so images {image}",
            f"latent {size}: encoder.mu_logvar_gen has mean and log-variance in turns, {2 * size} rows",
            "[0, 1], rectifiers, a sigmoid at the end: as in all that it trains",
            *([f"trained on {str(specs['dataset'])[:60]}: {SPECS}"] if "dataset" in specs else []),
        ),
        warnings=tuple(_disagreements(specs, image, size, claims)),
    )


def _disagreements(specs: object, image: ImageSpec, size: int, claims: Claims) -> list[str]:
    said = specs if isinstance(specs, dict) else {}
    found = []
    for key, got in (("latent_dim", size), ("img_size", list(image.shape))):
        if key in said and said[key] != got:
            found.append(f"{SPECS} says {key} {str(said[key])[:60]}, the weights say {got}: the weights are believed")
    if claims.image_size and math.prod(claims.image_size) != image.height * image.width:
        found.append(f"claimed images {claims.image_size[0]}×{claims.image_size[1]}, the weights say {image}")
    return found
