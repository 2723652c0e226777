from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save

from latentlab.directions.direction import Direction
from latentlab.directions.estimate import estimate_directions
from latentlab.directions.file import HEADER, DirectionsFile, read_directions, write_directions
from latentlab.directions.record import build_record
from latentlab.errors import DataError, FileFormatError, LatentlabError
from latentlab.statistics.covariance import LARGEST_MATRIX, Covariance

CHECKPOINT = "c" * 64
FULL = Direction(
    name='long-hair/∂ "x"',
    vector=np.array([1.0, -2.0, 0.5], dtype=np.float32),
    estimator="mean",
    positives=12,
    negatives=30,
    mean_with=np.array([1.0, 0.0, 0.5], dtype=np.float32),
    mean_without=np.array([0.0, 2.0, 0.0], dtype=np.float32),
    readout=np.array([0.1, 0.2, 0.3], dtype=np.float32),
    intercept=-0.1,
    auc=0.987654321,
    auc_interval=(0.9, 0.99),
    probe_images=77,
    accuracy=0.95,
    angle_degrees=3.25,
    p_value=0.001,
)
COVARIANCE = Covariance(
    center=np.array([0.5, 1.0, 0.25], np.float32),
    matrix=np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]], np.float32),
    count=42,
)
BARE = Direction(name="smile", vector=np.zeros(3, dtype=np.float32), estimator="algebra")


def written(path: Path, directions: tuple[Direction, ...] = (FULL, BARE), **options: object) -> Path:
    return write_directions(path, directions, checkpoint=CHECKPOINT, data={"source": "faces", "count": 3}, **options)


def same(a: Direction, b: Direction) -> bool:
    return all(
        np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y
        for x, y in ((getattr(a, field), getattr(b, field)) for field in Direction.__dataclass_fields__)
    )


def test_round_trip_keeps_everything_in_order(tmp_path: Path) -> None:
    stored = read_directions(written(tmp_path / "new" / "d.safetensors", extra={"seed": 3}), CHECKPOINT)
    assert [same(a, b) for a, b in zip(stored.directions, (FULL, BARE), strict=True)] == [True, True]
    assert stored.checkpoint == CHECKPOINT
    assert stored.data == {"source": "faces", "count": 3}
    assert stored.extra == {"seed": 3}
    assert set(stored.versions) >= {"latentlab", "numpy"}
    assert stored.versions["numpy"] == np.__version__
    assert stored.covariance is None
    assert stored.notes == ()


def test_the_covariance_comes_back(tmp_path: Path) -> None:
    path = written(tmp_path / "d.safetensors", covariance=COVARIANCE)
    found = read_directions(path).covariance
    assert found is not None
    assert found.count == 42
    np.testing.assert_array_equal(found.center, COVARIANCE.center)
    np.testing.assert_array_equal(found.matrix, COVARIANCE.matrix)
    with safe_open(str(path), framework="numpy") as file:
        summary = json.loads(file.metadata()[HEADER])["covariance"]
    assert summary == {"count": 42, "size": 3, "alive": 2, "total_variance": 3.0, "kept": "matrix"}


@pytest.mark.parametrize(("size", "kept"), [(LARGEST_MATRIX, "matrix"), (LARGEST_MATRIX + 1, "diagonal")])
def test_of_a_large_covariance_the_variances_are_kept(tmp_path: Path, size: int, kept: str) -> None:
    matrix = np.diag(np.arange(1, size + 1, dtype=np.float32))
    matrix[0, 1] = matrix[1, 0] = 0.5
    given = Covariance(np.ones(size, np.float32), matrix, 9)
    path = written(tmp_path / "d.safetensors", (), covariance=given)
    found = read_directions(path).covariance
    assert found is not None
    if kept == "diagonal":
        assert path.stat().st_size < 20 * size
        matrix = np.diagonal(matrix)
    np.testing.assert_array_equal(found.matrix, matrix)


