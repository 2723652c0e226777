"""TAESD and its kin: tiny autoencoders of the latents of diffusion models, a pair of plain Sequentials.

An encoder is convolutions and residual blocks, with a convolution of stride 2 and no bias between resolutions; a
decoder is the same way back, with an enlargement before each convolution without bias. No weights tell either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from latentlab.checkpoints.foreign.network import Networks, Pixels, activation, conv, join_model
from latentlab.checkpoints.foreign.opened import Claims, Contents, Fact, Opened
from latentlab.checkpoints.foreign.piece import Piece, Source, join_pieces
from latentlab.codec import ImageSpec
from latentlab.errors import CapabilityError, FileFormatError
from latentlab.nn.layer import ConvLayer, ResidualLayer, ResizeLayer, SqueezeLayer
from latentlab.nn.observation import Observation

NAME = "taesd"
# Where both stand in one file; diffusers has them so (AutoencoderTiny).
PREFIXES = (("encoder.layers.", "decoder.layers."), ("encoder.", "decoder."))
SQUEEZE = 3.0
SIDE = 256
MOST_LAYERS = 64


def recognise(contents: Contents) -> str:
    """Why these are its contents, or ""."""
    encoder, decoder = _pair(contents)
    if encoder or decoder:
        return "a Sequential of convolutions and blocks conv.0, conv.2, conv.4, as in taesd"
    return ""


def read(contents: Contents, claims: Claims) -> Opened:
    """Make layers of both.

    Raises:
        FileFormatError: when one of the two is missing, or weights do not fit together.
        CapabilityError: when it has modules that are none of its own.
    """
    weights = _pair(contents)
    for name, found in zip(("encoder", "decoder"), weights, strict=True):
        if not found:
            raise FileFormatError(f"expected encoder and decoder, got no {name}; give a folder with both")
    encoder, decoder = (Source(found) for found in weights)
    down = [*_layers(encoder, "encoder")]
    up = [Piece(SqueezeLayer(limit=SQUEEZE)), *_layers(decoder, "decoder")]
    for source in (encoder, decoder):
        if left := source.left():
            raise CapabilityError(f"{NAME}: expected convolutions and blocks of three, got {left[0]!r} too")
    channels, latent = _ends(down)
    factor = 2 ** sum(isinstance(piece.layer, ConvLayer) and piece.layer.stride == 2 for piece in down)
    if _ends(up) != (latent, channels) or 2 ** sum(isinstance(piece.layer, ResizeLayer) for piece in up) != factor:
        raise FileFormatError(f"{NAME}: encoder and decoder do not belong together; give a folder with one of each")
    if channels not in (1, 3):
        raise FileFormatError(f"{NAME}: expected images of 1 or 3 channels, got {channels}")
    height, width = claims.image_size or (SIDE, SIDE)
    if height % factor or width % factor:
        raise FileFormatError(f"{NAME}: expected sides that {factor} divides, got {height}×{width}; give --image-size")
    pixels = claims.range or "unit"
    config, tensors = join_model(
        NAME,
        ImageSpec(channels, height, width),
        (latent, height // factor, width // factor),
        Networks(down, [], [], up),
        Pixels(pixels, pixels),
        Observation("gaussian", 1.0),
    )
    size = () if claims.image_size else (Fact("image size", f"{SIDE}×{SIDE}, since it takes any", "--image-size"),)
    return Opened(
        origin=NAME,
        config=config,
        tensors=tensors,
        told=(
            "which is the encoder: its first layer is number 0, the decoder's is a squeeze without weights",
            f"latent {' × '.join(map(str, config.latent))}: the image's sides divided by {factor}",
            "[0, 1], latents in the scale that diffusion models take: as in all that are published",
        ),
        missing=size,
        warnings=("it has no log-variance: it encodes, decodes, edits and walks, and has no prior to sample from",),
    )


def _pair(contents: Contents) -> tuple[Mapping[str, Tensor], Mapping[str, Tensor]]:
    """The tensors of encoder and decoder; empty where there is none."""
    if len(contents.parts) == 1:
        for prefixes in PREFIXES:
            parts = [
                {name.removeprefix(prefix): each for name, each in contents.tensors.items() if name.startswith(prefix)}
                for prefix in prefixes
            ]
            if all(_blocks(part) for part in parts):
                return parts[0], parts[1]
    encoder: Mapping[str, Tensor] = {}
    decoder: Mapping[str, Tensor] = {}
    for part in contents.parts:
        if _blocks(part.tensors):
            if "0.weight" in part.tensors:
                encoder = part.tensors
            else:
                decoder = part.tensors
    return encoder, decoder


def _blocks(tensors: Mapping[str, Tensor]) -> bool:
    """Whether there is a block of three convolutions among numbered modules, and nothing that is not numbered."""
    return any(name.endswith(".conv.4.weight") for name in tensors) and all(name[:1].isdigit() for name in tensors)


def _layers(source: Source, which: str) -> Iterator[Piece]:
    numbers = sorted({int(name.partition(".")[0]) for name in source.tensors if name.partition(".")[0].isdecimal()})
    if len(numbers) > MOST_LAYERS:
        raise FileFormatError(f"{NAME}: expected at most {MOST_LAYERS} modules, got {len(numbers)}")
    for number in numbers:
        if f"{number}.weight" not in source:
            yield _block(source, str(number))
            continue
        plain = f"{number}.bias" in source
        if not plain and which == "decoder":
            yield Piece(ResizeLayer(factor=2))
        yield conv(source, str(number), stride=1 if plain or which == "decoder" else 2, padding=1)
        if number == numbers[0] and which == "decoder":
            yield activation("relu")


def _block(source: Source, name: str) -> Piece:
    """relu(skip(x) + conv(relu(conv(relu(conv(x))))))."""
    relu = activation("relu")
    convs = [conv(source, f"{name}.conv.{index}", padding=1) for index in (0, 2, 4)]
    body, tensors = join_pieces("body", [convs[0], relu, convs[1], relu, convs[2]])
    skip = [conv(source, f"{name}.skip")] if f"{name}.skip.weight" in source else []
    shortcut, more = join_pieces("shortcut", skip)
    return Piece(ResidualLayer(body=body, shortcut=shortcut, after=(relu.layer,)), {**tensors, **more})


def _ends(pieces: list[Piece]) -> tuple[int, int]:
    convs = [piece.layer for piece in pieces if isinstance(piece.layer, ConvLayer)]
    if not convs:
        raise FileFormatError(f"{NAME}: expected convolutions, got none")
    return convs[0].inputs, convs[-1].outputs
