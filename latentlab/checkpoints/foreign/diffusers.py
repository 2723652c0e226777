"""AutoencoderKL of diffusers, the autoencoder of latent diffusion models, as layers.

Its weights say how it is built; config.json beside them says what no shape tells: groups, activation, image size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from latentlab.checkpoints.foreign.diffusers_block import Blocks
from latentlab.checkpoints.foreign.network import Networks, Pixels, join_model
from latentlab.checkpoints.foreign.opened import Claims, Contents, Fact, Opened, Part
from latentlab.checkpoints.foreign.piece import Piece, Source
from latentlab.codec import ImageSpec
from latentlab.errors import CapabilityError, DataError, FileFormatError
from latentlab.models.adopted import AdoptedConfig
from latentlab.nn.activation import ActivationName
from latentlab.nn.layer import ConvLayer, ResizeLayer
from latentlab.nn.observation import Observation

NAME = "AutoencoderKL"
CONFIG = "config.json"
# Names of weights that every one has, and no VAE of others.
MARKS = ("encoder.down_blocks.0.resnets.0.norm1.weight", "decoder.up_blocks.0.resnets.0.norm1.weight")
ACTIVATIONS: dict[str, ActivationName] = {"silu": "silu", "swish": "silu", "gelu": "gelu", "relu": "relu"}
GROUPS = 32
# It is convolutional and takes any size; where nothing is said, one whose pictures fit in every memory.
SIDE = 256


def recognise(contents: Contents) -> str:
    """Why these are the contents of a folder of diffusers, or ""."""
    if _parts(contents):
        return f"weights named as in {NAME} of diffusers ({MARKS[0]})"
    config = contents.json.get(CONFIG, {})
    written = {"_class_name", "_diffusers_version"} <= config.keys()
    # Another reader knows that one.
    return f"{CONFIG} was written by diffusers" if written and config["_class_name"] != "AutoencoderTiny" else ""


def read(contents: Contents, claims: Claims) -> Opened:
    """Make layers of its blocks.

    Raises:
        FileFormatError: when weights are missing, or are not what their names or config.json say.
        CapabilityError: when it is another of diffusers' models, or has what there are no layers for.
    """
    settings = contents.json.get(CONFIG, {})
    if settings.get("_class_name", NAME) != NAME:
        raise CapabilityError(
            f"expected {NAME}, got {_shown(settings['_class_name'])} in {CONFIG}; of diffusers' models that one is read"
        )
    parts = _parts(contents)
    if not parts:
        raise FileFormatError(
            f"expected the weights of {NAME} beside {CONFIG}, got none; "
            "put diffusion_pytorch_model.safetensors into that folder"
        )
    # A folder may hold the same weights in single and in half precision.
    part = max(parts, key=lambda part: (part.tensors[MARKS[0]].element_size(), part.container == "safetensors"))
    try:
        return _read(part, settings, claims)
    except (ValueError, DataError) as error:
        raise FileFormatError(f"{NAME}: {error}; its weights and {CONFIG} do not fit together") from error


def _parts(contents: Contents) -> list[Part]:
    return [part for part in contents.parts if all(name in part.tensors for name in MARKS)]


def _read(part: Part, settings: Mapping[str, Any], claims: Claims) -> Opened:
    source = Source(part.tensors)
    groups = _number(settings, "norm_num_groups", GROUPS)
    blocks = Blocks(source, groups, _activation(settings))
    encoder, mean, logvar = blocks.encoder()
    decoder = blocks.decoder()
    if source.left():
        raise CapabilityError(
            f"expected no weights but those of {NAME}, got {source.listed()}; latentlab has no layers for them"
        )
    channels, latent_channels = _inputs(encoder), _inputs(decoder)
    if channels not in (1, 3):
        raise CapabilityError(
            f"expected images of 1 or 3 channels, got {channels}; latentlab has no pictures for others"
        )
    if (_outputs(decoder), _outputs(mean)) != (channels, latent_channels):
        raise FileFormatError(
            f"expected images of {channels} and latents of {latent_channels} channels in and out, got "
            f"{_outputs(decoder)} and {_outputs(mean)} out; it is of another kind"
        )
    factor = _factor(encoder, decoder)
    image = ImageSpec(channels, *_sides(settings, claims, factor))
    latent = (latent_channels, image.height // factor, image.width // factor)
    pixels = claims.range or "signed"
    networks = Networks(encoder, mean, logvar, decoder)
    config, tensors = join_model(
        "diffusers", image, latent, networks, Pixels(pixels, pixels), Observation("gaussian", 1.0)
    )
    return Opened(
        origin="diffusers",
        config=config,
        tensors=tensors,
        told=(
            f"blocks, widths and attention: from the names and shapes of {len(part.tensors)} tensors",
            _told_groups(settings, groups),
            _told_size(settings, claims, factor),
            f"latent {' × '.join(map(str, config.latent))}: the image's sides divided by {factor}",
            *_told_scale(settings),
        ),
        missing=_missing(settings, claims),
        warnings=(*_disagreements(settings, config, encoder), PRIOR),
    )


PRIOR = (
    "its prior means nothing: such models are trained with a KL term of about a millionth, so that draws of N(0, 1) "
    "decode to noise; `sample --from aggregate` draws around latents of images"
)


def _inputs(pieces: Iterable[Piece]) -> int:
    return next(piece.layer.inputs for piece in pieces if isinstance(piece.layer, ConvLayer))


def _outputs(pieces: Iterable[Piece]) -> int:
    return [piece.layer.outputs for piece in pieces if isinstance(piece.layer, ConvLayer)][-1]


def _factor(encoder: Iterable[Piece], decoder: Iterable[Piece]) -> int:
    """How many pixels of a side fall upon one place of the latent."""
    down = sum(isinstance(piece.layer, ConvLayer) and piece.layer.stride == 2 for piece in encoder)
    up = sum(isinstance(piece.layer, ResizeLayer) for piece in decoder)
    if down != up:
        raise FileFormatError(f"expected as many enlargements as reductions, got {up} and {down}; it is not whole")
    return 2**down


def _sides(settings: Mapping[str, Any], claims: Claims, factor: int) -> tuple[int, int]:
    """(height, width): what is claimed, else what config.json says, else a size that it can take."""
    given = claims.image_size or settings.get("sample_size") or SIDE
    sides = given if isinstance(given, tuple | list) else (given, given)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise ValueError(f"sample_size: expected a whole number or two, got {_shown(given)}")
    if any(side % factor for side in sides):
        raise CapabilityError(
            f"expected sides that {factor} divides, got {sides[0]}×{sides[1]}; give others with --image-size"
        )
    return sides[0], sides[1]


def _number(settings: Mapping[str, Any], key: str, default: int) -> int:
    found = settings.get(key, default)
    if type(found) is not int or not 0 < found < 2**31:
        raise ValueError(f"{key}: expected a whole number above 0, got {_shown(found)}")
    return found


def _activation(settings: Mapping[str, Any]) -> ActivationName:
    found = settings.get("act_fn", "silu")
    if not isinstance(found, str) or found not in ACTIVATIONS:
        raise CapabilityError(
            f"act_fn: expected one of {', '.join(ACTIVATIONS)}, got {_shown(found)}; latentlab has no layer for it"
        )
    return ACTIVATIONS[found]


def _told_groups(settings: Mapping[str, Any], groups: int) -> str:
    known = [f"{key} in {CONFIG}" for key in ("norm_num_groups", "act_fn") if key in settings]
    where = " and ".join(known) or f"as in all that are published, since there is no {CONFIG}"
    return f"{groups} groups of channels, activation {_activation(settings)}: {where}"


def _told_size(settings: Mapping[str, Any], claims: Claims, factor: int) -> str:
    by = "as claimed" if claims.image_size else f"sample_size in {CONFIG}" if settings.get("sample_size") else "chosen"
    height, width = _sides(settings, claims, factor)
    return f"images {height}×{width}: {by}; it is convolutional and takes all sides that {factor} divides"


def _told_scale(settings: Mapping[str, Any]) -> list[str]:
    scale, shift = settings.get("scaling_factor"), settings.get("shift_factor")
    if type(scale) not in (int, float):
        return []
    less = f"(z − {shift:.6g})" if type(shift) in (int, float) else "z"
    return [f"latents are its own posterior means z: diffusion models take {less} · {scale:.6g} (scaling_factor)"]


def _missing(settings: Mapping[str, Any], claims: Claims) -> tuple[Fact, ...]:
    found = []
    if claims.image_size is None and not settings.get("sample_size"):
        found.append(Fact("image size", f"{SIDE}×{SIDE}, since it takes any", "--image-size"))
    if claims.range is None:
        found.append(Fact("pixel range", "[−1, 1], as everywhere in diffusers", "--range"))
    found.append(Fact("likelihood", "a Gaussian with σ = 1: its decoder gives pixels and no spread", ""))
    return tuple(found)


def _disagreements(settings: Mapping[str, Any], config: AdoptedConfig, encoder: Iterable[Piece]) -> list[str]:
    """Where config.json says something else than the weights."""
    widths = settings.get("block_out_channels")
    first = next(piece.layer.outputs for piece in encoder if isinstance(piece.layer, ConvLayer))
    claimed = {
        "in_channels": (settings.get("in_channels"), config.image.channels),
        "latent_channels": (settings.get("latent_channels"), config.latent[0]),
        "block_out_channels": (widths[0] if isinstance(widths, list | tuple) and widths else None, first),
    }
    return [
        f"{CONFIG} says {key} {_shown(said)}, the weights say {got}: the weights are believed"
        for key, (said, got) in claimed.items()
        if said is not None and said != got
    ]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
