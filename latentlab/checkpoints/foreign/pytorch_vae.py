"""PyTorch-VAE: convolutional VAEs of Lightning checkpoints, which carry no word of how they are built."""

from __future__ import annotations

import math

from latentlab.checkpoints.foreign.network import (
    FLAT,
    Networks,
    activation,
    batch_norm,
    conv,
    grid,
    join_model,
    linear,
    told_pixels,
)
from latentlab.checkpoints.foreign.opened import Claims, Contents, Fact, Opened
from latentlab.checkpoints.foreign.piece import Piece, Source
from latentlab.codec import ImageSpec
from latentlab.errors import CapabilityError, FileFormatError

NAME = "PyTorch-VAE"
MARK = ("encoder.0.0.weight", "fc_mu.weight", "fc_var.weight", "decoder_input.weight", "final_layer.3.weight")
PREFIX = "model."
MOST_STAGES = 12


def recognise(contents: Contents) -> str:
    """Why these are its contents, or ""."""
    if all(name in contents.tensors for name in MARK):
        return f"weights named as in {NAME} ({MARK[3]}, {MARK[4]})"
    if all(PREFIX + name in contents.tensors for name in MARK):
        return f"weights named as in {NAME} ({PREFIX}{MARK[3]}, {PREFIX}{MARK[4]})"
    return ""


def read(contents: Contents, claims: Claims) -> Opened:
    """Make layers of it: stages of convolution, normalisation and leaky rectifier.

    Raises:
        FileFormatError: when weights are missing, or do not fit together.
        CapabilityError: when it is another of its models.
    """
    source = Source({name.removeprefix(PREFIX): tensor for name, tensor in contents.tensors.items()})
    leaky = activation("leaky-relu")
    encoder: list[Piece] = []
    down = _stages(source, "encoder")
    for index in range(down):
        encoder += [conv(source, f"encoder.{index}.0", stride=2, padding=1), batch_norm(source, f"encoder.{index}.1")]
        encoder.append(leaky)
    width = len(source.take(f"encoder.{down - 1}.0.weight", 4))
    encoder.append(FLAT)
    mean, logvar = linear(source, "fc_mu"), linear(source, "fc_var")
    size, inputs = mean.tensors["weight"].shape
    start = math.isqrt(max(inputs // width, 0))
    first = linear(source, "decoder_input")
    into = len(source.take("decoder.0.0.weight" if "decoder.0.0.weight" in source else "final_layer.0.weight", 4))
    if not start or start * start * width != inputs or start * start * into != len(first.tensors["weight"]):
        raise FileFormatError(f"{NAME}: expected grids of {width} channels, got {inputs} values; it is not whole")
    decoder: list[Piece] = [first, grid(into, start, start)]
    for index in range(_stages(source, "decoder")):
        decoder += [_up(source, f"decoder.{index}.0"), batch_norm(source, f"decoder.{index}.1"), leaky]
    last = conv(source, "final_layer.3", padding=1)
    decoder += [_up(source, "final_layer.0"), batch_norm(source, "final_layer.1"), leaky, last]
    if left := source.left():
        raise CapabilityError(
            f"{NAME}: expected VanillaVAE or BetaVAE, got {left[0]!r} too; give --loader module:factory for another"
        )
    side, channels = start * 2**down, len(last.tensors["weight"])
    if channels not in (1, 3):
        raise FileFormatError(f"{NAME}: expected images of 1 or 3 channels, got {channels}")
    image = ImageSpec(channels, side, side)
    pixels, likelihood = told_pixels(claims, "tanh")
    networks = Networks(encoder, [mean], [logvar], decoder)
    config, tensors = join_model(NAME, image, (size,), networks, pixels, likelihood)
    return Opened(
        origin=NAME,
        config=config,
        tensors=tensors,
        told=(
            f"{down} convolutions of stride 2 that end in a {start}×{start} grid of {width} channels: images {image}",
            f"latent {size}: rows of fc_mu",
            "leaky rectifiers, a tanh at the end: as in all that it trains",
        ),
        missing=_missing(claims),
    )


def _stages(source: Source, name: str) -> int:
    return next(index for index in range(MOST_STAGES) if f"{name}.{index}.0.weight" not in source)


def _up(source: Source, name: str) -> Piece:
    return conv(source, name, stride=2, padding=1, transposed=True, output_padding=1)


def _missing(claims: Claims) -> tuple[Fact, ...]:
    found = []
    if claims.range is None:
        found.append(Fact("pixel range", "[0, 1]; its versions before 2021 trained on [−1, 1]", "--range signed"))
    found.append(Fact("likelihood", "a Gaussian with σ = 1: it is trained on squared differences", ""))
    return tuple(found)
