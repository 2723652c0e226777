"""A conditional state dict, against the same network in plain torch, and the class that nobody reads by brute force."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latentlab import schema
from latentlab.checkpoints import read_checkpoint, write_checkpoint
from latentlab.checkpoints.foreign import Claims
from latentlab.checkpoints.foreign.open import open_foreign
from latentlab.errors import DataError, FileFormatError, LatentlabError, UsageError
from latentlab.models import AdoptedConfig, Conditional, ModelConfig

PIXELS, SIDE, LATENT = 36, 6, 3
NAMES = ("cat", "dog", "owl", "fox")
CLOSE = {"rtol": 0.0, "atol": 1e-5}


class CVAE(nn.Module):
    """The tutorial's network with a class behind what the decoder takes, and perhaps behind what the encoder takes."""

    def __init__(self, classes: int = len(NAMES), *, told: bool = True) -> None:
        super().__init__()
        self.told = told
        self.fc1 = nn.Linear(PIXELS + classes * told, 9)
        self.fc21, self.fc22 = nn.Linear(9, LATENT), nn.Linear(9, LATENT)
        self.fc3, self.fc4 = nn.Linear(LATENT + classes, 9), nn.Linear(9, PIXELS)
        # Far from linear: a wrong activation or a swapped part shows.
        with torch.no_grad():
            for weight in self.parameters():
                weight.mul_(3)

    def encode(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        flat = x.flatten(1)
        h = F.relu(self.fc1(torch.cat([flat, y], dim=1) if self.told else flat))
        return self.fc21(h), self.fc22(h)

    def logits(self, z: Tensor, y: Tensor) -> Tensor:
        return self.fc4(F.relu(self.fc3(torch.cat([z, y], dim=1))))

    def decode(self, z: Tensor, y: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(z, y)).reshape(-1, 1, SIDE, SIDE)


@pytest.fixture(params=[True, False], ids=["encoder told", "decoder alone"])
def plain(request: pytest.FixtureRequest) -> CVAE:
    torch.manual_seed(0)
    return CVAE(told=request.param).eval()


@pytest.fixture
def file(plain: CVAE, tmp_path: Path) -> Path:
    torch.save(plain.state_dict(), tmp_path / "cvae.pt")
    return tmp_path / "cvae.pt"


@pytest.fixture
def ours(file: Path) -> Conditional:
    return open_foreign(file, Claims(classes=NAMES))[1]


def images(count: int = 5) -> Tensor:
    return torch.rand(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def told(*numbers: int) -> Tensor:
    return F.one_hot(torch.tensor(numbers), len(NAMES)).float()


def squared(numbers: np.ndarray) -> np.ndarray:
    return (numbers**2).sum(axis=1)


def test_it_is_told_apart_from_its_widths(file: Path, plain: CVAE):
    opened, ours = open_foreign(file)
    assert isinstance(ours, Conditional) and ours.config.told == plain.told
    assert ours.condition.names == ("0", "1", "2", "3") and ours.condition.kind == "class"
    assert {block.name: block.shape for block in ours.latent.blocks} == {"z": (LATENT,), "condition": (len(NAMES),)}
    facts = {fact.name: fact for fact in opened.missing}
    assert facts["condition"].taken.startswith("4 classes") and facts["class names"].option == "--classes"
    assert any(f"{PIXELS + 4 * plain.told} · 9 · 3" in line for line in opened.told)


def test_given_classes_are_their_names(file: Path):
    opened, ours = open_foreign(file, Claims(classes=NAMES))
    assert ours.condition.names == NAMES
    assert "class names" not in {fact.name for fact in opened.missing}


@torch.no_grad()
def test_encode_and_posterior_with_a_given_class(ours: Conditional, plain: CVAE):
    x, y = images(), told(0, 3, 2, 1, 3)
    mean, logvar = plain.encode(x, y)
    torch.testing.assert_close(ours.encode(x, y), torch.cat([mean, y], dim=1), **CLOSE)
    within = ours.posterior(x, y).within(y)
    torch.testing.assert_close(within.mean, mean, **CLOSE)
    torch.testing.assert_close(within.logvar, logvar, **CLOSE)


@torch.no_grad()
def test_decode_takes_the_class_from_the_latent_or_as_given(ours: Conditional, plain: CVAE):
    z = torch.randn(4, LATENT, generator=torch.Generator().manual_seed(2))
    own, other = told(0, 1, 2, 3), told(3, 3, 0, 0)
    flat = torch.cat([z, own], dim=1)
    torch.testing.assert_close(ours.decode(flat), plain.decode(z, own), **CLOSE)
    torch.testing.assert_close(ours.decode(flat, other), plain.decode(z, other), **CLOSE)
    assert not torch.allclose(ours.decode(flat), ours.decode(flat, other), atol=1e-2)


@torch.no_grad()
def test_terms_of_the_bound_with_a_given_class(ours: Conditional, plain: CVAE):
    x, y = (images() > 0.5).float(), told(0, 3, 2, 1, 3)
    terms = ours.terms(x, y, torch.Generator().manual_seed(3))
    z, kept = terms.code[:, :LATENT], terms.code[:, LATENT:]
    assert torch.equal(kept, y)
    picture = -F.binary_cross_entropy_with_logits(plain.logits(z, y), x.flatten(1), reduction="none").sum(dim=1)
    torch.testing.assert_close(terms.log_likelihood, picture, rtol=1e-5, atol=1e-4)
    mean, logvar = plain.encode(x, y)
    kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum(dim=1)
    torch.testing.assert_close(terms.kl["z"], kl, rtol=1e-5, atol=1e-4)
    # All classes are as frequent: −log p(y) = log k.
    torch.testing.assert_close(terms.kl["condition"], torch.full((5,), float(np.log(4))), **CLOSE)
    # A sample and no mean.
    assert ((z - mean) / (logvar / 2).exp()).std() > 0.3


def costs(plain: CVAE, x: Tensor) -> np.ndarray:
    """ELBO(x|y) at the posterior mean, of shape (n, k), in numpy."""
    weights = {name: tensor.double().numpy() for name, tensor in plain.state_dict().items()}

    def layer(name: str, given: np.ndarray) -> np.ndarray:
        return given @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    flat, found = x.flatten(1).double().numpy(), []
    for number in range(len(NAMES)):
        y = np.zeros((len(flat), len(NAMES)))
        y[:, number] = 1
        h = np.maximum(layer("fc1", np.hstack([flat, y]) if plain.told else flat), 0)
        mean, logvar = layer("fc21", h), layer("fc22", h)
        p = 1 / (1 + np.exp(-layer("fc4", np.maximum(layer("fc3", np.hstack([mean, y])), 0))))
        picture = (flat * np.log(p) + (1 - flat) * np.log1p(-p)).sum(axis=1)
        kl = 0.5 * (squared(mean) + np.exp(logvar).sum(axis=1) - LATENT - logvar.sum(axis=1))
        found.append(picture - kl)
    return np.stack(found, axis=1)


@torch.no_grad()
def test_a_class_that_is_not_given_is_read_by_bayes_rule(ours: Conditional, plain: CVAE):
    x = images(12)
    cost = costs(plain, x)
    wanted = np.exp(cost - cost.max(axis=1, keepdims=True))
    wanted /= wanted.sum(axis=1, keepdims=True)
    read = ours.posterior(x).condition
    np.testing.assert_allclose(read.logits.softmax(dim=1).numpy(), wanted, atol=1e-3)
    chosen = wanted.argmax(axis=1)
    assert len(set(chosen)) > 1
    # The code of an image has E[y|x] behind E[z|x].
    np.testing.assert_allclose(ours.encode(x)[:, LATENT:].numpy(), wanted, atol=1e-3)


@torch.no_grad()
def test_where_the_class_is_certain_the_code_is_that_of_the_class(tmp_path: Path):
    """A decoder that draws one picture for each class, whatever z is: an image of it says its class."""
    torch.manual_seed(0)
    plain = CVAE(told=True)
    pictures = (torch.rand(len(NAMES), PIXELS) > 0.5).float()
    plain.fc3.weight.zero_()
    plain.fc3.bias.zero_()
    plain.fc3.weight[: len(NAMES), LATENT:] = torch.eye(len(NAMES))
    plain.fc4.weight.zero_()
    plain.fc4.bias.zero_()
    plain.fc4.weight[:, : len(NAMES)] = 20 * (2 * pictures.T - 1)
    torch.save(plain.state_dict(), tmp_path / "m.pt")
    _, ours = open_foreign(tmp_path / "m.pt", Claims(classes=NAMES))
    x = pictures[[2, 0, 3, 1]].reshape(-1, 1, SIDE, SIDE)
    code = ours.encode(x)
    torch.testing.assert_close(code[:, LATENT:], told(2, 0, 3, 1), **CLOSE)
    torch.testing.assert_close(code[:, :LATENT], plain.encode(x, told(2, 0, 3, 1))[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ours.decode(code), x, **CLOSE)


@torch.no_grad()
def test_signed_images_reach_the_encoder_signed(file: Path, plain: CVAE):
    _, ours = open_foreign(file, Claims(range="signed"))
    x, y = images(), told(0, 1, 2, 3, 0)
    torch.testing.assert_close(ours.encode(x, y)[:, :LATENT], plain.encode(2 * x - 1, y)[0], **CLOSE)


@torch.no_grad()
def test_one_by_one_is_as_all_at_once(ours: Conditional):
    x = images(4)
    alone = torch.cat([ours.encode(one[None]) for one in x])
    torch.testing.assert_close(ours.encode(x), alone, **CLOSE)


def test_a_condition_of_another_count_is_refused(ours: Conditional):
    with pytest.raises(DataError, match=r"expected a condition of shape \(5, 4\), got \(5, 3\)"):
        ours.encode(images(), torch.eye(5)[:, :3])


@pytest.mark.parametrize("classes", [("a", "b", "c"), ("a", "b", "c", "d", "e")])
def test_names_of_another_count_are_refused(file: Path, classes: tuple[str, ...]):
    with pytest.raises(UsageError, match=f"expected 4 names of classes, got {len(classes)}: a, b, c.*--classes"):
        open_foreign(file, Claims(classes=classes))


def test_widths_that_no_class_explains_are_refused(tmp_path: Path):
    weights = CVAE(told=True).state_dict()
    weights["fc1.weight"] = weights["fc1.weight"][:, :-1].clone()
    torch.save(weights, tmp_path / "m.pt")
    with pytest.raises(FileFormatError, match="got 3 and 4 more"):
        open_foreign(tmp_path / "m.pt", Claims(image_size=(SIDE, SIDE)))


@torch.no_grad()
def test_it_is_written_and_read_as_a_checkpoint(ours: Conditional, tmp_path: Path):
    name = write_checkpoint(tmp_path / "own.safetensors", ours, {"name": "own"})
    found = read_checkpoint(tmp_path / "own.safetensors")
    assert found.hash == name and found.model.config == ours.config
    assert isinstance(found.model, Conditional)
    x, y = images(), told(0, 3, 2, 1, 3)
    assert torch.equal(found.model.encode(x), ours.encode(x))
    assert torch.equal(found.model.decode(ours.encode(x, y)), ours.decode(ours.encode(x, y)))


def test_its_configuration_comes_back_from_a_table(ours: Conditional):
    plain = schema.plain(ours.config)
    assert plain["family"] == "adopted" and plain["classes"] == list(NAMES)
    config, problems = schema.read(ModelConfig, plain, "model")
    assert problems == [] and config == ours.config and isinstance(config, AdoptedConfig)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"classes": ("a",)}, "expected 2 to"),
        ({"classes": ("a", "a", "b", "c")}, "names of their own"),
        ({"classes": ("a", "", "b", "c")}, "names of their own"),
        ({"logvar": ()}, "with a log-variance"),
        ({"latent": (1, 1, LATENT)}, "expected a vector"),
    ],
)
def test_a_configuration_that_cannot_be(ours: Conditional, change: dict[str, object], says: str):
    with pytest.raises((ValueError, LatentlabError), match=says):
        replace(ours.config, **change)
