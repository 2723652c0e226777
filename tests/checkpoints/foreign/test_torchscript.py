"""TorchScript: programs with encode and decode, looked through before torch opens them."""

from __future__ import annotations

import ast
import random
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from latentlab.checkpoints import write_checkpoint
from latentlab.checkpoints.foreign import Claims, torchscript
from latentlab.checkpoints.foreign.torchscript import _outside, check_program, load_program
from latentlab.codec import Codec
from latentlab.errors import CapabilityError, FileFormatError
from latentlab.latents.encode import codec_has_posterior, decode_latents, encode_images
from tests.checkpoints.foreign.networks import Plain, Spatial, holding, images

# torch.jit is deprecated as a way to write such files; the files remain.
pytestmark = pytest.mark.filterwarnings("ignore")


def scripted(module: nn.Module, path: Path) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module.eval()), str(path))
    return path


def opened(*files: Path, **claims: Any) -> Any:
    return torchscript.read(holding(*files), Claims(**claims))


def test_a_dense_program_is_told_from_its_weights(tmp_path: Path):
    original = Plain()
    found = opened(scripted(original, tmp_path / "m.pt"))
    model, x = found.module, images((1, 6, 6))
    assert isinstance(model, Codec)
    assert (model.image.shape, model.latent.blocks[0].shape) == ((1, 6, 6), (3,))
    assert found.config is None and model.config.family == "program" and model.config.origin == "torchscript"
    with torch.no_grad():
        z = original.encode(x)
        torch.testing.assert_close(model.encode(x), z)
        torch.testing.assert_close(model.decode(z), original.decode(z))
    assert not codec_has_posterior(model)
    assert "image size" not in [fact.name for fact in found.missing]
    assert any("program" in warning for warning in found.warnings)


def test_a_spatial_program_has_a_posterior_and_flat_latents(tmp_path: Path):
    original = Spatial()
    found = opened(scripted(original, tmp_path / "m.pt"), image_size=(8, 12), range="signed")
    model, x = found.module, images((3, 8, 12))
    assert (model.image.shape, model.latent.blocks[0].shape, model.latent.size) == ((3, 8, 12), (2, 4, 6), 48)
    with torch.no_grad():
        mean, logvar = original.encode(2 * x - 1)
        posterior = model.posterior(x)
        torch.testing.assert_close(posterior.mean, mean.flatten(1))
        torch.testing.assert_close(posterior.logvar, logvar.flatten(1))
        torch.testing.assert_close(model.decode(mean.flatten(1)), (original.decode(mean) + 1) / 2)
    z = encode_images(model, x.numpy())
    assert z.shape == (3, 48) and decode_latents(model, z).shape == (3, 3, 8, 12)
    assert model.prior().sample(2).shape == (2, 48)
    assert "log-variance" in [fact.name for fact in found.missing]


def test_where_any_size_will_do_it_is_asked_for(tmp_path: Path):
    found = opened(scripted(Spatial(channels=1), tmp_path / "m.pt"))
    assert found.module.image.shape == (1, 28, 28)
    assert ("image size", "--image-size") in [(fact.name, fact.option) for fact in found.missing]


class Named(nn.Module):
    """A model whose parts have the names, and whose functions have not."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(36, 2))
        self.decoder = nn.Sequential(nn.Linear(2, 36), nn.Sigmoid(), nn.Unflatten(1, (1, 6, 6)))

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


def test_parts_named_encoder_and_decoder_will_do(tmp_path: Path):
    original = Named()
    model, x = opened(scripted(original, tmp_path / "m.pt")).module, images((1, 6, 6))
    with torch.no_grad():
        torch.testing.assert_close(model.decode(model.encode(x)), original(x))


@pytest.mark.parametrize("swapped", [False, True])
def test_two_files_are_told_apart_by_what_they_take(tmp_path: Path, swapped: bool):
    encoder, decoder = nn.Sequential(nn.Linear(36, 2)), nn.Sequential(nn.Linear(2, 36), nn.Sigmoid())
    files = [scripted(encoder, tmp_path / "a.pt"), scripted(decoder, tmp_path / "b.pt")]
    model, x = opened(*(files[::-1] if swapped else files)).module, images((1, 6, 6))
    with torch.no_grad():
        torch.testing.assert_close(model.encode(x), encoder(x.flatten(1)))
        torch.testing.assert_close(model.decode(model.encode(x)), decoder(encoder(x.flatten(1))).reshape(-1, 1, 6, 6))


def test_what_has_no_encode_is_refused_with_the_way_out(tmp_path: Path):
    path = scripted(nn.Sequential(nn.Linear(4, 4)), tmp_path / "m.pt")
    with pytest.raises(CapabilityError, match="expected a program with encode and decode, got forward; export them"):
        opened(path)


class Odd(Plain):
    """Decodes to an image of another shape."""

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return self.outer(z)[:, :10]


def test_what_does_not_lead_back_to_an_image_is_refused(tmp_path: Path):
    with pytest.raises(CapabilityError, match=r"lead back to the shape of an image, got .*--image-size"):
        opened(scripted(Odd(), tmp_path / "m.pt"))


class Reads(Plain):
    """Reads a file of its user's while it encodes."""

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        return self.inner(x.flatten(1)) + torch.from_file("secret", False, 3)


class Writes(Plain):
    """Writes a file while it decodes."""

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        torch.ops.aten.save(z, "stolen.pt")
        return torch.sigmoid(self.outer(z)).reshape(-1, 1, 6, 6)


