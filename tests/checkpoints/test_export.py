"""What is written for other programs, read by the library that it is for, is the same function; or is not written."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latentlab import schema
from latentlab.checkpoints import export
from latentlab.checkpoints.export import EXPORTS, Format, export_model
from latentlab.checkpoints.foreign import Claims
from latentlab.checkpoints.foreign.open import open_foreign
from latentlab.codec import ImageSpec
from latentlab.errors import CapabilityError, LatentlabError, UnknownNameError
from latentlab.latents.encode import codec_has_posterior
from latentlab.models import (
    AdoptedConfig,
    AutoencoderConfig,
    ConditionalConfig,
    HierarchicalConfig,
    LossyConfig,
    ModelConfig,
    VAEConfig,
    VQConfig,
)
from latentlab.models.lossy import Flow
from latentlab.nn import MLP, Conv, Residual
from latentlab.nn.grid import Grid
from latentlab.nn.layer import ActivationLayer, LinearLayer, ShapeLayer
from latentlab.nn.observation import Observation
from latentlab.nn.raster import Raster
from latentlab.runs.run import open_run

pytestmark = pytest.mark.filterwarnings("ignore")
GREY, COLOUR = ImageSpec(1, 8, 8), ImageSpec(3, 12, 8)
SMALL = MLP(hidden=(12, 9), activation="gelu")
TANH = ActivationLayer(name="tanh")


def told() -> AdoptedConfig:
    """A conditional model of somebody else's."""
    return AdoptedConfig(
        GREY,
        encoder=(ShapeLayer(), LinearLayer(inputs=66, outputs=9), TANH),
        mean=(LinearLayer(inputs=9, outputs=3),),
        logvar=(LinearLayer(inputs=9, outputs=3),),
        decoder=(
            LinearLayer(inputs=5, outputs=9),
            TANH,
            LinearLayer(inputs=9, outputs=64),
            ShapeLayer(shape=(1, 8, 8)),
        ),
        latent=(3,),
        classes=("a", "b"),
    )


MODELS: dict[str, Callable[[], Any]] = {
    "digits": lambda: open_run("digits").checkpoint.model,
    "digits-ae": lambda: open_run("digits-ae").checkpoint.model,
    "conv": lambda: VAEConfig(COLOUR, latent=4, network=Conv(channels=(5, 6), hidden=9)).build(),
    "residual": lambda: VAEConfig(
        COLOUR, latent=4, network=Residual(channels=(4, 3), blocks=(1, 1), hidden=6, head=4)
    ).build(),
    "gaussian": lambda: AutoencoderConfig(
        GREY, latent=3, network=SMALL, likelihood=Observation("gaussian", 0.1)
    ).build(),
    "hierarchical": lambda: HierarchicalConfig(GREY, latent=(3, 2), network=SMALL).build(),
    "conditional": lambda: ConditionalConfig(GREY, latent=3, classes=("a", "b"), head=8, network=SMALL).build(),
    "adopted conditional": lambda: told().build(),
    "vq": lambda: VQConfig(GREY, codes=6, dimension=3, network=Grid(channels=(4,), blocks=1)).build(),
    "lossy": lambda: LossyConfig(
        GREY, latent=3, network=SMALL, raster=Raster(kernel=3, inner=1, blocks=1, channels=6), prior=Flow(2, (8,))
    ).build(),
}
# Numbers that a model looks up, and pictures that it draws pixel by pixel, need not fit what another program runs.
MAYBE = {"vq", "lossy"}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    return MODELS[request.param]().eval().requires_grad_(False)


def images(model: Any, count: int) -> Tensor:
    return torch.rand(count, *model.image.shape, generator=torch.Generator().manual_seed(5))


def write(model: Any, format: str, folder: Path) -> dict[str, Path] | None:
    """The files by name; None where the model cannot be written so, and nothing was."""
    try:
        found = export_model(model, format, folder)
    except CapabilityError as error:
        assert "\n" not in str(error) and "use another --format" in str(error)
        assert not folder.exists()
        return None
    assert all(path.parent == folder for path in found.paths) and 0 <= found.difference < 1e-3
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in found.paths)
    return {path.name: path for path in found.paths}


@torch.no_grad()
def agrees(model: Any, encode: Callable[[Tensor], Any], decode: Callable[[Tensor], Any]) -> None:
    """Other images than it was written with, and other numbers of them."""
    for count in (1, 5):
        x = images(model, count)
        z, found = model.encode(x), encode(x)
        np.testing.assert_allclose(found[0] if isinstance(found, tuple | list) else found, z, atol=1e-4)
        if isinstance(found, tuple | list):
            np.testing.assert_allclose(found[1], model.posterior(x).logvar, atol=1e-4)
        # Latents of no image that it was written with.
        far = z + torch.randn(z.shape, generator=torch.Generator().manual_seed(6)) if model.latent.continuous else z
        np.testing.assert_allclose(decode(far), model.decode(far), atol=1e-4)


def test_the_spread_is_written_where_there_is_one(tmp_path: Path):
    for name, count in (("digits", 2), ("digits-ae", 1)):
        model = open_run(name).checkpoint.model
        export_model(model, "torchscript", tmp_path / name)
        found = torch.jit.load(tmp_path / name / "model.pt").encode(images(model, 4))
        assert (len(found) if isinstance(found, tuple) else 1) == count


