"""Networks of somebody else's out of their modules: each module's layer with its weights, and the model of them all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from latentlab.checkpoints.foreign.opened import Claims, Fact
from latentlab.checkpoints.foreign.piece import Piece, Source, join_pieces
from latentlab.codec import ImageSpec
from latentlab.errors import DataError, FileFormatError
from latentlab.models.adopted import AdoptedConfig, Range
from latentlab.nn.activation import ActivationName
from latentlab.nn.layer import ActivationLayer, ConvLayer, LinearLayer, NormLayer, ShapeLayer
from latentlab.nn.observation import Observation, Output

FLAT = Piece(ShapeLayer())


class Networks(NamedTuple):
    """The layers of a model; no `logvar`: it has no posterior."""

    encoder: Sequence[Piece]
    mean: Sequence[Piece]
    logvar: Sequence[Piece]
    decoder: Sequence[Piece]


class Pixels(NamedTuple):
    """What the encoder takes and the decoder gives, with the layers that the decoder ends in."""

    takes: Range
    gives: Output
    tail: tuple[Piece, ...] = ()


class Told(NamedTuple):
    """The classes that a conditional model is told, and whether its encoder is told them too."""

    classes: tuple[str, ...]
    told: bool


class Codes(NamedTuple):
    """The codebook of a model of codes: how many there are, and the size of an embedding."""

    codes: int
    dimension: int


def linear(source: Source, name: str, rows: slice | None = None) -> Piece:
    """The module `name` as a linear layer; `rows` are those of its outputs that are meant."""
    weight = source.take(f"{name}.weight", 2)
    tensors = {"weight": weight if rows is None else weight[rows]}
    if f"{name}.bias" in source:
        bias = source.take(f"{name}.bias", 1)
        tensors["bias"] = bias if rows is None else bias[rows]
    outputs, inputs = tensors["weight"].shape
    return Piece(LinearLayer(inputs=inputs, outputs=outputs, bias="bias" in tensors), tensors)


def conv(
    source: Source,
    name: str,
    *,
    stride: int = 1,
    padding: int = 0,
    transposed: bool = False,
    output_padding: int = 0,
) -> Piece:
    """The module `name` as a convolution; its kernel is square."""
    weight = source.take(f"{name}.weight", 4)
    tensors = {"weight": weight}
    if f"{name}.bias" in source:
        tensors["bias"] = source.take(f"{name}.bias", 1)
    first, second, height, width = weight.shape
    if height != width:
        raise FileFormatError(f"expected {name!r} to have a square kernel, got {height}×{width}")
    layer = ConvLayer(
        inputs=first if transposed else second,
        outputs=second if transposed else first,
        kernel=height,
        stride=stride,
        padding=padding,
        transposed=transposed,
        output_padding=output_padding,
        bias="bias" in tensors,
    )
    return Piece(layer, tensors)


def batch_norm(source: Source, name: str) -> Piece:
    """The module `name` as a normalisation over a batch, with the averages that training left."""
    mean = source.take(f"{name}.running_mean", 1)
    tensors = {"running_mean": mean, "running_var": source.take(f"{name}.running_var", 1)}
    for key, fill in (("weight", 1.0), ("bias", 0.0)):
        has = f"{name}.{key}" in source
        tensors[key] = source.take(f"{name}.{key}", 1) if has else torch.full_like(mean, fill)
    counted = f"{name}.num_batches_tracked"
    tensors["num_batches_tracked"] = source.take(counted, 0) if counted in source else torch.tensor(0)
    return Piece(NormLayer(channels=len(mean)), tensors)


def activation(name: ActivationName, slope: float = 0.01) -> Piece:
    """An activation."""
    return Piece(ActivationLayer(name=name, slope=slope))


def grid(channels: int, height: int, width: int) -> Piece:
    """A vector as a grid."""
    return Piece(ShapeLayer(shape=(channels, height, width)))


def join_model(
    origin: str,
    image: ImageSpec,
    latent: tuple[int, ...],
    networks: Networks,
    pixels: Pixels,
    likelihood: Observation,
    kind: Told | Codes | None = None,
) -> tuple[AdoptedConfig, dict[str, Tensor]]:
    """The configuration of a model and its weights by our names.

    Raises:
        FileFormatError: when its sizes are those of no network.
    """
    layers: dict[str, Any] = {}
    tensors: dict[str, Tensor] = {}
    # Where these networks are parts of a part.
    within = "to_posterior." if isinstance(kind, Told) else "encoder." if isinstance(kind, Codes) else ""
    if isinstance(kind, Told):
        # Nobody knows how often each class was seen.
        tensors["frequency"] = torch.full((len(kind.classes),), 1 / len(kind.classes))
    parts: Iterable[tuple[str, str, Sequence[Piece]]] = (
        ("encoder", f"{within}encoder", networks.encoder),
        ("mean", f"{within}to_mean", networks.mean),
        ("logvar", f"{within}to_logvar", networks.logvar),
        ("decoder", "decoder", (*networks.decoder, *pixels.tail)),
    )
    for name, ours, pieces in parts:
        layers[name], found = join_pieces(ours, pieces)
        tensors |= found
    known: dict[str, Any] = {"image": image, "origin": origin, "latent": latent, "likelihood": likelihood}
    known |= {**layers, "takes": pixels.takes, "gives": pixels.gives}
    try:
        config = AdoptedConfig(**known, **({} if kind is None else kind._asdict()))
    except (ValueError, DataError) as error:
        raise FileFormatError(f"{origin}: {error}; it is of another kind") from error
    return config, tensors


def told_pixels(claims: Claims, output: Literal["sigmoid", "tanh", "none"]) -> tuple[Pixels, Observation]:
    """Range and likelihood of a decoder that ends in `output`, where the user does not say otherwise.

    A sigmoid gives the logits of a Bernoulli likelihood; else a Gaussian stands in, whose σ measures nothing.
    """
    takes = claims.range or "unit"
    output = claims.output or output
    if output == "sigmoid":
        return Pixels(takes, "logits"), Observation()
    tail = (activation("tanh"),) if output == "tanh" else ()
    return Pixels(takes, takes, tail), Observation("gaussian", 1.0)


def square_image(values: int, claims: Claims) -> tuple[ImageSpec, str, tuple[Fact, ...]]:
    """The images that have so many values, how that was told, and what is left to ask.

    Raises:
        FileFormatError: when no image that is claimed, or none that is square, has so many.
    """
    channels = [claims.channels] if claims.channels else [1, 3]
    if claims.image_size is not None:
        for count in channels:
            if count * math.prod(claims.image_size) == values:
                return ImageSpec(count, *claims.image_size), "images as claimed", ()
        height, width = claims.image_size
        raise FileFormatError(f"expected images of {values} values, got {height}×{width} by --image-size; give another")
    for count in channels:
        side = math.isqrt(values // count)
        if count * side * side == values and side:
            image = ImageSpec(count, side, side)
            return image, f"images {image}: {values} values, and square", (_size(image),)
    raise FileFormatError(
        f"expected images of {values} values, which is no square of grey or RGB pixels; give --image-size"
    )


def _size(image: ImageSpec) -> Fact:
    return Fact("image size", f"{image}, if it is square", "--image-size")
