"""The modules of a bare state dict, told by the names and shapes of their tensors, and the part that each plays."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

from latentlab.errors import CapabilityError, FileFormatError

Spread = Literal["logvar", "logstd", "unknown", ""]
Role = Spread | Literal["mean", "both"]
MOST_UNITS = 128
LOGVAR = r"log_?var|lvar$|^lv$|variance|var$|^var(?!iation)"
PARTS = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


@dataclass(frozen=True)
class Unit:
    """A module with weights: `shape` is its weight's, or (channels,) of a normalisation."""

    name: str
    kind: Literal["linear", "conv", "norm"]
    shape: tuple[int, ...]

    @property
    def inputs(self) -> int:
        return self.shape[-1 if self.kind == "linear" else 0 if self.kind == "norm" else 1]

    @property
    def outputs(self) -> int:
        return self.shape[0]


class Roles(NamedTuple):
    """Which module does what, each in the order in which they follow one another.

    `spread` is what `logvar` gives: log σ², log σ, or what no name tells; "halves" stand in `mean` where it is None.
    """

    encoder: tuple[Unit, ...]
    mean: tuple[Unit, ...]
    logvar: tuple[Unit, ...]
    decoder: tuple[Unit, ...]
    spread: Spread
    halves: bool
    why: str


def list_units(tensors: Mapping[str, Tensor]) -> list[Unit]:
    """The modules in the order of the file.

    Raises:
        CapabilityError: when there is one that is neither linear, convolution nor normalisation over a batch.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        module, _, part = name.rpartition(".")
        if part not in PARTS or not module:
            raise _strange(name, tensor)
        groups.setdefault(module, {})[part] = tensor
    if len(groups) > MOST_UNITS:
        raise CapabilityError(f"expected a network of at most {MOST_UNITS} modules, got {len(groups)}")
    return [_unit(name, parts) for name, parts in groups.items()]


def _unit(name: str, parts: Mapping[str, Tensor]) -> Unit:
    if "running_mean" in parts:
        return Unit(name, "norm", tuple(parts["running_mean"].shape))
    weight = parts.get("weight")
    kinds: dict[int, Literal["linear", "conv"]] = {2: "linear", 4: "conv"}
    if weight is None or weight.ndim not in kinds or 0 in weight.shape:
        part = "weight" if weight is not None else next(iter(parts))
        raise _strange(f"{name}.{part}", parts[part])
    return Unit(name, kinds[weight.ndim], tuple(weight.shape))


def _strange(name: str, tensor: Tensor) -> CapabilityError:
    return CapabilityError(
        f"expected linear layers, convolutions and normalisations over a batch, got {name[:60]!r} of shape "
        f"{tuple(tensor.shape)}; no shape tells what it does: give --loader module:factory"
    )


def without_common(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without the names that all of them stand under, such as `model.` or `vae.`."""
    found = dict(tensors)
    while found:
        first = {name.partition(".")[0] for name in found}
        if len(first) > 1 or any(name.count(".") < 2 for name in found):
            break
        found = {name.partition(".")[2]: tensor for name, tensor in found.items()}
    return found


def find_roles(units: Sequence[Unit]) -> Roles:
    """Encoder, heads and decoder, by names first and by widths where those say nothing.

    Raises:
        FileFormatError: when no part of it is a bottleneck.
    """
    for order in (_numbered(units), sorted(units, key=_natural)):
        roles = _named_heads(order) or _numbered_heads(order) or _no_heads(order)
        if roles is not None and roles.encoder + roles.mean and roles.decoder:
            return roles
    raise FileFormatError(
        "expected an encoder, its mean and log-variance, and a decoder, got modules "
        f"{', '.join(unit.name[:30] for unit in units[:8])}; give --loader module:factory"
    )


def side_of(unit: Unit) -> str:
    """ "encoder" or "decoder" where its name says so."""
    for part in unit.name.lower().split("."):
        if re.search(r"dec|^gen|deconv|upsample", part):
            return "decoder"
        if re.search(r"enc|^inf|recog", part):
            return "encoder"
    return ""


def role_of(unit: Unit) -> Role:
    """ "mean", "logvar", "logstd", "unknown" (a spread of no known kind), "both", or "", by its name."""
    found = {_role(part) for part in unit.name.lower().split(".")} - {""}
    if "mean" in found and len(found) > 1:
        return "both"
    return next(iter(found), "")


def _role(part: str) -> Role:
    bare = re.sub(r"[\d_\-]", "", part)
    if re.search(r"log_?(sigma|std)_?(2|sq)", part) or re.search(LOGVAR, bare):
        spread: Spread = "logvar"
    elif re.search(r"log(sigma|std|sd|scale)", bare):
        spread = "logstd"
    elif re.search(r"(sigma|std|stddev|scale)$|^(sigma|std)", bare):
        spread = "unknown"
    else:
        spread = ""
    mean = re.search(r"^mu(?!lti)|mu$|^mean|means?$|^loc$|^zmu|^fcmu", bare.removesuffix("layer"))
    return "both" if mean and spread else "mean" if mean else spread