def test_the_covariance_has_the_size_of_the_vectors(tmp_path: Path) -> None:
    wide = Covariance(np.zeros(4, np.float32), np.eye(4, dtype=np.float32), 9)
    for directions in ((BARE,), (FULL, BARE)):
        with pytest.raises(DataError, match=r"one length, got \[3, 4\]"):
            written(tmp_path / "d.safetensors", directions, covariance=wide)


def test_estimated_directions_round_trip(tmp_path: Path, planted: Callable) -> None:
    found = estimate_directions(planted(120)).directions
    stored = read_directions(written(tmp_path / "d.safetensors", found))
    assert all(same(a, b) for a, b in zip(stored.directions, found, strict=True))


def test_no_directions_is_a_file_too(tmp_path: Path) -> None:
    assert read_directions(written(tmp_path / "d.safetensors", ())).directions == ()


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    first = written(tmp_path / "a.safetensors", extra={"a": 1, "b": 2}).read_bytes()
    assert written(tmp_path / "b.safetensors", extra={"b": 2, "a": 1}).read_bytes() == first


def test_header_and_arrays_are_plain_safetensors(tmp_path: Path) -> None:
    path = written(tmp_path / "d.safetensors")
    with safe_open(str(path), framework="numpy") as file:
        record = json.loads(file.metadata()[HEADER])
        np.testing.assert_array_equal(file.get_tensor("vector/smile"), BARE.vector)
        assert f"readout/{BARE.name}" not in file.keys()  # noqa: SIM118
    assert record["checkpoint"] == CHECKPOINT
    assert record["format"] == 2
    full = record["directions"][0]
    assert full["gap"] == pytest.approx(FULL.gap)
    assert (full["estimator"], full["positives"], full["negatives"]) == ("mean", 12, 30)
    assert (full["intercept"], full["auc_interval"]) == (-0.1, [0.9, 0.99])
    assert (full["accuracy"], full["angle_degrees"], full["p_value"]) == (0.95, 3.25, 0.001)


def test_files_of_the_first_format_are_still_read(tmp_path: Path) -> None:
    from latentlab.directions import file

    old = replace(FULL, accuracy=None, angle_degrees=None, p_value=None)
    kinds = ("vector", "mean_with", "mean_without", "readout")
    record = {
        "format": 1, "version": "0.1.0", "checkpoint": CHECKPOINT, "data": {"source": "faces"}, "extra": {},
        "directions": [
            {
                "name": old.name, "estimator": "mean", "positives": 12, "negatives": 30, "gap": old.gap,
                "intercept": -0.1, "auc": old.auc, "auc_interval": [0.9, 0.99], "probe_images": 77,
            }
        ],
    }  # fmt: skip
    arrays = {f"{kind}/{old.name}": getattr(old, kind) for kind in kinds}
    record["digest"] = file._digest(record, arrays)
    path = tmp_path / "d.safetensors"
    path.write_bytes(save(arrays, metadata={HEADER: json.dumps(record)}))
    stored = read_directions(path, CHECKPOINT)
    assert same(stored.directions[0], old)
    assert (stored.versions, stored.covariance, stored.data) == ({"latentlab": "0.1.0"}, None, {"source": "faces"})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return written(tmp_path_factory.mktemp("whole") / "d.safetensors", covariance=COVARIANCE).read_bytes()


def read_or_refused(path: Path, content: bytes) -> DirectionsFile | None:
    path.write_bytes(content)
    try:
        return read_directions(path, CHECKPOINT)
    except FileFormatError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
        return None


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_changed_byte_is_noticed(tmp_path: Path, whole: bytes, place: float, flip: int) -> None:
    content = bytearray(whole)
    content[int(place * len(whole))] ^= flip
    stored = read_or_refused(tmp_path / "d.safetensors", bytes(content))
    # A change that means nothing, as in the padding of the header, may pass: then the content is the same.
    assert stored is None or all(same(a, b) for a, b in zip(stored.directions, (FULL, BARE), strict=True))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_refused(tmp_path: Path, whole: bytes, kept: float) -> None:
    assert read_or_refused(tmp_path / "d.safetensors", whole[: int(kept * len(whole))]) is None
    assert read_or_refused(tmp_path / "d.safetensors", whole + b"\0") is None


