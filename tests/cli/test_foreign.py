"""`latentlab info`, `adopt` and `export` on models of somebody else's, and the other commands with --model FILE."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from latentlab.checkpoints import read_checkpoint
from latentlab.nn.activation import ACTIVATIONS

FACTORY = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(64, 10)
        self.fc21, self.fc22 = torch.nn.Linear(10, 3), torch.nn.Linear(10, 3)
        self.fc3, self.fc4 = torch.nn.Linear(3, 10), torch.nn.Linear(10, 64)

    def encode(self, x):
        h = torch.tanh(self.fc1(x.flatten(1)))
        return self.fc21(h), self.fc22(h)

    def decode(self, z):
        return torch.sigmoid(self.fc4(torch.tanh(self.fc3(z)))).reshape(-1, 1, 8, 8)
"""


def tutorial(classes: int = 0) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    sizes = {"fc1": (64 + classes, 10), "fc21": (10, 3), "fc22": (10, 3), "fc3": (3 + classes, 10), "fc4": (10, 64)}
    return nn.ModuleDict({name: nn.Linear(*size) for name, size in sizes.items()}).state_dict()


@pytest.fixture
def theirs(here: Path) -> Path:
    torch.save(tutorial(), here / "theirs.pt")
    return here / "theirs.pt"


@pytest.fixture
def conditional(here: Path) -> Path:
    torch.save(tutorial(10), here / "cvae.pt")
    return here / "cvae.pt"


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def one_line(result, code: int, said: str) -> None:
    assert result.exit_code == code, result.stderr
    assert re.fullmatch(r"error: [^\n]+\n", result.stderr), result.stderr
    assert re.search(said, result.stderr), result.stderr


def test_info_says_how_each_fact_was_told(latentlab, theirs):
    result = latentlab("info", theirs)
    assert result.exit_code == 0 and result.stderr == ""
    told, missing = re.search(
        r"told from the file:\n(.*?)\n\n.*not told by it.*?:\n(.*?)\n\n", result.stdout, re.S
    ).groups()
    assert "fc21 and fc22" in told and "64 · 10 · 3" in told
    for option in ("--image-size", "--range", "--activation", "--output"):
        assert f"({option})" in missing
    assert re.search(r"^family +a model of state dict$", result.stdout, re.M)
    assert re.search(r"^latent +z: 3$", result.stdout, re.M) and "nothing is known of how good" in result.stdout.lower()
    assert files(theirs.parent) == {"theirs.pt"}


def test_what_is_said_is_not_asked_for(latentlab, theirs):
    words = ["--image-size", "8", "--range", "signed", "--activation", "tanh", "--output", "none"]
    shown = latentlab("info", theirs, *words).stdout
    assert "not told by it" not in shown or not re.search(r"\(--(image-size|range|activation|output)\)", shown)
    card = json.loads(latentlab("info", theirs, *words, "--json").stdout)
    assert card["likelihood"].startswith("gaussian")
    assert card["checkpoint"] != json.loads(latentlab("info", theirs, "--json").stdout)["checkpoint"]


def test_info_as_json_is_the_card(latentlab, theirs):
    result = latentlab("info", theirs, "--json")
    card = json.loads(result.stdout)
    assert result.stderr == "" and card["name"] == "theirs" and len(card["checkpoint"]) == 64
    assert card["opened"]["origin"] == "state dict" and card["latent"] == {"z": [3]}
    assert card["parameters"] == sum(tensor.numel() for tensor in tutorial().values())
    assert {fact["option"] for fact in card["opened"]["missing"]} >= {"--range", "--activation", "--output"}
    assert "measured" not in card


def test_info_measures_on_images(latentlab, theirs):
    result = latentlab("info", theirs, "--data", "digits", "--count", 60)
    assert result.exit_code == 0, result.stderr
    assert "on 60 images of the test split of digits:" in result.stdout
    for name in ("mean square error", "kl (nats)", "active units"):
        assert re.search(rf"^ *{re.escape(name)} ", result.stdout, re.M), name
    assert "as it was opened" in result.stdout
    # Weights of chance are no model of digits, however they are read.
    assert "however its file is read" in result.stdout + result.stderr


def test_info_on_images_as_json(latentlab, theirs):
    found = json.loads(latentlab("info", theirs, "--data", "digits", "--count", 60, "--json").stdout)
    assert found["measured"]["images"] == 60 and found["measured"]["latent_size"] == 3
    assert found["measured"]["mean_square_error"] > 0 and found["measured"]["kl_nats"] > 0
    trials = found["trials"]
    assert len(trials) == 2 * 3 * len(ACTIVATIONS)
    assert [trial["taken"] for trial in trials].count(True) == 1
    assert {trial["output"] for trial in trials} == {"sigmoid", "tanh", "none"}
    (warning,) = found["warnings"]
    assert warning.startswith("however its file is read")


def test_info_of_latentlabs_own_tries_nothing(latentlab, tiny_run):
    found = json.loads(latentlab("info", tiny_run, "--data", "digits", "--count", 60, "--json").stdout)
    assert found["trials"] == [] and found["warnings"] == [] and found["opened"] == {}
    assert found["measured"]["images"] == 60
    assert "told from the file" not in latentlab("info", tiny_run).stdout


