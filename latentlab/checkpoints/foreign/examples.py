"""Bare state dicts, as tutorials save them: fc1, fc21, fc22, fc3, fc4, and their kin of any width and depth.

Names say which layer is the mean and which the log-variance, widths how they follow one another, gaps in the numbers
of a Sequential where something without weights stands. What is left (which activation, strides) is the usual one,
and is listed as what the file cannot tell.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Sequence

from latentlab.checkpoints.foreign.geometry import SIDES, Geometry, Step, find_geometries
from latentlab.checkpoints.foreign.network import (
    FLAT,
    Networks,
    Told,
    activation,
    batch_norm,
    conv,
    grid,
    join_model,
    linear,
    square_image,
    told_pixels,
)
from latentlab.checkpoints.foreign.opened import Claims, Contents, Fact, Opened
from latentlab.checkpoints.foreign.piece import Piece, Source
from latentlab.checkpoints.foreign.unit import Roles, Unit, chained, find_roles, gap, list_units, without_common
from latentlab.codec import ImageSpec
from latentlab.errors import CapabilityError, FileFormatError, UsageError
from latentlab.nn.layer import ResizeLayer

NAME = "state dict"


def recognise(contents: Contents) -> str:
    """Why these may be weights of a VAE with no word beside them, or ""."""
    if len(contents.parts) != 1 or not contents.tensors:
        return ""
    names = without_common(contents.tensors)
    try:
        roles = find_roles(list_units(names))
    except (CapabilityError, FileFormatError):
        return ""
    return f"a state dict; {roles.why}"


def read(contents: Contents, claims: Claims) -> Opened:
    """Make layers of it.

    Raises:
        FileFormatError: when the layers do not follow one another, or no image has the size that they need.
        CapabilityError: when it is conditional, or made of what no shape tells.
    """
    source = Source(without_common(contents.tensors))
    roles = find_roles(list_units(source.tensors))
    build = _Build(source, claims, roles)
    grids = any(unit.kind == "conv" for unit in (*roles.encoder, *roles.decoder))
    networks, image, told = build.convolutional(roles) if grids else build.dense(roles)
    if left := source.left():
        raise CapabilityError(f"expected {roles.why}, got {left[0]!r} too; give --loader module:factory")
    size = len(networks.mean[-1].tensors["weight"])
    pixels, likelihood = told_pixels(claims, "sigmoid")
    if grids is False:
        # The shape follows what is a number for each pixel, not the other way round.
        networks = networks._replace(decoder=[*networks.decoder, grid(*image.shape)])
    config, tensors = join_model(NAME, image, (size,), networks, pixels, likelihood, build.condition)
    return Opened(
        origin=NAME,
        config=config,
        tensors=tensors,
        told=(roles.why, *told, f"latent {size}: what {(roles.mean[-1]).name} gives"),
        missing=(*build.missing, *_missing(claims)),
        warnings=tuple(build.warnings),
    )


class _Build:
    """Layers from roles; gathers on the way what the file cannot tell."""

    def __init__(self, source: Source, claims: Claims, roles: Roles) -> None:
        self.source, self.claims = source, claims
        # A ModuleList numbers only what has weights; a Sequential numbers all that it runs.
        pairs = (*itertools.pairwise((*roles.encoder, *roles.mean)), *itertools.pairwise(roles.decoder))
        self.gapped = {one.name.rpartition(".")[0] for one, two in pairs if gap(one, two)}
        self.missing: list[Fact] = []
        self.warnings: list[str] = []
        self.act = activation(claims.activation or "relu")
        self.condition: Told | None = None

    def dense(self, roles: Roles) -> tuple[Networks, ImageSpec, tuple[str, ...]]:
        """Linear layers alone."""
        last = roles.decoder[-1]
        first = (*roles.encoder, *roles.mean)[0]
        size = self.latent(roles)
        self.condition = self.conditional(
            first.inputs - last.outputs, roles.decoder[0].inputs - size, last.outputs, size
        )
        width = chained(roles.encoder, first.inputs, "the encoder's")
        for head in (roles.mean, roles.logvar):
            chained(head, width, "the head")
        chained(roles.decoder, roles.decoder[0].inputs, "the decoder's")
        image, told, missing = square_image(last.outputs, self.claims)
        self.missing += missing
        mean, logvar = self.heads(roles)
        encoder = [FLAT, *self.sequence(roles.encoder, ends=False)]
        widths = [unit.outputs for unit in roles.encoder if unit.kind == "linear"]
        layers = f"linear layers {' · '.join(map(str, (first.inputs, *widths, size)))} and back"
        return Networks(encoder, mean, logvar, self.sequence(roles.decoder, ends=True)), image, (layers, told)

    def conditional(self, inputs: int, codes: int, pixels: int, size: int) -> Told | None:
        """The classes that layers are told which take more than an image and a latent; None where they do not.

        Args:
            inputs: how many numbers the encoder takes behind an image.
            codes: how many the decoder takes behind a latent.
            pixels: of an image.
            size: of the latent.
        """
        if inputs == codes == 0:
            return None
        given = self.claims.classes
        if codes < 2 or inputs not in (0, codes):
            raise FileFormatError(
                f"expected an encoder of {pixels} pixels and a decoder of {size} latents, each with the same number of "
                f"classes behind or none, got {inputs} and {codes} more; give --loader module:factory"
            )
        if given and len(given) != codes:
            raise UsageError(f"expected {codes} names of classes, got {len(given)}: {', '.join(given)}; see --classes")
        self.missing.append(
            Fact(
                "condition", f"{codes} classes, each as a 1 among zeros behind the latent, all as frequent", "--loader"
            )
        )
        if not given:
            self.missing.append(Fact("class names", f"0 to {codes - 1}", "--classes"))
        return Told(given or tuple(map(str, range(codes))), told=inputs > 0)

    def convolutional(self, roles: Roles) -> tuple[Networks, ImageSpec, tuple[str, ...]]:
        """Convolutions, then linear layers; and back."""
        down, dense = _cut(roles.encoder, "conv")
        up_dense, up = _cut(roles.decoder, "linear")
        if not down or not up or any(unit.kind == "conv" for unit in (*roles.mean, *roles.logvar)):
            raise CapabilityError(
                "expected convolutions, then linear layers, and the same way back, got another order; "
                "give --loader module:factory"
            )
        size = self.latent(roles)
        convs, backs = ([unit for unit in units if unit.kind == "conv"] for units in (down, up))
        wide = convs[-1].outputs
        flat = (*dense, *roles.mean)[0].inputs
        end = math.isqrt(flat // wide)
        turned = _turned(backs, convs[0].inputs)
        into = backs[0].shape[0 if turned[0] else 1]
        given = chained(up_dense, size, "the decoder's")
        start = math.isqrt(given // into)
        if not end or end * end * wide != flat or not start or start * start * into != given:
            raise FileFormatError(
                f"expected square grids of {wide} and {into} channels, got {flat} and {given} values; "
                "give --loader module:factory"
            )
        found = self.geometry(convs, end, backs, start, turned)
        width = chained(dense, flat, "the encoder's")
        for head in (roles.mean, roles.logvar):
            chained(head, width, "the head")
        channels = convs[0].inputs
        if channels not in (1, 3):
            raise FileFormatError(f"expected images of 1 or 3 channels, got {channels}; give --loader module:factory")
        encoder = self.grids(down, found.encoder, ends=False)
        encoder += [FLAT, *self.sequence(dense, ends=False)]
        decoder = self.sequence(up_dense, ends=False, before=up[0])
        decoder += [grid(into, start, start), *self.grids(up, found.decoder, ends=True)]
        mean, logvar = self.heads(roles)
        image = ImageSpec(channels, found.side, found.side)
        told = f"convolutions to a {end}×{end} grid of {wide} channels, and back from {start}×{start}: images {image}"
        return Networks(encoder, mean, logvar, decoder), image, (told,)

    def geometry(
        self, convs: Sequence[Unit], end: int, backs: Sequence[Unit], start: int, turned: Sequence[bool]
    ) -> Geometry:
        """The strides and paddings that fit."""
        claimed = self.claims.image_size
        if claimed and claimed[0] != claimed[1]:
            raise CapabilityError("expected square images for convolutions that no file describes; give --loader")
        found = find_geometries(convs, end, backs, start, turned, (claimed[0],) if claimed else SIDES)
        sides = sorted({geometry.side for geometry in found})
        if not found:
            raise CapabilityError(
                "expected convolutions with usual strides that bring an image back in its own size, got none for sides "
                f"{claimed[0] if claimed else f'{SIDES[0]} to {SIDES[-1]}'}; give --image-size, or --loader"
            )
        if len(sides) > 1:
            raise CapabilityError(
                f"expected weights that fit images of one size, got {', '.join(map(str, sides))}; give --image-size"
            )
        first = found[0]
        ways = "; ".join(f"stride {step.stride}, padding {step.padding}" for step in dict.fromkeys(first.encoder))
        others = f", the usual of {len(found)} ways that fit" if len(found) > 1 else ", the only usual way that fits"
        self.missing.append(Fact("strides", f"{ways}{others}, and no pooling", "--loader"))
        if len(found) > 1:
            self.warnings.append("no weight tells strides and paddings: look at a reconstruction before you trust it")
        return first

    def latent(self, roles: Roles) -> int:
        """The size of the latent."""
        size = roles.mean[-1].outputs
        if roles.halves:
            if size % 2:
                raise FileFormatError(f"expected mean and log-variance in {roles.mean[-1].name!r}, got {size} values")
            size //= 2
        if roles.logvar and roles.logvar[-1].outputs != size:
            raise FileFormatError(
                f"expected as many log-variances as means, got {roles.logvar[-1].outputs} and {size}; give --loader"
            )
        return size

    def heads(self, roles: Roles) -> tuple[list[Piece], list[Piece]]:
        """Mean and log-variance."""
        *trunk, last = roles.mean
        before = self.sequence(trunk, ends=False)
        if roles.halves:
            self.missing.append(Fact("order", f"the first half of {last.name} is the mean", "--loader"))
            half = last.outputs // 2
            return [[*before, linear(self.source, last.name, rows)] for rows in (slice(0, half), slice(half, None))]  # type: ignore[return-value]
        mean = [*before, linear(self.source, last.name)]
        if not roles.logvar:
            self.warnings.append("it has no log-variance: it encodes and decodes, and has no prior to sample from")
            return mean, []
        logvar = [*self.sequence(roles.logvar[:-1], ends=False), linear(self.source, roles.logvar[-1].name)]
        if roles.spread == "logvar":
            self.missing.append(Fact("spread", f"{roles.logvar[-1].name} is log σ², as is usual", "--loader"))
        if roles.spread == "logstd":
            # log σ² = 2 log σ.
            doubled = {name: tensor * 2 for name, tensor in logvar[-1].tensors.items()}
            logvar[-1] = Piece(logvar[-1].layer, doubled)
        if roles.spread == "unknown":
            self.warnings.append(
                f"{roles.logvar[-1].name} is a spread of which no name says whether it is σ or its logarithm: it is "
                "left out, and the model encodes and decodes without a posterior"
            )
            return mean, []
        return mean, logvar

    def sequence(self, units: Sequence[Unit], *, ends: bool, before: Unit | None = None) -> list[Piece]:
        """Linear layers and normalisations, with activations between them, and after the last unless it `ends`."""
        pieces: list[Piece] = []
        for index, unit in enumerate(units):
            pieces.append((linear if unit.kind == "linear" else batch_norm)(self.source, unit.name))
            follows = units[index + 1] if index + 1 < len(units) else before
            if follows is None:
                pieces += [] if ends else [self.act]
            elif _active(unit, follows, self.gapped):
                pieces.append(self.act)
        return pieces

    def grids(self, units: Sequence[Unit], steps: Sequence[Step], *, ends: bool) -> list[Piece]:
        """Convolutions and normalisations, with activations between them."""
        pieces: list[Piece] = []
        left = iter(steps)
        for index, unit in enumerate(units):
            if unit.kind == "norm":
                pieces.append(batch_norm(self.source, unit.name))
            else:
                step = next(left)
                if step.factor > 1:
                    pieces.append(Piece(ResizeLayer(factor=step.factor)))
                pieces.append(
                    conv(
                        self.source,
                        unit.name,
                        stride=step.stride,
                        padding=step.padding,
                        transposed=step.transposed,
                        output_padding=step.output_padding,
                    )
                )
            if index + 1 < len(units):
                pieces += [self.act] if _active(unit, units[index + 1], self.gapped) else []
            elif not ends:
                pieces.append(self.act)
        return pieces


def _active(one: Unit, two: Unit, gapped: Container[str]) -> bool:
    """Whether an activation stands between two modules; in the parents that are `gapped` it has a number of its own."""
    between = gap(one, two)
    if between is None or one.name.rpartition(".")[0] not in gapped:
        # A normalisation by name belongs to the layer before it, and the activation comes after both.
        return two.kind != "norm"
    # From a vector to a grid and back one place is taken by the change of shape.
    shaped = {one.kind, two.kind} == {"linear", "conv"}
    return between > (1 if shaped else 0)


def _cut(units: Sequence[Unit], kind: str) -> tuple[list[Unit], list[Unit]]:
    """The modules up to the last of a kind, with the normalisations that follow it, and the rest."""
    if all(unit.kind in ("linear", "conv") for unit in units):
        # Some files are sorted by name, and decoder_conv stands before decoder_fc.
        units = sorted(units, key=lambda unit: unit.kind != kind)
    ends = [index for index, unit in enumerate(units) if unit.kind == kind]
    cut = ends[-1] + 1 if ends else 0
    while cut and cut < len(units) and units[cut].kind == "norm":
        cut += 1
    first, rest = list(units[:cut]), list(units[cut:])
    other = "linear" if kind == "conv" else "conv"
    if any(unit.kind == other for unit in first):
        return [], []
    return first, rest


def _turned(units: Sequence[Unit], channels: int) -> list[bool]:
    """Which convolutions of a decoder are transposed: their shapes have inputs and outputs the other way round."""
    for first in (True, False):
        turned, width = [], units[0].shape[0 if first else 1]
        for unit in units:
            options = [turn for turn in (True, False) if unit.shape[0 if turn else 1] == width]
            if not options or (unit is units[0] and first not in options):
                break
            turn = first if unit is units[0] else options[0]
            turned.append(turn)
            width = unit.shape[1 if turn else 0]
        if len(turned) == len(units) and width == channels:
            return turned
    raise FileFormatError(
        f"expected convolutions that end in {channels} channels, got {units[0].name!r} and others; give --loader"
    )


def _missing(claims: Claims) -> list[Fact]:
    found = []
    if claims.range is None:
        found.append(Fact("pixel range", "[0, 1], as for a decoder that ends in a sigmoid", "--range"))
    if claims.activation is None:
        found.append(Fact("activation", "relu between layers, as is usual", "--activation"))
    if claims.output is None:
        found.append(Fact("output", "a sigmoid, as is usual", "--output"))
    return found
