"""live.json: read back as it was written, or refused in a line."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from latentlab.errors import FileFormatError
from latentlab.report.live import Program, fill, read_program, trace_program, write_program
from latentlab.report.live.file import _digest
from latentlab.report.live.program import Weight

HASH = "a" * 64


def test_a_program_comes_back_as_it_was(case, tmp_path: Path):
    decoder = case.build()
    program = trace_program(decoder)
    path = write_program(tmp_path / "live.json", program, HASH)
    read = read_program(path, HASH)
    assert read == program
    assert fill(read, decoder.state_dict(), "int8") == fill(program, decoder.state_dict(), "int8")
    again = write_program(tmp_path / "again.json", read, HASH)
    assert again.read_bytes() == path.read_bytes()


def test_a_program_holds_no_weights(cases, tmp_path: Path):
    decoder = cases["blocks"].build()
    path = write_program(tmp_path / "live.json", trace_program(decoder), HASH)
    assert sum(tensor.numel() for tensor in decoder.state_dict().values()) > 100_000
    assert path.stat().st_size < 4_000


@pytest.fixture
def written(cases, tmp_path: Path) -> Path:
    program = trace_program(cases["broadcast-grid"].build())
    return write_program(tmp_path / "live.json", program, HASH)


def refused(path: Path, wanted: str = HASH) -> str:
    with pytest.raises(FileFormatError) as problem:
        read_program(path, wanted)
    text = str(problem.value)
    assert "\n" not in text and str(path) in text and len(text) < 700
    return text


def test_a_missing_file_is_refused(tmp_path: Path):
    assert "no such file" in refused(tmp_path / "live.json")


def test_every_cut_is_refused(written: Path):
    whole = written.read_bytes()
    for end in [0, 1, *range(2, len(whole) - 2, 97), len(whole) - 2]:
        written.write_bytes(whole[:end])
        refused(written)


def test_the_program_of_another_checkpoint_is_refused(written: Path):
    assert "expected the program of checkpoint bbbbbbbbbbbb, got that of aaaaaaaaaaaa" in refused(written, "b" * 64)


@pytest.mark.parametrize(
    "text", ["[]", "3", '"live"', "null", '{"format": "latentlab-checkpoint"}', "\xff", "[" * 100_000]
)
def test_a_file_of_another_kind_is_refused(written: Path, text: str):
    written.write_bytes(text.encode("latin-1"))
    refused(written)


def test_a_newer_version_is_refused(written: Path):
    assert "upgrade latentlab" in edited(written, lambda record: record.update(version=2))


def test_a_large_file_is_not_read(written: Path):
    written.write_bytes(b" " * 8_000_001)
    assert "at most 8000000 bytes, got 8000001" in refused(written)


def test_an_edit_by_hand_is_noticed(written: Path):
    record = json.loads(written.read_text())
    record["ops"][-1]["n"] += 0
    record["weights"][0]["from"] = "f.0.bias"
    written.write_text(json.dumps(record))
    assert "it was changed after it was written" in refused(written)


# Edits by somebody who also writes the digest anew: what is read still has to hold together.


def edited(path: Path, edit: Callable[[dict[str, Any]], Any]) -> str:
    record = json.loads(path.read_text())
    record.pop("digest")
    edit(record)
    text = json.dumps({**record, "digest": _digest(record)})
    path.write_text(text)
    return refused(path)


def op(record: dict[str, Any], name: str) -> dict[str, Any]:
    return next(op for op in record["ops"] if op["op"] == name)


def weight(record: dict[str, Any], **has: Any) -> dict[str, Any]:
    return next(w for w in record["weights"] if all(w[key] == value for key, value in has.items()))


EDITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "an unknown operation": lambda r: op(r, "conv2d").update(op="__import__"),
    "an operation without a name": lambda r: op(r, "conv2d").pop("op"),
    "an operation that is a list": lambda r: op(r, "conv2d").update(op=["conv2d"]),
    "an operation that is no table": lambda r: r["ops"].append("conv2d"),
    "a field too many": lambda r: op(r, "slice").update(more=1),
    "a field missing": lambda r: op(r, "slice").pop("outer"),
    "a size of the wrong kind": lambda r: op(r, "activation").update(n=4.0),
    "a size that is a flag": lambda r: op(r, "slice").update(outer=True),
    "a size below one": lambda r: op(r, "expand").update(inner=0),
    "a negative slot": lambda r: op(r, "activation").update(x=-1),
    "a slot that is not written yet": lambda r: r["ops"][0].update(x=r["output"]["slot"]),
    "a slot that is never written": lambda r: op(r, "activation").update(x=999),
    "a slot that is written twice": lambda r: r["ops"][1].update(y=r["ops"][0]["y"]),
    "an input that is written": lambda r: r["ops"][0].update(y=0),
    "a slot of another size": lambda r: op(r, "activation").update(n=3),
    "an unknown activation": lambda r: op(r, "activation").update(kind="eval"),
    "an activation that is a list": lambda r: op(r, "activation").update(kind=["relu"]),
    "a window that does not fit": lambda r: op(r, "conv2d").update(padding=[0, 1]),
    "a window that is no list": lambda r: op(r, "conv2d").update(kernel="33"),
    "a stride of zero": lambda r: op(r, "conv2d").update(stride=[0, 1]),
    "a slice beyond its row": lambda r: op(r, "slice").update(start=op(r, "slice")["size"]),
    "sizes of another number": lambda r: op(r, "concat").update(sizes=[1]),
    "a weight that is not there": lambda r: op(r, "conv2d").update(w=99),
    "a weight of another shape": lambda r: op(r, "conv2d").update(w=op(r, "conv2d")["b"]),
    "a weight that nothing uses": lambda r: r["weights"].append(r["weights"][0]),
    "a weight of an unknown layout": lambda r: weight(r, layout="conv").update(layout="pickle"),
    "a weight with a field too many": lambda r: r["weights"][0].update(code="import os"),
    "a weight that is no table": lambda r: r["weights"].append(3),
    "a weight from a number": lambda r: weight(r, layout="conv").update({"from": 3}),
    "a weight from nothing": lambda r: weight(r, layout="conv").update({"from": None}),
    "a weight from a long name": lambda r: weight(r, layout="conv").update({"from": "w" * 501}),
    "a weight from two places": lambda r: next(w for w in r["weights"] if w["value"]).update({"from": "f.0.bias"}),
    "a value of another length": lambda r: next(w for w in r["weights"] if w["value"])["value"].extend([0.0] * 5),
    "a value that is empty": lambda r: next(w for w in r["weights"] if w["value"]).update(value=[]),
    "a value that is no number": lambda r: next(w for w in r["weights"] if w["value"])["value"].__setitem__(0, "0"),
    "a value that is a flag": lambda r: next(w for w in r["weights"] if w["value"])["value"].__setitem__(0, True),
    "a value beyond single precision": lambda r: next(w for w in r["weights"] if w["value"])["value"].__setitem__(
        0, 1e39
    ),
    "too many values": lambda r: next(w for w in r["weights"] if w["value"]).update(value=[0.0] * 4_097),
    "a norm that is no table": lambda r: weight(r, layout="conv").update(norm=[1]),
    "a norm without statistics": lambda r: weight(r, layout="conv").update(
        norm={"weight": None, "bias": None, "mean": None, "var": "v", "eps": 1e-5}
    ),
    "a norm below zero": lambda r: weight(r, layout="conv").update(
        norm={"weight": None, "bias": None, "mean": "m", "var": "v", "eps": -1.0}
    ),
    "rows that are huge": lambda r: weight(r, layout="conv").update(rows=2**40),
    "no output": lambda r: r.update(output=None),
    "an output of another shape": lambda r: r["output"].update(shape=[1, 1, 1]),
    "an output that is never written": lambda r: r["output"].update(slot=99),
    "an output with more": lambda r: r["output"].update(more=1),
    "no input": lambda r: r.update(inputs=[]),
    "an input too many": lambda r: r["inputs"].extend([r["inputs"][0]] * 2),
    "an input by another name": lambda r: r["inputs"][0].update(name="x"),
    "an input of another size": lambda r: r["inputs"][0].update(size=13),
    "an input of no size": lambda r: r["inputs"][0].update(size=0),
    "a second latent": lambda r: r["inputs"].append({"slot": 99, "name": "z", "size": 3}),
    "inputs that are a table": lambda r: r.update(inputs={"0": 1}),
    "a key too many": lambda r: r.update(note="hello"),
    "a key missing": lambda r: r.pop("ops"),
}
OTHER_KEYS = ("a key too many", "a key missing")


@pytest.mark.parametrize("name", EDITS)
def test_what_does_not_hold_together_is_refused(written: Path, name: str):
    before = written.read_text()
    text = edited(written, EDITS[name])
    # The digest is right, so it is the content that is refused.
    assert "is not a whole live program" in text and ("changed after" in text) == (name in OTHER_KEYS)
    assert written.read_text() != before


def test_a_huge_program_is_refused_before_anything_is_allocated(written: Path):
    def grow(record: dict[str, Any]) -> None:
        expansion = op(record, "expand")
        expansion["n"] = 2**26
        record["ops"] = [expansion]

    assert "is not a whole live program" in edited(written, grow)

    program = Program(
        ({"slot": 0, "name": "z", "size": 1},), {"slot": 1, "shape": [1, 1, 1]}, ({"op": "expand", "x": 0, "y": 1},), ()
    )
    write_program(written, program, HASH)
    refused(written)


def test_a_table_of_classes_is_not_made_larger_than_any(tmp_path: Path):
    def table(classes: int) -> Program:
        return Program(
            ({"slot": 0, "name": "z", "size": 1}, {"slot": 1, "name": "condition", "kind": "class", "size": classes}),
            {"slot": 2, "shape": [1, 1, classes]},
            ({"op": "embed", "x": 1, "y": 2, "w": 0, "classes": classes, "width": classes},),
            (Weight(classes, classes, "identity"),),
        )

    path = write_program(tmp_path / "live.json", table(16), HASH)
    assert read_program(path, HASH) == table(16)
    assert "a weight is too large" in refused(write_program(path, table(2**14), HASH))


@pytest.mark.parametrize("layout", ["matrix", "conv", "transposed", "table", "gain", "identity"])
def test_numbers_in_the_program_are_rows_of_a_matrix_and_nothing_else(tmp_path: Path, layout: str):
    def layer(layout: Any) -> Program:
        op = {"op": "linear", "x": 0, "y": 1, "w": 0, "b": 1, "rows": 1, "columns": 1, "count": 1}
        weights = (Weight(1, 1, layout, value=(2.0,)), Weight(1, 1, "vector"))
        return Program(({"slot": 0, "name": "z", "size": 1},), {"slot": 1, "shape": [1, 1, 1]}, (op,), weights)

    path = write_program(tmp_path / "live.json", layer("linear"), HASH)
    assert read_program(path, HASH) == layer("linear")
    assert f"a weight of layout {layout} is not complete" in refused(write_program(path, layer(layout), HASH))


def test_classes_and_attributes_are_told_apart(cases, tmp_path: Path):
    program = trace_program(cases["by-class"].build())
    path = write_program(tmp_path / "live.json", program, HASH)
    read = read_program(path, HASH)
    assert read.condition == {"slot": 1, "name": "condition", "kind": "class", "size": 5}
    record = json.loads(path.read_text())
    other = copy.deepcopy(record)
    other["inputs"][1]["kind"] = "attributes"
    other.pop("digest")
    path.write_text(json.dumps({**other, "digest": _digest(other)}))
    assert "embed: reads 1 values from slot 1, which has 5" in refused(path)
