"""A direction: a latent vector that changes an attribute, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Direction:
    """A latent vector with its provenance.

    An edit of α = 1 moves by `vector`: one class gap, which for the estimator `mean` is mean(with) − mean(without), and
    for the others as much of it as they hold the attribute responsible for; one standard deviation of the latents for
    axes that nobody named. The readout is the probe that *measures* the attribute; the vector *changes* it. They are
    two vectors.

    Args:
        name: the attribute or class.
        vector: of shape (d,), float32.
        estimator: the name of the estimator that found it, or "algebra".
        positives: images with the attribute that it was found from.
        negatives: images without.
        mean_with: the mean latent of the images with it, of shape (d,); None for a combination.
        mean_without: the mean latent of those without.
        readout: weights w of the linear probe, of shape (d,), or None when none could be fitted.
        intercept: b of the probe; w·z + b is the logit of "with".
        auc: area under the ROC curve of the probe on held-out images, or None.
        auc_interval: its 95 % bootstrap interval (low, high), or None.
        probe_images: the held-out images that the AUC was measured on; 0 when there were too few to hold any out.
        accuracy: the share of held-out images that the readout reads right, with and without counting alike, or None.
        angle_degrees: between the vector and those of images drawn again: 95 % lie within it; None where not measured.
        p_value: how often labels shuffled among the held-out images are ranked as well by the vector; None where
            not measured.
    """

    name: str
    vector: np.ndarray
    estimator: str
    positives: int = 0
    negatives: int = 0
    mean_with: np.ndarray | None = None
    mean_without: np.ndarray | None = None
    readout: np.ndarray | None = None
    intercept: float = 0.0
    auc: float | None = None
    auc_interval: tuple[float, float] | None = None
    probe_images: int = 0
    accuracy: float | None = None
    angle_degrees: float | None = None
    p_value: float | None = None

    @property
    def gap(self) -> float:
        """‖v‖: how far an edit of α = 1 moves."""
        return float(np.linalg.norm(self.vector))
