"""Levels that are held, and codebooks: planted models whose answer is known."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latentlab.checkpoints import Checkpoint
from latentlab.codec import Block, ImageSpec, LatentSpec
from latentlab.distributions.normal import DiagonalNormal
from latentlab.distributions.top_down import Choice, Level, TopDownPrior, Way
from latentlab.lab import Lab
from latentlab.lab.codebook import codebook_part
from latentlab.lab.kept import pick_rows
from latentlab.lab.level import MEASURED, levels_part
from latentlab.latents.table import Latents
from latentlab.runs.run import Run


@dataclass
class Planted:
    """What a planted model draws: level z1 the left half of its picture, z2 the right, so strongly each."""

    strengths: tuple[float, float]


class Halves(nn.Module):
    """Two independent levels of one value, each with a half of the picture to itself."""

    def __init__(self, planted: Planted) -> None:
        super().__init__()
        self.image = ImageSpec(1, 4, 4)
        self.latent = LatentSpec((Block("z1", (1,)), Block("z2", (1,))))
        self.config = SimpleNamespace(family="hierarchical")
        self.strengths = nn.Parameter(torch.tensor(planted.strengths))

    def decode(self, z: Tensor) -> Tensor:
        halves = (0.5 + self.strengths * z).clamp(0, 1)
        return halves.repeat_interleave(2, dim=1)[:, None, None].expand(-1, 1, 4, 4)

    def posterior(self, x: Tensor) -> DiagonalNormal:
        return DiagonalNormal(torch.zeros(len(x), 2), torch.zeros(len(x), 2))

    def prior(self) -> TopDownPrior:
        def descend(choose: Choice, count: int) -> Way:
            levels = [Level(DiagonalNormal(torch.zeros(count, 1), torch.zeros(count, 1))) for _ in range(2)]
            return Way(levels, [choose(number, level) for number, level in enumerate(levels)], None)

        return TopDownPrior(descend, {"z1": 1, "z2": 1})


def lab_of(model: nn.Module, mean: np.ndarray) -> Lab:
    ids = np.array([str(row) for row in range(len(mean))])
    run = Run("planted", Path("planted.safetensors"), Checkpoint(model.eval(), lambda: "0" * 64, {}))
    return Lab(replace(run, gallery=Latents(mean.astype(np.float32), None, ids)))


def shares(html: str) -> dict[str, float]:
    return {name: float(value) / 100 for name, value in re.findall(r"that (z\d) decides</dt><dd>([\d.]+) %", html)}


@pytest.mark.parametrize(("strengths", "share"), [((0.1, 0.1), 0.5), ((0.12, 0.06), 0.8), ((0.1, 0.0), 1.0)])
def test_each_level_decides_what_it_draws(strengths: tuple[float, float], share: float) -> None:
    mean = np.random.default_rng(0).standard_normal((400, 2))
    lab = lab_of(Halves(Planted(strengths)), mean)
    found = shares(levels_part(lab).html)
    # Var(z1) s1² / (Var(z1) s1² + Var(z2) s2²), where the level that is held has the variance of its 32 latents.
    held = mean[pick_rows(lab.known(), 0)[:MEASURED]].var(axis=0, ddof=1)
    for name, variance, own in (("z1", held[0], share), ("z2", held[1], 1 - share)):
        assert found[name] == pytest.approx(variance * own / (variance * own + 1 - own), abs=0.05)


def test_what_is_held_stays_and_the_rest_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    from latentlab.report.sections import level

    seen = {}
    make = level.levels_section
    monkeypatch.setattr(
        level,
        "levels_section",
        lambda levels, *rest: seen.update({one.name: one for one in levels}) or make(levels, *rest),
    )
    lab = lab_of(Halves(Planted((0.1, 0.1))), np.random.default_rng(1).standard_normal((50, 2)))
    html = levels_part(lab, seed=4).html
    for name, held, drawn in (("z1", slice(0, 2), slice(2, 4)), ("z2", slice(2, 4), slice(0, 2))):
        draws = seen[name].draws
        assert draws.shape == (3, 7, 1, 4, 4)
        assert (draws[..., held] == draws[:, :1, ..., held]).all()
        assert draws[..., drawn].std(axis=1).min() > 0.01
    rows = [int(row) for row in re.findall(r'alt="@(\d+), all levels"', html)[:3]]
    wanted = 0.5 + 0.1 * lab.known().mean[rows, 0]
    np.testing.assert_allclose(seen["z1"].draws[:, 0, 0, 0, 0], wanted, atol=1e-5)


def test_one_image_has_levels_too() -> None:
    html = levels_part(lab_of(Halves(Planted((0.1, 0.1))), np.zeros((1, 2)))).html
    assert "nan" not in html.lower() and not shares(html)


class Codes(nn.Module):
    """Two codes of four an image; a code's number is how bright its half is."""

    def __init__(self) -> None:
        super().__init__()
        self.image = ImageSpec(1, 4, 4)
        self.latent = LatentSpec((Block("codes", (1, 2), codes=4),))
        self.config = SimpleNamespace(family="vq")
        self.scale = nn.Parameter(torch.tensor(0.25))

    def decode(self, z: Tensor) -> Tensor:
        return (self.scale * z).repeat_interleave(2, dim=1)[:, None, None].expand(-1, 1, 4, 4)


def test_the_most_used_codes_are_shown_alone() -> None:
    mean = np.array([[2, 2], [2, 2], [2, 1], [0, 0]])
    html = codebook_part(lab_of(Codes(), mean)).html
    assert re.findall(r'alt="code (\d): ([\d.]+) %"', html) == [("2", "62.5"), ("0", "25.0"), ("1", "12.5")]
    assert re.search(r"codes used</dt><dd>3<", html) and "1×2 codes of each of 4 images of the gallery" in html
