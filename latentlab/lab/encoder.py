"""What is known of a model that encodes, without the model: so little that a process can hold it which has no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from latentlab.codec import ImageSpec, LatentSpec
from latentlab.latents.encode_part import Opener

if TYPE_CHECKING:
    from latentlab.lab.lab import Lab


@dataclass(frozen=True)
class Encoder:
    """A model that encodes images somewhere else.

    Args:
        name: of the model.
        checkpoint: its hash.
        image: the images that it takes.
        latent: the blocks of its latent.
        posterior: whether its posterior has log-variances.
        options: of the source of images, as in training; none for another source than that.
        opener: opens it in a worker, on its device.
        granted: what is taken of somebody else's model without its file telling.
    """

    name: str
    checkpoint: str
    image: ImageSpec
    latent: LatentSpec
    posterior: bool
    options: Mapping[str, object]
    opener: Opener
    granted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """A model to be opened: by its name or path, on a device, for images of a source."""

    model: str
    device: str
    source: str

    def __str__(self) -> str:
        return f"opening {self.model}"


def open_encoder(asked: Asked, report: Callable[[int], None]) -> Encoder:
    """Open a model to tell what is known of it: a task of an engine, for a process that can spare the memory.

    Raises:
        LatentlabError: as `load`, or when the model cannot be opened by its files alone.
    """
    from latentlab.lab.lab import load

    return encoder_of(load(asked.model, asked.device), asked.source)


def encoder_of(lab: Lab, source: str) -> Encoder:
    """What is known of an opened model that is to encode images of a source.

    Raises:
        CapabilityError: when its files alone do not make it again.
    """
    from latentlab.lab.claim_trial import granted
    from latentlab.lab.home import as_in_training
    from latentlab.runs.opener import build_opener

    device = next((str(parameter.device) for parameter in lab.codec.parameters()), "cpu")
    return Encoder(
        name=lab.name,
        checkpoint=lab.checkpoint,
        image=lab.image,
        latent=lab.latent,
        posterior=_has_logvar(lab),
        options=as_in_training(lab, source),
        opener=build_opener(lab.run, device),
        granted=tuple(granted(lab)),
    )


def _has_logvar(lab: Lab) -> bool:
    """Whether the model's posterior has log-variances."""
    import torch

    from latentlab.latents.encode import codec_device

    if not lab.probabilistic:
        return False
    with torch.inference_mode():
        x = torch.zeros(1, *lab.image.shape, device=codec_device(lab.codec))
        return lab.codec.posterior(x).logvar is not None