def test_a_changed_value_is_an_edit(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "d.safetensors"
    for edited in (whole[:-1] + bytes([whole[-1] ^ 1]), whole.replace(b'\\"positives\\":12', b'\\"positives\\":92')):
        assert edited != whole
        path.write_bytes(edited)
        with pytest.raises(FileFormatError, match="was changed after it was written"):
            read_directions(path)


def test_another_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    path = written(tmp_path / "d.safetensors")
    with pytest.raises(FileFormatError, match=f"checkpoint {'c' * 12}, expected {'d' * 12}"):
        read_directions(path, "d" * 64)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("[]", "not a directions file"),
        ("[" * 5000, "cut short"),
        ('{"format": 3}', "has format 3, expected 2 or less; upgrade latentlab"),
        ("{}", "has format None"),
        ('{"format": 2}', "changed"),
        ('{"format": 1}', "changed"),
        ('{"format": 1, "auc": NaN}', "JSON"),
    ],
)
def test_foreign_records_are_refused(tmp_path: Path, record: str, message: str) -> None:
    path = tmp_path / "d.safetensors"
    path.write_bytes(save({"vector/smile": BARE.vector}, metadata={HEADER: record}))
    with pytest.raises(FileFormatError, match=message):
        read_directions(path)


@pytest.mark.parametrize("break_it", ["missing", "type", "vector", "shape", "twice", "covariance"])
def test_a_record_that_was_signed_but_is_not_whole_is_refused(tmp_path: Path, break_it: str) -> None:
    from latentlab.directions import file

    record, arrays = build_record([BARE], CHECKPOINT, covariance=COVARIANCE)
    if break_it == "missing":
        del record["directions"][0]["estimator"]
    elif break_it == "type":
        record["directions"] = [3]
    elif break_it == "vector":
        arrays["vector/hat"] = arrays.pop("vector/smile")
    elif break_it == "shape":
        arrays["vector/smile"] = np.zeros((2, 3), dtype=np.float32)
    elif break_it == "twice":
        record["directions"] *= 2
    else:
        arrays["covariance/matrix"] = np.array([[1, 2, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    record["digest"] = file._digest(record, arrays)
    path = tmp_path / "d.safetensors"
    path.write_bytes(save(arrays, metadata={HEADER: json.dumps(record)}))
    with pytest.raises(FileFormatError, match="not a whole directions file"):
        read_directions(path)


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(save({"weight": np.zeros(3, dtype=np.float32)}))
    text = tmp_path / "notes.txt"
    text.write_text("not a safetensors file at all")
    empty = tmp_path / "empty"
    empty.touch()
    for path, message in (
        (other, "not a directions file"),
        (text, "cut short"),
        (empty, "cut short"),
        (tmp_path, "no such file"),
        (tmp_path / "nowhere", "no such file"),
    ):
        with pytest.raises(FileFormatError, match=message):
            read_directions(path)


def test_what_cannot_be_kept_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "d.safetensors"
    nan = Direction(name="nan", vector=np.array([np.nan, 0, 0], dtype=np.float32), estimator="mean")
    long = Direction(name="long", vector=np.zeros(4, dtype=np.float32), estimator="mean")
    for directions, message in (((BARE, BARE), "'smile' twice"), ((nan,), "finite"), ((BARE, long), r"one length")):
        with pytest.raises(DataError, match=message):
            written(path, directions)
    with pytest.raises(DataError, match="JSON"):
        written(path, extra={"x": float("nan")})
    assert not path.exists()
    with pytest.raises(LatentlabError, match="cannot write"):
        written(Path("/proc/nowhere/d.safetensors"))