def test_adopt_makes_a_run_that_the_other_commands_take(latentlab, theirs, here):
    words = ["--name", "mine", "--data", "digits", "--count", 300, "--activation", "tanh"]
    result = latentlab("adopt", theirs, *words)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "model: theirs, a model of state dict"
    assert "data: digits, 300 images to find directions in, 300 others" in lines
    folder = Path("outputs/adopt-mine")
    assert str(folder) in lines and re.fullmatch(rf"try: latentlab \w+.* --model {folder}", lines[-1])
    assert {"checkpoint.safetensors", "directions.safetensors", "gallery.safetensors", "metrics.json"} <= files(folder)
    about = read_checkpoint(folder / "checkpoint.safetensors").about
    assert about["name"] == "mine" and about["opened"]["origin"] == "state dict"
    # What it suggests works.
    assert latentlab(*lines[-1].removeprefix("try: latentlab ").split()).exit_code == 0
    for command in (["morph", "1", "7"], ["edit", "--attr", "7", "--count", 2], ["map", "--method", "pca"]):
        done = latentlab(*command, "--model", folder)
        assert done.exit_code == 0, done.stderr
    shown = latentlab("info", folder).stdout
    # What was said by --activation is no open question any more, and the others take no options here.
    assert "a model of state dict" in shown and "pixel range" in shown and "activation" not in shown
    assert "(--range)" not in shown
    assert "knows, with held-out AUC" in shown


def test_adopt_as_json(latentlab, theirs, here):
    result = latentlab("adopt", theirs, "--data", "digits", "--count", 300, "--out", "here", "--json")
    record = json.loads(result.stdout)
    assert record["folder"] == "here" and record["opened"]["origin"] == "state dict" and result.stderr == ""
    assert set(record["metrics"]["directions"]) == set("0123456789")
    assert files(here / "here") >= {"checkpoint.safetensors", "metrics.json"}


def test_adopt_without_images_says_what_is_not_there(latentlab, theirs, here):
    result = latentlab("adopt", theirs, "--name", "bare")
    assert result.exit_code == 0 and "no directions, no gallery and no scores" in result.stdout + result.stderr
    assert files(here / "outputs") == {"adopt-bare/checkpoint.safetensors"}
    assert latentlab(*result.stdout.splitlines()[-1].removeprefix("try: latentlab ").split()).exit_code == 0


def test_adopt_refuses_a_folder_that_is_there(latentlab, theirs, here):
    assert latentlab("adopt", theirs, "--name", "mine").exit_code == 0
    before = (here / "outputs/adopt-mine/checkpoint.safetensors").read_bytes()
    one_line(
        latentlab("adopt", theirs, "--name", "mine", "--range", "signed"), 1, "not to be there yet.*--name or --out"
    )
    assert (here / "outputs/adopt-mine/checkpoint.safetensors").read_bytes() == before
    assert files(here) == {"theirs.pt", "outputs/adopt-mine/checkpoint.safetensors"}


def test_classes_are_named(latentlab, conditional):
    names = "zero,one,two,three,four,five,six,seven,eight,nine"
    card = json.loads(latentlab("info", conditional, "--classes", names, "--json").stdout)
    assert card["latent"] == {"z": [3], "condition": [10]}
    assert "--classes" not in {fact["option"] for fact in card["opened"]["missing"]}
    result = latentlab("sample", "--model", conditional, "--condition", "7", "--count", 3)
    assert result.exit_code == 0, result.stderr
    done = latentlab("adopt", conditional, "--classes", names, "--name", "named")
    assert done.exit_code == 0, done.stderr
    result = latentlab("sample", "--model", "outputs/adopt-named", "--condition", "seven", "--count", 3)
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize("command", ["info", "adopt"])
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--image-size", "wide"], 2, "expected --image-size as 64 or 48x64, got 'wide'"),
        (["--image-size", "8x8x8"], 2, "expected --image-size as"),
        (["--image-size", "0"], 2, "expected --image-size as"),
        (["--image-size", "9"], 1, "expected images of 64 values, got 9×9 by --image-size"),
        (["--channels", "3"], 1, "expected images of 64 values"),
        (["--channels", "4"], 2, "--channels"),
        (["--activation", "rleu"], 1, "unknown activation 'rleu'; did you mean relu"),
        (["--range", "wide"], 2, "'unit', 'signed'"),
        (["--output", "softmax"], 2, "'sigmoid', 'tanh', 'none'"),
        (["--loader", "nowhere:make"], 2, "expected --loader as module:factory"),
        (["--loader", "theirs.py"], 2, "expected --loader as module:factory"),
    ],
)
def test_what_cannot_be_is_one_line(latentlab, theirs, here, command, words, code, said):
    one_line(latentlab(command, theirs, *words), code, said)
    assert files(here) == {"theirs.pt"}


def test_classes_of_another_count_are_one_line(latentlab, conditional):
    for command in ("info", "adopt"):
        one_line(
            latentlab(command, conditional, "--classes", "a,b,c"), 2, "expected 10 names of classes, got 3: a, b, c"
        )