@pytest.mark.parametrize(("kind", "named"), [(Reads, "from_file"), (Writes, "save")])
def test_a_program_that_reaches_for_files_is_not_opened(
    tmp_path: Path, kind: type[nn.Module], named: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    path = scripted(kind(), tmp_path / "m.pt")
    monkeypatch.setattr(torch.jit, "load", None)
    with pytest.raises(FileFormatError, match=f"'torch.{named}', which reaches beyond") as caught:
        opened(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "stolen.pt").exists()


@pytest.mark.parametrize(
    ("code", "outside"),
    [
        ("torch.relu(x)", []),
        ("ops.prim.RaiseException(torch.format(x))", []),
        ("self.save(x)", []),
        ("__torch__.mine.save(x)", []),
        ('getattr(self, "0")', []),
        ("torch.save(x, 'f')", ["torch.save"]),
        ("ops.aten.save(x, 'f')", ["ops.aten.save"]),
        ("f = torch.from_file", ["torch.from_file"]),
        ('getattr(torch, "save")(x, "f")', ["torch"]),
        ('getattr(ops, "aten")', ["ops"]),
        ('getattr(ops.aten, "save")(x, "f")', ["ops.aten"]),
        ("ops.mine.run(x)", ["ops.mine.run"]),
        ("ops.prim.rpc_sync('w', x)", ["ops.prim.rpc_sync"]),
        ("rpc_async('w', x)", ["rpc_async"]),
    ],
)
def test_what_code_names_beyond_tensors(code: str, outside: list[str]):
    assert list(_outside(ast.parse(code))) == outside


def test_every_operation_of_torch_that_takes_a_file_is_known():
    named = {"filename", "file_name", "path", "file", "url"}
    reaching = {
        schema.name.partition("::")[2]
        for schema in torch._C._jit_get_all_schemas()
        if schema.name.startswith(("aten::", "prim::"))
        and named & {argument.name for argument in schema.arguments if "str" in str(argument.type)}
    }
    assert reaching and reaching <= torchscript.OUTSIDE


def test_files_that_are_not_whole(tmp_path: Path):
    whole = scripted(Plain(), tmp_path / "m.pt").read_bytes()
    check_program(tmp_path / "m.pt")
    changed = tmp_path / "changed.pt"
    draw = random.Random(0)
    refused = 0
    for _ in range(200):
        broken = bytearray(whole)
        broken[draw.randrange(len(broken))] ^= 1 << draw.randrange(8)
        changed.write_bytes(broken)
        try:
            check_program(changed)
        except FileFormatError as error:
            assert "\n" not in str(error)
            refused += 1
    assert refused > 100
    for end in (0, 10, len(whole) // 2, len(whole) - 1):
        changed.write_bytes(whole[:end])
        with pytest.raises(FileFormatError, match="cut short or changed"):
            load_program(changed)


def test_code_that_unpacks_to_fill_a_memory_is_refused(tmp_path: Path):
    path = tmp_path / "bomb.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/code/__torch__.py", b" " * (40 << 20))
    with pytest.raises(FileFormatError, match="unpacks to many times its size"):
        check_program(path)


def text(length: int) -> bytes:
    return b"X" + length.to_bytes(4, "little")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        # How long a text is, where a value is kept, how many numbers are stored, and the shape of a tensor of them.
        (text(8) + b"training", text(1_800_000_000) + b"training", "expected 1800000000 bytes"),
        (b"q\x01", b"r\xff\xff\xff\x7f", "remembers more than"),
        (b"K\x6ct", b"K\xfft", "'0' is larger than its numbers"),
        (b"(K\x03K\x24t", b"(K\x03K\xfft", "'0' is larger than its numbers"),
        (b"(K\x24K\x01t", b"(K\xffK\x01t", "'0' is larger than its numbers"),
        (b"FloatStorage", b"PloatStorage", "numbers of type PloatStorage"),
    ],
)
def test_a_pickle_that_claims_more_than_there_is_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bytes, new: bytes, says: str
):
    whole, path = scripted(Plain(), tmp_path / "m.pt"), tmp_path / "claims.pt"
    with zipfile.ZipFile(whole) as before, zipfile.ZipFile(path, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name.endswith("/data.pkl"):
                assert old in content
                content = content.replace(old, new, 1)
            after.writestr(name, content)
    # torch's own reader would believe it.
    monkeypatch.setattr(torch.jit, "load", None)
    with pytest.raises(FileFormatError, match=says) as caught:
        load_program(path)
    assert "\n" not in str(caught.value)


def test_code_that_python_cannot_look_through_is_refused(tmp_path: Path):
    path = tmp_path / "odd.pt"
    for code in ("def f(:", "(" * 5000 + ")" * 5000):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("m/code/__torch__.py", code)
        with pytest.raises(FileFormatError, match="cannot be looked through"):
            check_program(path)


def test_a_program_is_no_checkpoint(tmp_path: Path):
    model = opened(scripted(Plain(), tmp_path / "m.pt")).module
    with pytest.raises(CapabilityError, match="got a program \\(torchscript\\)"):
        write_checkpoint(tmp_path / "c.safetensors", model, {})
    with pytest.raises(CapabilityError, match="expected layers, got a program"):
        model.config.build()


def test_it_is_recognised_by_its_container(tmp_path: Path):
    assert "TorchScript" in torchscript.recognise(holding(tmp_path / "a"))
    exported = holding(tmp_path / "a", container="exported")
    assert "exported" in torchscript.recognise(exported)
    assert not torchscript.recognise(holding(tmp_path / "a", container="onnx"))
    with pytest.raises(CapabilityError, match="exported program"):
        torchscript.read(exported, Claims())
