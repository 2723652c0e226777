from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentlab.directions.direction import Direction
from latentlab.directions.exchange import _digits, export_directions, read_vectors
from latentlab.errors import DataError, FileFormatError, LatentlabError, UsageError
from latentlab.statistics.covariance import Covariance

CHECKPOINT = "c" * 64
GENERATOR = np.random.default_rng(0)
SMILE, HAT = (
    Direction(
        name=name,
        vector=GENERATOR.normal(size=5).astype(np.float32),
        estimator="zero-leak",
        positives=12,
        negatives=30,
        mean_with=GENERATOR.normal(size=5).astype(np.float32),
        mean_without=np.zeros(5, np.float32),
        readout=GENERATOR.normal(size=5).astype(np.float32),
        intercept=-0.1,
        auc=0.987654321,
        auc_interval=(0.9, 0.99),
        probe_images=77,
        accuracy=0.95,
        angle_degrees=3.25,
        p_value=0.001,
    )
    for name in ("smile", 'hat "∂"')
)
GRIN = Direction(name="grin", vector=np.full(5, 1 / 3, np.float32), estimator="algebra")
ALL = (SMILE, HAT, GRIN)
COVARIANCE = Covariance(np.full(5, 0.1, np.float32), np.eye(5, dtype=np.float32) / np.float32(3), 42)


def export(path: Path, directions: tuple[Direction, ...] = ALL) -> Path:
    written = export_directions(
        path, directions, checkpoint=CHECKPOINT, data={"fingerprint": "f"}, extra={"a": 1}, covariance=COVARIANCE
    )
    assert all(file.is_file() for file in written)
    return written[0]


def same(a: Direction, b: Direction) -> bool:
    return all(
        np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y
        for x, y in ((getattr(a, field), getattr(b, field)) for field in Direction.__dataclass_fields__)
    )


@pytest.mark.parametrize("name", ["d.safetensors", "d.json", "D.JSON"])
def test_everything_comes_back_bit_for_bit(tmp_path: Path, name: str) -> None:
    stored = read_vectors(export(tmp_path / name), CHECKPOINT, 5)
    assert [same(a, b) for a, b in zip(stored.directions, ALL, strict=True)] == [True] * 3
    assert (stored.checkpoint, stored.data, stored.extra) == (CHECKPOINT, {"fingerprint": "f"}, {"a": 1})
    assert stored.versions["numpy"] == np.__version__
    assert stored.covariance is not None
    np.testing.assert_array_equal(stored.covariance.matrix, COVARIANCE.matrix)
    np.testing.assert_array_equal(stored.covariance.center, COVARIANCE.center)
    assert stored.notes == ()


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_any_float32_survives_text(values: list[float]) -> None:
    given_ = np.array(values, np.float32)
    back = np.array(json.loads(json.dumps(_digits(given_))), np.float32)
    assert back.tobytes() == given_.tobytes()