def test_nothing_may_be_said_of_latentlabs_own(latentlab, tiny_run):
    for model in (tiny_run, "digits"):
        one_line(latentlab("info", model, "--range", "signed"), 2, "expected nothing to be said of (tiny|digits)")


@pytest.mark.parametrize("command", [["info"], ["adopt"], ["sample", "--model"], ["export", "--model"]])
def test_a_path_that_is_no_model_is_one_line(latentlab, here, command):
    (here / "notes.pt").write_text("no weights here")
    (here / "empty").mkdir()
    one_line(latentlab(*command, "nowhere.pt"), 1, r"unknown model 'nowhere\.pt'")
    one_line(latentlab(*command, "notes.pt"), 1, r"notes\.pt is no safetensors, torch checkpoint")
    one_line(latentlab(*command, "empty"), 1, "empty")
    assert files(here) == {"notes.pt"}


def test_where_other_commands_cannot_say_it_the_error_says_who_can(latentlab, here):
    weights = tutorial()
    weights["fc1.weight"], weights["fc4.weight"] = torch.zeros(10, 63), torch.zeros(63, 10)
    weights["fc4.bias"] = torch.zeros(63)
    torch.save(weights, here / "odd.pt")
    said = r"give --image-size \(options of `latentlab info` and `latentlab adopt`\)"
    one_line(latentlab("sample", "--model", "odd.pt"), 1, said)
    assert latentlab("info", "odd.pt", "--image-size", "7x9").exit_code == 0


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (["morph", "@1", "@7", "--data", "digits", "--steps", "4"], {"strip.png", "morph.gif"}),
        (["reconstruct", "--data", "digits", "--count", "20"], {"reconstructions.png"}),
        (["sample", "--count", "3"], {"samples.png"}),
    ],
)
def test_commands_open_a_file_of_somebody_elses(latentlab, theirs, here, words, made):
    result = latentlab(*words, "--model", "theirs.pt")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0] == "model: theirs"
    (folder,) = (here / "outputs").iterdir()
    assert files(folder) == {*made, "index.html", "result.json"}
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert record["checkpoint"] == json.loads(latentlab("info", theirs, "--json").stdout)["checkpoint"]


def test_a_loader_is_run_and_says_so(latentlab, theirs, here):
    (here / "author.py").write_text(FACTORY)
    card = json.loads(latentlab("info", theirs, "--loader", "author.py:Net", "--json").stdout)
    assert card["opened"]["origin"] == "loader" and "was run: it is Python code" in card["opened"]["warnings"][0]
    one_line(latentlab("adopt", theirs, "--loader", "author.py:Net"), 1, "--format torchscript")
    assert not list(here.glob("outputs/*")) and not list(here.glob("outputs/.*"))
    # The way out that it names.
    done = latentlab(
        "export",
        "--model",
        theirs,
        "--loader",
        "author.py:Net",
        "--format",
        "torchscript",
        "--out",
        "program",
        "--quiet",
    )
    assert done.exit_code == 0, done.stderr
    assert done.stdout == "program/model.pt\n"
    result = latentlab("adopt", "program", "--name", "mine", "--data", "digits", "--count", 200)
    assert result.exit_code == 0, result.stderr
    assert "outputs/adopt-mine/program/model.pt" in files(here)
    assert latentlab("morph", "1", "7", "--model", "outputs/adopt-mine").exit_code == 0


@pytest.mark.parametrize(
    ("format", "made"), [("state-dict", {"model.pt", "model.json"}), ("torchscript", {"model.pt"})]
)
def test_export(latentlab, tiny_run, here, format, made):
    result = latentlab("export", "--model", tiny_run, "--format", format)
    assert result.exit_code == 0, result.stderr
    folder = here / f"outputs/export-tiny-{format}"
    assert files(folder) == made and "read back, it differs from the model by at most" in result.stdout
    record = json.loads(latentlab("export", "--model", tiny_run, "--format", format, "--json").stdout)
    assert (record["model"], record["format"]) == ("tiny", format) and 0 <= record["difference"] < 1e-3
    assert {Path(path).name for path in record["files"]} == made


def test_what_was_exported_opens_again(latentlab, here):
    latentlab("export", "--model", "digits", "--format", "torchscript", "--out", "out")
    found = json.loads(latentlab("info", "out/model.pt", "--data", "digits", "--count", 100, "--json").stdout)
    own = json.loads(latentlab("info", "digits", "--data", "digits", "--count", 100, "--json").stdout)
    assert found["opened"]["origin"] == "torchscript" and len(found["trials"]) == 2
    for name in ("mean_square_error", "kl_nats", "active_units"):
        assert found["measured"][name] == pytest.approx(own["measured"][name], rel=1e-3)
    assert found["warnings"] == []


def test_an_unknown_format_is_wrong_usage(latentlab, tiny_run, here):
    one_line(latentlab("export", "--model", tiny_run, "--format", "keras"), 2, "'onnx', 'torchscript', 'state-dict'")
    assert files(here) == set()
