"""What starts: quickly, and without the heavy libraries."""

from __future__ import annotations

import pytest

HEAVY = ("torch", "umap", "plotly", "sklearn", "scipy", "torchvision", "numpy")
LOADED = "import sys; print([name for name in {names} if name in sys.modules])"


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["morph", "--help"], ["train", "--help"]])
def test_help_imports_nothing_heavy(process, words):
    code = (
        f"import sys; sys.argv = ['latentlab', *{words}]\n"
        "from latentlab.__main__ import main\n"
        "try:\n    main()\nexcept SystemExit as error:\n    assert not error.code, error.code\n"
        + LOADED.format(names=HEAVY).replace("print(", "print('heavy:', ")
    )
    done = process("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy: []"
    assert done.stderr == ""


def test_import_and_bundled_names_import_no_torch(process):
    code = "import latentlab as ll; dir(ll); ll.__version__; " + LOADED.format(names=HEAVY)
    assert process("-c", code).stdout.strip() == "[]"


def test_public_names():
    import latentlab

    for name in latentlab.__all__:
        assert getattr(latentlab, name) is not None
    assert set(dir(latentlab)) == set(latentlab.__all__)
    with pytest.raises(AttributeError, match="laod"):
        latentlab.laod  # noqa: B018


def test_console_script_is_the_module(process):
    done = process("-m", "latentlab", "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("latentlab ")