def _named_heads(order: Sequence[Unit]) -> Roles | None:
    heads = {unit: role_of(unit) for unit in order if side_of(unit) != "decoder" and role_of(unit)}
    mean = tuple(unit for unit, role in heads.items() if role in ("mean", "both"))
    if not mean:
        return None
    both = any(role == "both" for role in heads.values())
    spreads: dict[Spread, list[Unit]] = {}
    for unit, role in heads.items():
        if role != "mean" and role != "both":
            spreads.setdefault(role, []).append(unit)
    if len(spreads) > 1:
        return None
    none: Spread = "logvar" if both else ""
    spread, logvar = next(iter(spreads.items()), (none, []))
    first = order.index(mean[0])
    others = [unit for unit in order if unit not in heads]
    encoder = [unit for unit in others if (side_of(unit) or _before(unit, order, first)) == "encoder"]
    decoder = [unit for unit in others if unit not in encoder]
    names = " and ".join(unit.name for unit in (mean[0], *logvar[:1]))
    return Roles(
        tuple(encoder), mean, tuple(logvar), tuple(decoder), spread, both, f"mean and log-variance: the names {names}"
    )


def _numbered_heads(order: Sequence[Unit]) -> Roles | None:
    """Two layers of one shape that follow one another, whose names differ in their last sign: fc21 and fc22."""
    names = {unit.name for unit in order}
    for index, (one, two) in enumerate(itertools.pairwise(order)):
        alike = one.kind == two.kind == "linear" and one.shape == two.shape and one.name[:-1] == two.name[:-1]
        pair = (one.name[-1:], two.name[-1:]) in {("1", "2"), ("a", "b")}
        # fc21 after fc1 is the first of two; fc1 is the first of many, and so is fc11 where there is an fc10.
        second = one.name[-2:-1].isdecimal() and one.name[:-1] + "0" not in names
        if alike and pair and (second or one.outputs != two.inputs) and order[index + 2 :]:
            why = f"mean and log-variance: {one.name} and {two.name}, two layers of one shape in that order"
            return Roles(tuple(order[:index]), (one,), (two,), tuple(order[index + 2 :]), "logvar", False, why)
    return None


def _no_heads(order: Sequence[Unit]) -> Roles | None:
    """An encoder whose last layer is as wide as the latent, or twice as wide."""
    encoder = tuple(unit for unit in order if side_of(unit) == "encoder")
    decoder = tuple(unit for unit in order if side_of(unit) == "decoder")
    if not encoder and not decoder:
        cut = _cut(order)
        if not cut:
            return None
        encoder, decoder = tuple(order[:cut]), tuple(order[cut:])
    if not encoder or not decoder or len(encoder) + len(decoder) < len(order):
        return None
    last, first = encoder[-1], decoder[0]
    if last.kind != "linear" or first.kind != "linear":
        return None
    halves = last.outputs == 2 * first.inputs
    why = f"{last.name} gives {last.outputs} values and {first.name} takes {first.inputs}"
    spread: Spread = "logvar" if halves else ""
    return Roles(encoder[:-1], (last,), (), decoder, spread, halves, why)


def _cut(order: Sequence[Unit]) -> int:
    """Where the decoder begins: where half of what was given is taken, or after the one narrowest; 0: nowhere."""
    plain = [index for index, unit in enumerate(order) if unit.kind == "linear"]
    for one, two in itertools.pairwise(plain):
        if order[one].outputs == 2 * order[two].inputs:
            return two
    widths = [order[index].outputs for index in plain[:-1]]
    return plain[widths.index(min(widths))] + 1 if widths and widths.count(min(widths)) == 1 else 0


def _before(unit: Unit, order: Sequence[Unit], first: int) -> str:
    return "encoder" if order.index(unit) < first else "decoder"


def _numbered(units: Sequence[Unit]) -> list[Unit]:
    """In the order of the file, and the modules of a Sequential by their numbers: some files are sorted as text."""
    places: dict[str, int] = {}
    for place, unit in enumerate(units):
        places.setdefault(unit.name.rpartition(".")[0], place)

    def key(item: tuple[int, Unit]) -> tuple[int, int]:
        parent, _, last = item[1].name.rpartition(".")
        is_number = last.isdecimal() and len(last) <= 4
        return (places[parent], int(last)) if is_number else (item[0], 0)

    return [unit for _, unit in sorted(enumerate(units), key=key)]


def _natural(unit: Unit) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)|\.", unit.name) if part]


def gap(one: Unit, two: Unit) -> int | None:
    """How many places lie between two modules of one Sequential: 0 where they touch; None where they are of two."""
    (parent, _, index), (other, _, after) = one.name.rpartition("."), two.name.rpartition(".")
    if parent != other or not (index.isdecimal() and after.isdecimal()) or max(len(index), len(after)) > 4:
        return None
    return int(after) - int(index) - 1


def chained(units: Iterable[Unit], inputs: int, what: str) -> int:
    """The width that comes out of linear layers and normalisations that follow one another.

    Raises:
        FileFormatError: when one takes another width than the one before gives.
    """
    for unit in units:
        if unit.inputs != inputs:
            raise FileFormatError(
                f"expected {what} {unit.name!r} to take {inputs} values, got {unit.inputs}; "
                "give --loader module:factory"
            )
        inputs = unit.outputs
    return inputs