def test_a_state_dict_is_read_by_torch_alone(model: Any, tmp_path: Path):
    files = write(model, "state-dict", tmp_path / "out")
    assert files is not None and set(files) == {"model.pt", "model.json"}
    weights = torch.load(files["model.pt"], weights_only=True)
    assert set(weights) == set(model.state_dict())
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in weights.items())
    config, problems = schema.read(ModelConfig, json.loads(files["model.json"].read_text()), "model")
    assert problems == [] and config == model.config
    back = config.build().eval()
    back.load_state_dict(weights)
    agrees(model, back.encode, back.decode)


def test_torchscript_is_read_by_torch_alone(model: Any, tmp_path: Path, request: pytest.FixtureRequest):
    files = write(model, "torchscript", tmp_path / "out")
    if files is None:
        assert request.node.callspec.params["model"] in MAYBE
        return
    program = torch.jit.load(files["model.pt"])
    agrees(model, program.encode, program.decode)


def test_onnx_is_read_by_onnxruntime_alone(model: Any, tmp_path: Path, request: pytest.FixtureRequest):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    files = write(model, "onnx", tmp_path / "out")
    if files is None:
        assert request.node.callspec.params["model"] in MAYBE
        return

    def run(name: str) -> Callable[[Tensor], Any]:
        session = runtime.InferenceSession(str(files[name]), providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()

        def call(x: Tensor) -> Any:
            found = session.run(None, {given.name: x.numpy()})
            return found if len(found) > 1 else found[0]

        return call

    agrees(model, run("encoder.onnx"), run("decoder.onnx"))


def test_torchscript_comes_back_through_the_reader(tmp_path: Path):
    model = open_run("digits").checkpoint.model
    export_model(model, "torchscript", tmp_path)
    opened, back = open_foreign(tmp_path / "model.pt")
    assert opened.origin == "torchscript" and back.image.shape == model.image.shape
    x = images(model, 4)
    with torch.no_grad():
        z = model.encode(x)
        torch.testing.assert_close(back.encode(x), z, rtol=0, atol=1e-5)
        torch.testing.assert_close(back.posterior(x).logvar, model.posterior(x).logvar, rtol=0, atol=1e-5)
        torch.testing.assert_close(back.decode(z), model.decode(z), rtol=0, atol=1e-5)


def test_onnx_comes_back_through_the_reader(tmp_path: Path):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = open_run("digits-ae").checkpoint.model
    export_model(model, "onnx", tmp_path)
    opened, back = open_foreign(tmp_path)
    assert opened.origin == "onnx" and not codec_has_posterior(back)
    x = images(model, 4)
    with torch.no_grad():
        torch.testing.assert_close(back.encode(x), model.encode(x), rtol=0, atol=1e-5)
        torch.testing.assert_close(back.decode(model.encode(x)), model.decode(model.encode(x)), rtol=0, atol=1e-5)


class Program(nn.Module):
    """Somebody else's, traced."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(64, 3), nn.Linear(3, 64)

    def encode(self, x: Tensor) -> Tensor:
        return self.inner(x.flatten(1))

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.outer(z)).reshape(-1, 1, 8, 8)


@pytest.fixture
def program(tmp_path: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = {"encode": torch.rand(2, 1, 8, 8), "decode": torch.rand(2, 3)}
        torch.jit.save(torch.jit.trace_module(Program().eval(), given), str(tmp_path / "theirs.pt"))
    return open_foreign(tmp_path / "theirs.pt", Claims(range="signed"))[1]


def test_a_program_is_written_as_a_program(program: Any, tmp_path: Path):
    files = write(program, "torchscript", tmp_path / "out")
    back = torch.jit.load(files["model.pt"])
    agrees(program, back.encode, back.decode)


def test_a_program_has_no_weights_with_names(program: Any, tmp_path: Path):
    with pytest.raises(CapabilityError, match=r"expected a model of layers .* got a program \(torchscript\)"):
        export_model(program, "state-dict", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", ["encode", "decode", "nan"])
def test_what_reads_back_as_another_model_is_not_written(wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = EXPORTS["state-dict"]

    def exported(model: Any, given: Tensor) -> Any:
        files, (encode, decode) = real(model, given)
        if wrong == "encode":
            return files, (lambda x: encode(x) + 2e-3, decode)
        shift = float("nan") if wrong == "nan" else 2e-3
        return files, (encode, lambda z: decode(z) + shift)

    monkeypatch.setitem(export.EXPORTS, "state-dict", exported)
    with pytest.raises(LatentlabError, match="to answer as the model does, got numbers that differ by"):
        export_model(open_run("digits").checkpoint.model, "state-dict", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_the_tracer_meets_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("an operation\nthat there is not")

    monkeypatch.setattr(torch.jit, "trace_module", fail)
    with pytest.raises(CapabilityError, match=r"cannot be written as TorchScript \(an operation\); use another"):
        export_model(open_run("digits").checkpoint.model, "torchscript", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_onnxruntime_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(CapabilityError, match=r"latentlab\[onnx\]"):
        export_model(open_run("digits").checkpoint.model, "onnx", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unknown_format_is_named(tmp_path: Path):
    assert set(EXPORTS) == set(get_args(Format))
    with pytest.raises(UnknownNameError, match="unknown format 'onx'; did you mean onnx"):
        export_model(open_run("digits").checkpoint.model, "onx", tmp_path / "out")


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path):
    (tmp_path / "notes.txt").write_text("mine")
    export_model(open_run("digits").checkpoint.model, "state-dict", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.pt", "notes.txt"]