def test_the_same_directions_give_the_same_bytes(tmp_path: Path) -> None:
    for suffix in ("safetensors", "json", "npy"):
        first, second = (export(tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab")
        assert first == second


def test_json_is_for_other_programs(tmp_path: Path) -> None:
    record = json.loads(export(tmp_path / "d.json").read_text(encoding="utf-8"))
    assert record["checkpoint"] == CHECKPOINT
    assert record["directions"][0]["name"] == "smile"
    np.testing.assert_array_equal(np.float32(record["directions"][0]["vector"]), SMILE.vector)
    assert "readout" not in record["directions"][2]
    assert record["covariance"]["count"] == 42


def test_json_that_others_wrote_may_be_short(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    entry = {"name": "smile", "vector": [1, 2.5]}
    path.write_text(
        json.dumps({"kind": "latentlab-directions", "format": 2, "checkpoint": CHECKPOINT, "directions": [entry]})
    )
    (found,) = read_vectors(path, CHECKPOINT).directions
    assert (found.name, found.estimator, found.vector.tolist(), found.readout) == ("smile", "imported", [1, 2.5], None)


def test_npy_carries_the_vectors_and_json_their_names(tmp_path: Path) -> None:
    path = export(tmp_path / "d.npy")
    np.testing.assert_array_equal(np.load(path), np.stack([direction.vector for direction in ALL]))
    stored = read_vectors(path, CHECKPOINT, 5)
    assert [direction.name for direction in stored.directions] == [direction.name for direction in ALL]
    assert {direction.estimator for direction in stored.directions} == {"imported"}
    np.testing.assert_array_equal(stored.directions[1].vector, HAT.vector)
    assert (stored.checkpoint, stored.notes) == (CHECKPOINT, ())
    assert len(read_vectors(tmp_path / "d.json", CHECKPOINT).directions) == 3


def test_npy_alone_says_what_it_does_not_know(tmp_path: Path) -> None:
    np.save(tmp_path / "grin.npy", np.arange(5))
    stored = read_vectors(tmp_path / "grin.npy", CHECKPOINT, 5)
    assert [direction.name for direction in stored.directions] == ["grin"]
    assert stored.directions[0].vector.dtype == np.float32
    assert stored.checkpoint == ""
    assert "does not say which model" in stored.notes[0]
    assert "called grin" in stored.notes[1]
    named = read_vectors(tmp_path / "grin.npy", names=["smirk"])
    assert [direction.name for direction in named.directions] == ["smirk"]
    assert len(named.notes) == 1
    np.save(tmp_path / "two.npy", np.ones((2, 5)))
    assert [d.name for d in read_vectors(tmp_path / "two.npy").directions] == ["two_1", "two_2"]


@pytest.mark.parametrize("beside", [["a", "b"], {"names": ["a", "b"]}, {"directions": [{"name": "a"}, {"name": "b"}]}])
def test_names_stand_beside_npy(tmp_path: Path, beside: object) -> None:
    np.save(tmp_path / "v.npy", np.eye(2))
    (tmp_path / "v.json").write_text(json.dumps(beside))
    stored = read_vectors(tmp_path / "v.npy")
    assert [direction.name for direction in stored.directions] == ["a", "b"]
    assert len(stored.notes) == 1


@pytest.mark.parametrize("name", ["d.safetensors", "d.json", "d.npy"])
def test_another_checkpoint_or_size_is_refused(tmp_path: Path, name: str) -> None:
    path = export(tmp_path / name)
    with pytest.raises(FileFormatError, match=f"of checkpoint {'c' * 12}, expected {'d' * 12}"):
        read_vectors(path, "d" * 64)
    with pytest.raises(FileFormatError, match="5 dimensions, expected 7"):
        read_vectors(path, CHECKPOINT, 7)


def change(key: str, value: object) -> Callable[[dict], object]:
    return lambda record: record.__setitem__(key, value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change("kind", "other"), "not directions in JSON"),
        (change("format", 9), "has format 9"),
        (change("directions", 3), "not whole"),
        (change("directions", [3]), "not whole"),
        (change("checkpoint", ""), "of checkpoint unknown, expected c"),
        (lambda r: r.pop("checkpoint"), "not whole"),
        (lambda r: r["directions"][0].pop("vector"), "not whole"),
        (lambda r: r["directions"][0].update(vector=[1, 2]), r"one length, got \[2, 5\]"),
        (lambda r: r["directions"][0].update(vector=["1"] * 5), "expected numbers"),
        (lambda r: r["directions"][0].update(vector=[1e300] * 5), "NaN or infinity"),
        (lambda r: r["directions"][0].update(vector=[[1], [1, 2]]), "not whole"),
        (lambda r: r["directions"][0].update(name="grin"), "share a name"),
        (lambda r: r["directions"][0].update(auc_interval=[0.5]), "not whole"),
        (lambda r: r["covariance"].pop("matrix"), "not whole"),
        (lambda r: r["covariance"]["matrix"][0].__setitem__(1, 1.0), "not symmetric"),
        (lambda r: r["covariance"].update(matrix=np.ones((5, 5)).tolist()), "not whole"),
    ],
)
def test_spoiled_json_is_refused_in_one_line(tmp_path: Path, spoil: Callable, message: str) -> None:
    path = export(tmp_path / "d.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    spoil(record)
    path.write_text(json.dumps(record))
    with pytest.raises(FileFormatError, match=message) as caught:
        read_vectors(path, CHECKPOINT)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([1.0, np.nan]), "NaN"),
        (np.array([1e300]), "infinity"),
        (np.zeros((0, 5)), "nothing"),
        (np.zeros((1, 2, 3)), r"\(d,\) or \(k, d\), got float64 of shape \(1, 2, 3\)"),
        (np.array(3.0), r"shape \(\)"),
        (np.array(["a"]), "<U1"),
        (np.array([1 + 2j]), "complex128"),
        (np.array([{}], dtype=object), "not a .npy of numbers"),
    ],
)
def test_arrays_that_are_no_vectors_are_refused(tmp_path: Path, values: np.ndarray, message: str) -> None:
    path = tmp_path / "v.npy"
    np.save(path, values, allow_pickle=True)
    with pytest.raises(FileFormatError, match=message) as caught:
        read_vectors(path)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    whole = export(tmp_path / "d.npy").read_bytes()
    huge = whole.replace(b"(3, 5)", b"(3, 9" + b"9" * 12 + b")")
    path = tmp_path / "v.npy"
    for content in (b"", b"text", whole[:-1], whole[:40], huge):
        path.write_bytes(content)
        with pytest.raises(FileFormatError, match="cut short"):
            read_vectors(path)
    np.savez(tmp_path / "v.npz", a=np.eye(2))
    (tmp_path / "v.npz").rename(path)
    with pytest.raises(FileFormatError, match="several arrays"):
        read_vectors(path)
    for missing in ("a.npy", "a.json", "a.safetensors", "a"):
        with pytest.raises(FileFormatError, match="cannot read"):
            read_vectors(tmp_path / missing)


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ('["a"]', "each of 2 vectors, got 1"),
        ('["a", "a"]', "name of its own"),
        ('["a", 3]', "names as texts"),
        ('["a", ""]', "names as texts"),
        ('{"b": 1}', "as a list"),
        ("7", "as a list"),
        ("[", "not JSON"),
    ],
)
def test_names_that_do_not_fit_are_refused(tmp_path: Path, beside: str, message: str) -> None:
    np.save(tmp_path / "v.npy", np.eye(2))
    (tmp_path / "v.json").write_text(beside)
    with pytest.raises(FileFormatError, match=message):
        read_vectors(tmp_path / "v.npy")


def test_what_cannot_be_is_not_written(tmp_path: Path) -> None:
    nan = Direction(name="nan", vector=np.array([np.nan], np.float32), estimator="mean")
    for name in ("d.safetensors", "d.json", "d.npy"):
        for directions, message in (((GRIN, GRIN), "twice"), ((nan,), "finite")):
            with pytest.raises(DataError, match=message):
                export(tmp_path / name, directions)
        with pytest.raises(DataError, match="JSON"):
            export_directions(tmp_path / name, ALL, checkpoint=CHECKPOINT, extra={"x": float("inf")})
    with pytest.raises(DataError, match="at least one direction"):
        export_directions(tmp_path / "d.npy", (), checkpoint=CHECKPOINT)
    with pytest.raises(UsageError, match=r"\.safetensors, \.json, \.npy, got 'd\.txt'"):
        export(tmp_path / "d.txt")
    with pytest.raises(UsageError, match=r"names for the vectors of a \.npy only"):
        read_vectors(export(tmp_path / "ok.json"), names=["a"])
    with pytest.raises(LatentlabError, match="cannot write"):
        export(Path("/proc/nowhere/d.npy"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ok.json"]
