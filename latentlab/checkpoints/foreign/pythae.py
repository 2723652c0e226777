"""pythae: model folders with default networks, or those of its benchmarks; other networks are pickles of classes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from latentlab.checkpoints.foreign.network import (
    FLAT,
    Codes,
    Networks,
    Pixels,
    activation,
    batch_norm,
    conv,
    grid,
    join_model,
    linear,
    square_image,
)
from latentlab.checkpoints.foreign.opened import Claims, Contents, Fact, Opened
from latentlab.checkpoints.foreign.piece import Piece, Source
from latentlab.codec import ImageSpec
from latentlab.errors import CapabilityError, DataError, FileFormatError
from latentlab.nn.observation import Observation

NAME = "pythae"
CONFIG = "model_config.json"
MARK = ("encoder.embedding.weight", "encoder.layers.0.0.weight")
CLASSES = ("encoder.pkl", "decoder.pkl")
# Its classes by what they do with an image: the posterior is the encoder's Gaussian, or there is none.
GAUSSIAN = {
    *("VAE", "BetaVAE", "BetaTCVAE", "DisentangledBetaVAE", "INFOVAE_MMD", "FactorVAE", "MSSSIM_VAE"),
    *("IWAE", "MIWAE", "PIWAE", "CIWAE", "VAEGAN", "Adversarial_AE"),
}
WITHOUT = {"AE", "WAE_MMD", "RAE_L2", "RAE_GP"}
CODES_OF = "VQVAE"
# Networks that training had beside encoder and decoder.
TRAINING = ("discriminator.",)
MOST_STAGES = 8
UNIFORM = (
    "its prior means nothing: nobody has trained one, all codes are taken to be as likely, and `sample` shows what "
    "dice have thrown; `sample --from aggregate` draws codes of images"
)
# The decoders of its benchmarks by the kernel of their first convolution: the side of the grid that they begin with,
# and each convolution's stride, padding and output padding. Encoders halve the sides four times.
DECODERS: dict[int, tuple[str, int, tuple[tuple[int, int, int], ...]]] = {
    3: ("MNIST", 4, ((2, 1, 0), (2, 1, 1), (2, 1, 1))),
    4: ("CIFAR", 8, ((2, 1, 0), (2, 1, 1), (1, 2, 0))),
    5: ("CELEBA", 8, ((2, 2, 0), (2, 1, 0), (2, 2, 1), (1, 1, 0))),
}
SIDES = {"MNIST": 28, "CIFAR": 32, "CELEBA": 64}


def recognise(contents: Contents) -> str:
    """Why these are its contents, or ""."""
    named = str(contents.json.get(CONFIG, {}).get("name", ""))
    if named.endswith("Config") and contents.tensors:
        return f"{CONFIG} names {named[:40]}"
    if contents.parts[0].under == "model_state_dict" and any(name in contents.tensors for name in MARK):
        return f"weights named as in pythae ({MARK[0]}) under model_state_dict"
    return ""


def read(contents: Contents, claims: Claims) -> Opened:
    """Make layers of its networks.

    Raises:
        FileFormatError: when weights are missing, or do not fit together.
        CapabilityError: when its class or its networks are others than these.
    """
    settings = contents.json.get(CONFIG, {})
    source = Source(contents.tensors)
    kind = _kind(settings, source)
    pickled = [name for name in contents.others if name in CLASSES]
    convolutional = MARK[1] in source and source.tensors[MARK[1]].ndim == 4
    try:
        networks, image, told = (_benchmark if convolutional else _default)(source, settings, claims)
    except FileFormatError as error:
        # Networks of the user's own have names and shapes that neither of the two has.
        if pickled:
            raise _custom(pickled, f"got others ({str(error).partition(';')[0]})") from error
        raise
    codebook = _codebook(source) if kind == CODES_OF else None
    left = [name for name in source.left() if not name.startswith(TRAINING)]
    if left:
        raise _custom(pickled, f"got {left[0]!r} too")
    if kind in GAUSSIAN and not networks.logvar:
        raise FileFormatError(f"{NAME}: expected encoder.log_var in a {kind}, got none; the file is not whole")
    loss = settings.get("reconstruction_loss", "mse")
    likelihood = Observation() if loss == "bce" else Observation("gaussian", 1.0)
    latent = len(networks.mean[-1].tensors["weight"])
    pixels = Pixels(claims.range or "unit", "logits")
    if codebook is None:
        config, tensors = join_model(NAME, image, (latent,), networks, pixels, likelihood)
    else:
        if convolutional or codebook.shape[1] != 1:
            raise _custom(pickled, f"codes of {tuple(codebook.shape)}")
        # Its default encoder gives a vector, which it takes for a row of numbers, each with a code of its own.
        networks = networks._replace(decoder=[FLAT, *networks.decoder])
        config, tensors = join_model(NAME, image, (1, latent), networks, pixels, likelihood, Codes(*codebook.shape))
        tensors["quantizer.codebook"] = codebook
    return Opened(
        origin=NAME,
        config=config,
        tensors=tensors,
        told=(
            told,
            f"{kind}: {CONFIG}" if settings else f"{kind}: from the names of its weights, without {CONFIG}",
            f"latent {latent}: rows of encoder.embedding",
            *([f"{len(codebook)} codes of one number each: quantizer.embeddings"] if codebook is not None else []),
            *([f"likelihood {likelihood.kind}: reconstruction_loss {loss}"] if settings else []),
        ),
        missing=_missing(settings, claims),
        warnings=(
            *_disagreements(settings, image, latent, convolutional and bool(pickled)),
            *([UNIFORM] if codebook is not None else []),
        ),
    )


def _kind(settings: Mapping[str, Any], source: Source) -> str:
    named = str(settings.get("name", "")).removesuffix("Config").removesuffix("_")
    if not named:
        if any(name.startswith("quantizer.") for name in source.tensors):
            return CODES_OF
        return "VAE" if "encoder.log_var.weight" in source else "AE"
    known = GAUSSIAN | WITHOUT | {CODES_OF}
    if named not in known:
        raise CapabilityError(
            f"{NAME}: expected one of {', '.join(sorted(known))}, got {named[:40]!r}, whose latents are "
            "made in another way; give --loader module:factory"
        )
    return named


def _codebook(source: Source) -> Tensor:
    """The codes of a VQVAE, of shape (K, c); the averages that they were made of are let go."""
    for name in ("quantizer.cluster_size", "quantizer.ema_embed"):
        if name in source:
            source.take(name, source.tensors[name].ndim)
    return source.take(
        "quantizer.embeddings.weight" if "quantizer.embeddings.weight" in source else "quantizer.embeddings", 2
    )


def _default(source: Source, settings: Mapping[str, Any], claims: Claims) -> tuple[Networks, ImageSpec, str]:
    """One hidden layer each."""
    first = linear(source, "encoder.layers.0.0")
    hidden, values = first.tensors["weight"].shape
    decoder = [linear(source, "decoder.layers.0.0"), activation("relu"), linear(source, "decoder.layers.1.0")]
    shape = settings.get("input_dim")
    if isinstance(shape, list | tuple) and len(shape) == 3 and all(type(side) is int for side in shape):
        if math.prod(shape) != values:
            raise FileFormatError(f"{NAME}: expected images of {values} values, got {list(shape)} in {CONFIG}")
        try:
            image, told = ImageSpec(*shape), f"input_dim in {CONFIG}"
        except DataError as error:
            raise CapabilityError(f"{NAME}: {error}; latentlab has no pictures for others") from error
    else:
        image, told, _ = square_image(values, claims)
    mean, logvar = _heads(source)
    networks = Networks(
        [FLAT, first, activation("relu")], mean, logvar, [*decoder, grid(image.channels, image.height, image.width)]
    )
    return networks, image, f"default networks of {hidden} hidden units, images {image}: {told}"


def _benchmark(source: Source, settings: Mapping[str, Any], claims: Claims) -> tuple[Networks, ImageSpec, str]:
    """The convolutional networks of its benchmarks."""
    encoder: list[Piece] = []
    count = _stages(source, "encoder.layers", 0)
    for index in range(count):
        name = f"encoder.layers.{index}"
        encoder += [conv(source, f"{name}.0", stride=2, padding=1), batch_norm(source, f"{name}.1"), activation("relu")]
    mean, logvar = _heads(source)
    kernel = source.take("decoder.layers.1.0.weight", 4).shape[2]
    if kernel not in DECODERS or count != 4:
        raise FileFormatError(f"{NAME}: expected a decoder of its benchmarks, got one of kernel {kernel}")
    name, side, steps = DECODERS[kernel]
    first = linear(source, "decoder.layers.0" if "decoder.layers.0.weight" in source else "decoder.layers.0.0")
    width = len(source.take("decoder.layers.1.0.weight", 4))
    decoder = [first, grid(width, side, side)]
    for index, (stride, padding, more) in enumerate(steps, 1):
        block = f"decoder.layers.{index}"
        decoder.append(conv(source, f"{block}.0", stride=stride, padding=padding, transposed=True, output_padding=more))
        if index < len(steps):
            decoder += [batch_norm(source, f"{block}.1"), activation("relu")]
    channels = source.tensors["encoder.layers.0.0.weight"].shape[1]
    if channels not in (1, 3):
        raise FileFormatError(f"{NAME}: expected images of 1 or 3 channels, got {channels}")
    image = ImageSpec(channels, SIDES[name], SIDES[name])
    return Networks([*encoder, FLAT], mean, logvar, decoder), image, f"its convolutional networks for {name}: {image}"


def _heads(source: Source) -> tuple[list[Piece], list[Piece]]:
    mean = linear(source, "encoder.embedding")
    return [mean], [linear(source, "encoder.log_var")] if "encoder.log_var.weight" in source else []


def _stages(source: Source, name: str, start: int) -> int:
    return next(index for index in range(start, MOST_STAGES) if f"{name}.{index}.0.weight" not in source)


def _custom(pickled: list[str], why: str) -> CapabilityError:
    where = f", pickled in {' and '.join(pickled)}, which are not opened since that runs code" if pickled else ""
    return CapabilityError(
        f"{NAME}: expected its default networks or those of its benchmarks, {why}: these are networks of the "
        f"author's own{where}; give --loader module:factory"
    )


def _missing(settings: Mapping[str, Any], claims: Claims) -> tuple[Fact, ...]:
    found = []
    if claims.range is None:
        found.append(Fact("pixel range", "[0, 1], as its decoders end in a sigmoid", "--range"))
    if not settings:
        found.append(Fact("likelihood", f"a Gaussian with σ = 1, since there is no {CONFIG}", ""))
    return tuple(found)


def _disagreements(settings: Mapping[str, Any], image: ImageSpec, latent: int, unseen: bool) -> list[str]:
    """Where the settings say other than the weights; and that the classes of its networks were not looked at."""
    found = []
    for key, got in (("latent_dim", latent), ("input_dim", list(image.shape))):
        said = settings.get(key)
        if said is not None and (list(said) if isinstance(said, list | tuple) else said) != got:
            found.append(f"{CONFIG} says {key} {str(said)[:60]}, the weights say {got}: the weights are believed")
    if unseen:
        found.append(
            "its networks have the names and shapes of pythae's benchmarks and are taken for them; the classes "
            "themselves are pickled and were not looked at"
        )
    return found
