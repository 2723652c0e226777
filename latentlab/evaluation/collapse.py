"""Latent dimensions that do no work, each told why, and what to do about it in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from latentlab.errors import DataError, UsageError
from latentlab.evaluation.usage import ACTIVE_VARIANCE

State = Literal["active", "collapsed", "constant", "ignored"]

# A posterior within this of the prior says nothing of its image; a dimension is collapsed where that holds for most.
COLLAPSE_NATS = 0.01
COLLAPSE_SHARE = 0.99
# A code of an autoencoder, which has no scale of its own, is constant below this share of the widest one's deviation.
DEAD_RATIO = 1e-2
# A dimension that changes pictures by less than this share of what the strongest one changes is ignored.
IGNORED_RATIO = 0.01
RESPONSE_COUNT = 200
# Below this KL, all dimensions together hardly tell an image from any other.
HARDLY_NATS = 0.5


@dataclass(frozen=True)
class Collapse:
    """What each latent dimension does.

    Args:
        states: of each dimension, "active"; "collapsed": q(z_j|x) is the prior for at least 99 % of the images;
            "constant": its mean hardly depends on the image (Burda's inactive units), though its KL is paid for;
            "ignored": it tells of the image, but the decoder does not look at it.
        kl_nats: the mean KL(q(z_j|x) ‖ p(z_j)) of each dimension, of shape (d,); None without posteriors.
        collapsed_share: the share of images for which that KL is below 0.01 nats, of shape (d,); None likewise.
        mean_variance: the variance over images of the posterior mean or code, of shape (d,).
        posterior_variance: the mean posterior variance, of shape (d,); None without posteriors.
        response: see `decoder_response`, of shape (d,); None where it was not measured.
        advice: sentences, none where nothing is to be said.

    References:
        Y. Burda, R. Grosse, R. Salakhutdinov, "Importance Weighted Autoencoders", 2015, arXiv:1509.00519 (active
        units); J. Lucas, G. Tucker, R. Grosse, M. Norouzi, "Don't Blame the ELBO! A Linear VAE Perspective on Posterior
        Collapse", 2019, arXiv:1911.02469 (collapse as a share of images within ε of the prior).
    """

    states: tuple[State, ...]
    kl_nats: np.ndarray | None
    collapsed_share: np.ndarray | None
    mean_variance: np.ndarray
    posterior_variance: np.ndarray | None
    response: np.ndarray | None
    advice: tuple[str, ...]

    def dimensions(self, state: State) -> list[int]:
        """The numbers of the dimensions in a state, from 0."""
        return [number for number, one in enumerate(self.states) if one == state]

    def record(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            name: value.tolist()
            if isinstance(value, np.ndarray)
            else list(value)
            if isinstance(value, tuple)
            else value
            for name, value in vars(self).items()
        }


def score_collapse(
    mean: np.ndarray,
    logvar: np.ndarray | None = None,
    *,
    kl: np.ndarray | None = None,
    response: np.ndarray | None = None,
    beta: float | None = None,
    warmup_epochs: float | None = None,
    free_nats: float | None = None,
) -> Collapse:
    """Tell what each latent dimension does, and what to do about those that do nothing.

    Args:
        mean: posterior means, or codes, of shape (n, d), n ≥ 2.
        logvar: posterior log-variances of shape (n, d); None for an autoencoder.
        kl: of each image and dimension from its prior, in nats, of shape (n, d); None takes that from N(0, 1).
        response: of the decoder to each dimension, of shape (d,); see `decoder_response`.
        beta: the weight of the KL that the model was trained with; None where it is not known.
        warmup_epochs: over which it rose, likewise.
        free_nats: that a dimension had free, likewise.

    Raises:
        DataError: when shapes differ, there are fewer than 2 images, or values are not finite.
    """
    mean = np.asarray(mean, np.float64)
    given = {"log-variances": (logvar, mean.shape), "KL": (kl, mean.shape), "response": (response, mean.shape[1:])}
    if mean.ndim != 2 or len(mean) < 2 or not np.isfinite(mean).all():
        raise DataError(f"expected finite means (n, d) of at least 2 images, got shape {mean.shape}")
    for name, (values, shape) in given.items():
        if values is not None and (values.shape != shape or not np.isfinite(values).all()):
            raise DataError(f"expected finite {name} of shape {shape}, got shape {values.shape}")
    sums = DimensionSums(mean.shape[1]).add(mean, logvar, kl)
    return judge_dimensions(
        mean.var(axis=0), sums, response=response, beta=beta, warmup_epochs=warmup_epochs, free_nats=free_nats
    )


class DimensionSums:
    """What posteriors say of each latent dimension, summed over images, which need not be held together.

    Args:
        size: the latent dimensions d.
    """

    def __init__(self, size: int) -> None:
        self.count = 0
        self._kl = np.zeros(size)
        self._near = np.zeros(size)
        self._variance = np.zeros(size)
        # Without posteriors there is neither, and with another prior than N(0, 1) no KL may be known.
        self._has_kl = self._has_variance = False

    def add(self, mean: np.ndarray, logvar: np.ndarray | None, kl: np.ndarray | None = None) -> DimensionSums:
        """Add images: posterior means and log-variances of shape (n, d); returns itself.

        Args:
            mean: of shape (n, d).
            logvar: of shape (n, d), or None.
            kl: from the prior, in nats, of shape (n, d); None takes that from N(0, 1), where there are log-variances.
        """
        wide = None if logvar is None else np.asarray(logvar, np.float64)
        if kl is None and wide is not None:
            kl = 0.5 * (np.asarray(mean, np.float64) ** 2 + np.exp(wide) - 1 - wide)
        if kl is not None:
            self._kl += kl.sum(axis=0)
            self._near += (kl < COLLAPSE_NATS).sum(axis=0)
            self._has_kl = True
        if wide is not None:
            self._variance += np.exp(wide).sum(axis=0)
            self._has_variance = True
        self.count += len(mean)
        return self

    @property
    def kl_nats(self) -> np.ndarray | None:
        """The mean KL of each dimension."""
        return self._kl / self.count if self._has_kl else None

    @property
    def collapsed_share(self) -> np.ndarray | None:
        """The share of images whose posterior is the prior, by dimension."""
        return self._near / self.count if self._has_kl else None

    @property
    def posterior_variance(self) -> np.ndarray | None:
        """The mean posterior variance of each dimension."""
        return self._variance / self.count if self._has_variance else None


def judge_dimensions(
    variance: np.ndarray,
    sums: DimensionSums,
    *,
    response: np.ndarray | None = None,
    beta: float | None = None,
    warmup_epochs: float | None = None,
    free_nats: float | None = None,
) -> Collapse:
    """Tell what each latent dimension does, as `score_collapse`, of sums over any number of images.

    Args:
        variance: over images of the posterior mean, or the code, of shape (d,).
        sums: of the same images.
        response: see `score_collapse`, likewise the others.
        beta: likewise.
        warmup_epochs: likewise.
        free_nats: likewise.
    """
    kl, share = sums.kl_nats, sums.collapsed_share
    if share is None:
        constant = np.sqrt(variance) <= DEAD_RATIO * np.sqrt(variance.max())
        collapsed = np.zeros(len(variance), bool)
    else:
        constant, collapsed = variance <= ACTIVE_VARIANCE, share >= COLLAPSE_SHARE
    ignored = np.zeros(len(variance), bool) if response is None else response <= IGNORED_RATIO * response.max()
    states = tuple(_state(*one) for one in zip(collapsed, constant, ignored, strict=True))
    rate = None if kl is None else float(kl.sum())
    return Collapse(
        states=states,
        kl_nats=kl,
        collapsed_share=share,
        mean_variance=variance,
        posterior_variance=sums.posterior_variance,
        response=response,
        advice=tuple(advise(states, rate, beta=beta, warmup_epochs=warmup_epochs, free_nats=free_nats)),
    )


def decoder_response(
    decode: Callable[[np.ndarray], np.ndarray], mean: np.ndarray, *, count: int = RESPONSE_COUNT, seed: int = 0
) -> np.ndarray:
    """How far pictures change when one dimension is taken from another image, the others staying.

    √ mean (decode(z') − decode(z))², with z' = z but for z'_j of an image drawn at random, over images and pixels.

    Args:
        decode: latents (n, d) to pictures (n, …).
        mean: posterior means, of shape (n, d), n ≥ 2.
        count: images that are tried, at most.
        seed: of these, and of where values are taken from.

    Returns:
        The root-mean-square change of a pixel value, of shape (d,).

    Raises:
        UsageError: when `count` is below 1.
        DataError: when there are fewer than 2 images.
    """
    if count < 1:
        raise UsageError(f"expected at least 1 image to try, got {count}")
    if mean.ndim != 2 or len(mean) < 2:
        raise DataError(f"expected means (n, d) of at least 2 images, got shape {mean.shape}")
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(mean))
    # The next one in a random order: never the image itself.
    rows, others = order[:count], np.roll(order, -1)[:count]
    before = np.asarray(decode(mean[rows]), np.float64)
    changes = np.empty(mean.shape[1])
    for j in range(mean.shape[1]):
        moved = mean[rows].copy()
        moved[:, j] = mean[others, j]
        changes[j] = np.sqrt(((np.asarray(decode(moved), np.float64) - before) ** 2).mean())
    return changes


def advise(
    states: Sequence[State],
    rate_nats: float | None = None,
    *,
    beta: float | None = None,
    warmup_epochs: float | None = None,
    free_nats: float | None = None,
) -> list[str]:
    """What to do about dimensions that do nothing, as sentences.

    Args:
        states: of each dimension.
        rate_nats: the mean KL of all together; None for an autoencoder.
        beta: that the model was trained with; None where it is not known, likewise the others.
        warmup_epochs: likewise.
        free_nats: likewise.
    """
    size = len(states)
    idle = {
        state: [j for j, one in enumerate(states) if one == state] for state in ("collapsed", "constant", "ignored")
    }
    working = size - sum(map(len, idle.values()))
    cures = _cures(beta, warmup_epochs, free_nats)
    said = []
    if rate_nats is not None and (working == 0 or rate_nats < HARDLY_NATS):
        said.append(
            f"the code says next to nothing ({rate_nats:.2f} nats an image, {working} of {size} dimensions active): "
            f"the decoder does without it; train again with {cures}"
        )
    elif idle["collapsed"]:
        said.append(
            f"{_count(idle['collapsed'], size)} collapsed: for nearly every image the posterior is the prior, which "
            f"costs nothing and tells nothing. {working} {'is' if working == 1 else 'are'} enough for this objective; "
            f"where reconstructions are good enough, a latent of {working} does the same; where not, train with {cures}"
        )
    if idle["constant"]:
        paid = "" if rate_nats is None else ", though their KL is not 0: the objective pays for them"
        said.append(
            f"{_count(idle['constant'], size)} constant: the same for every image{paid}. "
            + (
                "Train longer, or make the latent smaller"
                if rate_nats is not None
                else "A smaller latent does the same"
            )
        )
    if idle["ignored"]:
        said.append(
            f"{_count(idle['ignored'], size)} ignored: the encoder writes them, the decoder does not read them. Train "
            "longer, or make the latent smaller"
        )
    if idle["collapsed"] or idle["constant"]:
        said.append("leave them out before latents are whitened: their noise would be blown up")
    if rate_nats is not None and working == size and size > 0 and not said:
        said.append(
            f"all {size} dimensions are active: a larger latent may say more; see whether it lowers the negative ELBO"
        )
    return said


def _state(collapsed: bool, constant: bool, ignored: bool) -> State:
    """The first that holds; what is constant cannot be seen to be ignored."""
    if collapsed:
        return "collapsed"
    if constant:
        return "constant"
    return "ignored" if ignored else "active"


def _cures(beta: float | None, warmup_epochs: float | None, free_nats: float | None) -> str:
    """What lets more dimensions speak, that was not in use already."""
    cures = []
    if beta is not None and beta > 1:
        cures.append(f"a smaller β (objective.beta, now {beta:g})")
    if not warmup_epochs:
        cures.append("a warm-up (objective.warmup_epochs = 10)")
    else:
        cures.append(f"a longer warm-up (objective.warmup_epochs, now {warmup_epochs:g})")
    if not free_nats:
        cures.append("free bits (objective.free_nats = 0.1 a dimension)")
    else:
        cures.append(f"more free bits (objective.free_nats, now {free_nats:g})")
    if beta is None or beta <= 1:
        cures.append(f"β below {1 if beta is None else beta:g} (objective.beta)")
    return ", ".join(cures[:-1]) + " or " + cures[-1]


def _count(dimensions: Sequence[int], size: int) -> str:
    """ "3 of 16 dimensions (1, 4, 9) are", numbers from 0."""
    shown = ", ".join(map(str, dimensions[:12])) + (", …" if len(dimensions) > 12 else "")
    return f"{len(dimensions)} of {size} dimensions ({shown}) {'is' if len(dimensions) == 1 else 'are'}"
