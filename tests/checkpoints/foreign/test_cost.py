"""What opening a large model costs: its own weights are the most that lies in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.checkpoints.foreign import autoencoder_kl

# Opens a small folder first, so that what is imported on the way is not counted; every weight is read.
PROGRAM = """
import sys, time
from pathlib import Path
from latentlab.checkpoints.foreign.open import open_foreign

def peak():
    # What getrusage says begins with the most that the parent ever had.
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])

open_foreign(Path(sys.argv[1]))
before = peak()
start = time.perf_counter()
opened, model = open_foreign(Path(sys.argv[2]))
seconds = time.perf_counter() - start
total = sum(float(weight.sum()) for weight in model.parameters())
print(peak() - before, seconds, sum(weight.numel() for weight in model.parameters()))
"""


def folder(path: Path, name: str, **options: object) -> Path:
    path.mkdir()
    weights = autoencoder_kl.draw_weights(**options)  # type: ignore[arg-type]
    (path / "config.json").write_text(json.dumps({"norm_num_groups": 4, "sample_size": 64}))
    if name.endswith(".bin"):
        torch.save(weights, path / name)
    else:
        save_file(weights, path / name)
    return path


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted otherwise elsewhere")
@pytest.mark.parametrize("name", ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"])
def test_fifty_million_parameters_open_within_their_own_size(tmp_path: Path, name: str):
    small = folder(tmp_path / "small", name)
    large = folder(tmp_path / "large", name, widths=(96, 192, 416, 416), layers=2)
    said = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(small), str(large)], capture_output=True, text=True, check=True
    ).stdout
    memory, _, parameters = (float(word) for word in said.split())
    assert parameters > 50e6
    # Every weight was read, so that this much at least was needed.
    assert memory >= 0.5 * (large / name).stat().st_size
    assert memory <= 1.2 * (large / name).stat().st_size
