"""`--loader`: the user's code makes the module, and latentlab reads the weights or leaves that to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from latentlab.checkpoints.foreign import Claims
from latentlab.checkpoints.foreign.loader import open_with_loader
from latentlab.errors import CapabilityError, FileFormatError, UsageError
from latentlab.latents.encode import codec_has_posterior
from tests.checkpoints.foreign.networks import Plain, Spatial, images

CODE = """
from tests.checkpoints.foreign.networks import Half, Plain, Spatial

def plain():
    return Plain()

def read(path):
    import torch
    model = Plain()
    model.load_state_dict(torch.load(path, weights_only=True)["mine"])
    return model

def pair(path):
    import torch
    whole = Spatial()
    whole.load_state_dict(torch.load(path, weights_only=True))
    return Half(whole, "encode"), Half(whole, "decode")

def bare_pair():
    return pair_of(Spatial())

def pair_of(whole):
    return Half(whole, "encode"), Half(whole, "decode")

def two(a, b):
    return Plain()

def nothing():
    return 3

def fails():
    raise KeyError("no such thing\\nsecond line")

number = 7
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "their_code.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    # Modules that are imported here are gone afterwards.
    monkeypatch.delitem(__import__("sys").modules, "their_code", raising=False)
    return tmp_path


def weights(path: Path, module: nn.Module, under: str = "") -> Path:
    state = module.state_dict()
    torch.save({under: state} if under else state, path)
    return path


@pytest.mark.parametrize("name", ["their_code", "their_code.py"])
def test_a_factory_without_argument_gets_its_weights_from_us(here: Path, name: str):
    original = Plain()
    found = open_with_loader(f"{name}:plain", weights(here / "m.pt", original), Claims())
    x = images((1, 6, 6))
    with torch.no_grad():
        torch.testing.assert_close(found.module.encode(x), original.encode(x))
    assert found.module.config.origin == "loader" and found.config is None
    assert not any(weight.requires_grad for weight in found.module.parameters())
    assert any("was run: it is Python code" in warning for warning in found.warnings)


def test_a_factory_of_a_path_reads_the_file_itself(here: Path):
    original = Plain()
    found = open_with_loader("their_code:read", weights(here / "m.pt", original, "mine"), Claims())
    x = images((1, 6, 6))
    with torch.no_grad():
        torch.testing.assert_close(found.module.encode(x), original.encode(x))
    assert "read the file itself" in found.told[0]


def test_a_pair_of_modules_will_do(here: Path):
    original = Spatial()
    found = open_with_loader("their_code:pair", weights(here / "m.pt", original), Claims(image_size=(8, 8)))
    x = images((3, 8, 8))
    with torch.no_grad():
        torch.testing.assert_close(found.module.encode(x), original.encode(x)[0].flatten(1))
    assert codec_has_posterior(found.module)


def test_a_class_is_a_factory(here: Path):
    original = Plain()
    spec = "tests.checkpoints.foreign.networks:Plain"
    found = open_with_loader(spec, weights(here / "m.pt", original), Claims())
    x = images((1, 6, 6))
    with torch.no_grad():
        torch.testing.assert_close(found.module.decode(found.module.encode(x)), original(x))


def test_weights_of_another_model_are_refused_name_by_name(here: Path):
    path = weights(here / "m.pt", nn.ModuleDict({"inner": nn.Linear(36, 4), "other": nn.Linear(2, 2)}))
    with pytest.raises(FileFormatError) as caught:
        open_with_loader("their_code:plain", path, Claims())
    said = str(caught.value)
    assert "missing: outer.bias, outer.weight" in said
    assert "unexpected: other.bias, other.weight" in said
    assert "of another shape: inner.bias, inner.weight" in said


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("their_code", UsageError, "expected --loader as module:factory"),
        (":plain", UsageError, "expected --loader as module:factory"),
        ("their_code:", UsageError, "expected --loader as module:factory"),
        ("no_such_module_anywhere:f", UsageError, "No module named"),
        ("missing.py:f", UsageError, "there is no file missing.py"),
        ("broken.py:f", UsageError, "cannot be imported"),
        ("their_code:plian", UsageError, "no 'plian' in their_code; it has "),
        ("their_code:number", UsageError, "no 'number'"),
        ("their_code:two", UsageError, "needs 2 (a, b)"),
        ("their_code:nothing", CapabilityError, "got int"),
        ("their_code:bare_pair", CapabilityError, "to take the path of the weights"),
        ("raises.py:f", UsageError, "cannot be imported: ZeroDivisionError"),
        ("their_code:fails", CapabilityError, "raised KeyError"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(here: Path, spec: str, error: type[Exception], says: str):
    (here / "broken.py").write_text("def f(:")
    (here / "raises.py").write_text("1 / 0")
    with pytest.raises(error) as caught:
        open_with_loader(spec, weights(here / "m.pt", Plain()), Claims())
    assert says in str(caught.value) and "\n" not in str(caught.value)


class Wrapped(nn.Module):
    """Gives what libraries give: an output with names, a distribution."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.inner, self.kind = Plain(), kind

    def encode(self, x: Tensor) -> Any:
        mean = self.inner.encode(x)
        normal = torch.distributions.Normal(mean, torch.full_like(mean, 2.0))
        logvar = 2 * normal.stddev.log()
        return {
            "normal": normal,
            "independent": torch.distributions.Independent(normal, 1),
            "posterior": type("Output", (), {"latent_dist": type("Gauss", (), {"mean": mean, "logvar": logvar})})(),
            "named": {"embedding": mean, "log_covariance": logvar},
        }[self.kind]

    def decode(self, z: Tensor) -> Any:
        pixels = self.inner.decode(z)
        return {
            "normal": torch.distributions.Bernoulli(probs=pixels),
            "independent": (pixels, None),
            "posterior": type("Output", (), {"sample": pixels})(),
            "named": {"reconstruction": pixels},
        }[self.kind]


@pytest.mark.parametrize("kind", ["normal", "independent", "posterior", "named"])
def test_what_libraries_wrap_tensors_in(here: Path, kind: str, monkeypatch: pytest.MonkeyPatch):
    original = Wrapped(kind)
    module = type("Made", (), {"factory": staticmethod(lambda path: original)})
    monkeypatch.setitem(__import__("sys").modules, "made_here", module)
    model = open_with_loader("made_here:factory", here / "m.pt", Claims()).module
    x = images((1, 6, 6))
    with torch.no_grad():
        mean = original.inner.encode(x)
        torch.testing.assert_close(model.encode(x), mean)
        torch.testing.assert_close(model.posterior(x).logvar, torch.full_like(mean, 4.0).log())
        torch.testing.assert_close(model.decode(mean), original.inner.decode(mean))
