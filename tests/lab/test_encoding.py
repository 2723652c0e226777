"""A source encoded into a table: the same bytes whatever happens on the way."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import latentlab as ll
from latentlab.errors import CapabilityError, DataError, FileFormatError, LatentlabError, UsageError
from latentlab.files import temporary_name
from latentlab.lab.encoding import encode_source
from latentlab.latents import encode_part
from latentlab.latents.store import open_latents, room
from latentlab.latents.store.manifest import MANIFEST
from latentlab.latents.store.place import Place


@pytest.fixture(scope="module")
def lab():
    return ll.load("digits", "cpu")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "FEWEST_ROWS", 256)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty small photographs of two classes, with scores."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number in range(60):
        place = folder / ("cat" if number % 3 else "dog")
        place.mkdir(exist_ok=True)
        pixels = rng.integers(0, 256, (20, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number:02d}.jpg")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != ".lock"}


def test_the_table_holds_what_the_model_says_of_each_image(lab, tmp_path: Path) -> None:
    done = encode_source(lab, "digits", tmp_path / "t", split="all", workers=1)
    data = ll.load_data("digits", split="all")
    known = lab.encode_data(data)
    stored = open_latents(tmp_path / "t", lab.checkpoint)
    found = stored.take(np.arange(len(stored)))
    assert (done.images, done.kept, done.skipped, len(stored.manifest.parts)) == (1797, 0, 0, 8)
    assert found.ids.tolist() == known.ids.tolist()
    np.testing.assert_allclose(found.mean, known.mean, atol=1e-6)
    np.testing.assert_allclose(found.logvar, known.logvar, atol=1e-5)
    np.testing.assert_array_equal(found.labels, known.labels)
    assert found.classes == known.classes
    assert stored.summary.count == 1797
    assert stored.verify() == []


def test_processes_write_the_same_bytes_as_one(lab, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    encode_source(lab, "digits", tmp_path / "one", split="all", workers=1)
    encode_source(
        lab, "digits", tmp_path / "two", split="all", workers=2,
        progress=lambda task, done, total, note="": seen.append((done, total)),
    )  # fmt: skip
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert seen[0] == (0, 1797) and seen[-1] == (1797, 1797)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_model_with_wide_layers_writes_the_same_bytes_whoever_is_at_work(tmp_path: Path) -> None:
    import torch

    faces = ll.load("faces", "cpu")
    threads = torch.get_num_threads()
    try:
        for number, workers in ((1, 1), (2, 1), (2, 2)):
            torch.set_num_threads(number)
            encode_source(faces, "faces", tmp_path / f"{number}-{workers}", count=300, workers=workers)
            # The caller's own threads are left as they were.
            assert torch.get_num_threads() == number
    finally:
        torch.set_num_threads(threads)
    assert contents(tmp_path / "1-1") == contents(tmp_path / "2-1") == contents(tmp_path / "2-2")


def test_nobody_writes_once_the_lock_is_let_go(lab, tmp_path: Path) -> None:
    def stop(task: str, done: int, total: int, note: str = "") -> None:
        if done > 300:
            raise RuntimeError("the progress bar broke")

    with pytest.raises(RuntimeError) as kept:
        encode_source(lab, "digits", tmp_path / "t", split="all", workers=2, progress=stop)
    # The traceback holds the engine's frames, as a notebook does.
    assert kept.value.__traceback__ is not None
    assert multiprocessing.active_children() == []
    encode_source(lab, "digits", tmp_path / "t", split="all", workers=1, resume=True)
    encode_source(lab, "digits", tmp_path / "whole", split="all", workers=1)
    assert contents(tmp_path / "t") == contents(tmp_path / "whole")


def test_what_never_began_leaves_nothing_to_go_on_with(lab, tmp_path: Path) -> None:
    def stop(task: str, done: int, total: int, note: str = "") -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_source(lab, "digits", tmp_path / "t", workers=1, progress=stop)
    assert contents(tmp_path / "t") == {}
    assert len(encode_source(lab, "digits", tmp_path / "t", workers=1).latents) == 359


def test_an_image_whose_latent_is_not_finite_is_left_out(lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from latentlab.latents import encode_part

    posterior = encode_part.posterior_of

    def broken(*given):
        mean, logvar = posterior(*given)
        mean = mean.copy()
        mean[3, 0] = np.nan
        return mean, logvar

    monkeypatch.setattr(encode_part, "posterior_of", broken)
    done = encode_source(lab, "digits", tmp_path / "t", workers=1, max_bad=0.1)
    lines = (tmp_path / "t" / "skipped.csv").read_text().splitlines()
    # One of each block.
    assert done.skipped == len(lines) - 1 == -(-256 // encode_part.CPU_ROWS) + -(-103 // encode_part.CPU_ROWS)
    assert lines[1] == f"{ll.load_data('digits').ids[3]},its latent is not finite"
    assert np.isfinite(done.latents.take(np.arange(len(done.latents))).mean).all()


def test_a_model_that_was_trained_on_is_opened_anew(tiny_run: Path, tmp_path: Path) -> None:
    import torch

    from latentlab.checkpoints import write_checkpoint

    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    first = ll.load(run / "checkpoint.safetensors", "cpu")
    encode_source(first, "digits", tmp_path / "a", workers=1)
    with torch.no_grad():
        next(first.codec.parameters()).add_(0.5)
    write_checkpoint(run / "checkpoint.safetensors", first.codec, {})
    for name in ("directions.safetensors", "gallery.safetensors", "metrics.json", "live.json"):
        (run / name).unlink(missing_ok=True)
    changed = ll.load(run / "checkpoint.safetensors", "cpu")
    done = encode_source(changed, "digits", tmp_path / "b", workers=1)
    assert done.latents.checkpoint == changed.checkpoint
    assert not np.array_equal(done.latents.take([0]).mean, open_latents(tmp_path / "a").take([0]).mean)


def test_what_was_stopped_goes_on_to_the_same_bytes(lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    encode_source(lab, "digits", whole, split="all", workers=1)

    def stop(task: str, done: int, total: int, note: str = "") -> None:
        if done > 900:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_source(lab, "digits", stopped, split="all", workers=1, progress=stop)
    assert MANIFEST not in contents(stopped)
    with pytest.raises(FileFormatError, match="go on with --resume"):
        open_latents(stopped)
    with pytest.raises(LatentlabError, match="not finished; go on with --resume, or"):
        encode_source(lab, "digits", stopped, split="all", workers=1)
    # One part lost its sidecar, another was cut short: both are made again.
    (stopped / "part-00000.sidecar").unlink()
    cut = stopped / "part-00001.arrow"
    cut.write_bytes(cut.read_bytes()[:-8])
    done = encode_source(lab, "digits", stopped, split="all", workers=1, resume=True)
    assert done.kept == 1
    assert contents(stopped) == contents(whole)
    again = encode_source(lab, "digits", stopped, split="all", workers=1, resume=True)
    assert (again.images, again.kept) == (0, 8)


def test_what_a_killed_writer_had_begun_is_swept_away(lab, tmp_path: Path) -> None:
    encode_source(lab, "digits", tmp_path / "t", workers=1)
    whole = contents(tmp_path / "t")
    (tmp_path / "t" / MANIFEST).unlink()
    (tmp_path / "t" / temporary_name(Path("part-00000.arrow")).name).write_bytes(b"half of it")
    encode_source(lab, "digits", tmp_path / "t", workers=1, resume=True)
    assert contents(tmp_path / "t") == whole


def test_a_model_that_changes_while_images_are_encoded_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    """Trained on by another process, before a worker has opened it."""
    import torch

    from latentlab.checkpoints import read_checkpoint, write_checkpoint

    lab = ll.load(tiny_run, "cpu")
    file = tmp_path / "model.safetensors"
    write_checkpoint(file, lab.codec, {})
    other = read_checkpoint(file).model
    with torch.no_grad():
        next(other.parameters()).add_(1)
    pixels = np.random.default_rng(0).random((512, *lab.image.shape)).astype(np.float32)
    np.save(tmp_path / "x.npy", pixels)

    def retrain(task: str, done: int, total: int, note: str = "") -> None:
        write_checkpoint(file, other, {})

    with pytest.raises(FileFormatError, match="it was changed while images were encoded") as caught:
        encode_source(ll.load(file, "cpu"), tmp_path / "x.npy", tmp_path / "t", workers=1, progress=retrain)
    assert "\n" not in str(caught.value)


def test_a_shard_that_no_part_holds_is_refused(lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode_part, "MOST_ROWS", 255)
    with pytest.raises(DataError, match=r"at most 255 images of \d+ dimensions in images 0–255, got more; cut"):
        encode_source(lab, "digits", tmp_path / "t", workers=1)
    monkeypatch.setattr(encode_part, "MOST_ROWS", 256)
    assert encode_source(lab, "digits", tmp_path / "u", workers=1).images == 359
    monkeypatch.setattr(encode_part, "MOST_VALUES", 255 * lab.latent.size)
    with pytest.raises(DataError, match="expected at most 255 images"):
        encode_source(lab, "digits", tmp_path / "v", workers=1)


def test_another_table_is_not_gone_on_with(lab, tmp_path: Path) -> None:
    encode_source(lab, "digits", tmp_path / "t", workers=1)
    with pytest.raises(LatentlabError, match="holds a table of latents already; delete it to encode again, or"):
        encode_source(lab, "digits", tmp_path / "t", workers=1)
    before = contents(tmp_path / "t")
    with pytest.raises(FileFormatError, match=r"another one \(.*split: train, not test"):
        encode_source(lab, "digits", tmp_path / "t", split="train", workers=1, resume=True)
    other = ll.load("digits-ae", "cpu")
    with pytest.raises(FileFormatError, match=r"another one \(.*checkpoint: "):
        encode_source(other, "digits", tmp_path / "t", workers=1, resume=True)
    assert contents(tmp_path / "t") == before


def test_a_folder_with_one_more_image_is_another_table(lab, photos: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    encode_source(lab, f"folder:{folder}", tmp_path / "t", workers=1)
    stored = open_latents(tmp_path / "t")
    assert (len(stored), stored.plan.classes, stored.plan.split) == (60, ("cat", "dog"), "all")
    shutil.copy(folder / "cat/01.jpg", folder / "cat/xx.jpg")
    with pytest.raises(FileFormatError, match=r"another one \(.*images: "):
        encode_source(lab, f"folder:{folder}", tmp_path / "t", workers=1, resume=True)


def test_other_labels_are_another_table(lab, photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "a.csv"
    names = [path.relative_to(photos).as_posix() for path in sorted(photos.rglob("*.jpg"))]
    table.write_text("file,smile\n" + "".join(f"{name},{number % 2}\n" for number, name in enumerate(names)))
    encode_source(lab, f"folder:{photos}", tmp_path / "t", workers=1, attributes=table)
    table.write_text("file,smile\n" + "".join(f"{name},{(number + 1) % 2}\n" for number, name in enumerate(names)))
    with pytest.raises(FileFormatError, match=r"another one \(images: "):
        encode_source(lab, f"folder:{photos}", tmp_path / "t", workers=1, attributes=table, resume=True)


def test_parts_that_were_lost_are_made_again(lab, tmp_path: Path) -> None:
    encode_source(lab, "digits", tmp_path / "t", split="all", workers=1)
    before = contents(tmp_path / "t")
    (tmp_path / "t" / "part-00003.arrow").unlink()
    done = encode_source(lab, "digits", tmp_path / "t", split="all", workers=1, resume=True)
    assert done.kept == 7
    assert contents(tmp_path / "t") == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo.png").touch()
    with pytest.raises(LatentlabError, match=r"an empty folder or a table of latents in .*, got photo\.png"):
        encode_source(lab, "digits", tmp_path / "mine", workers=1)


def test_a_folder_gives_the_latents_that_its_files_have_everywhere(lab, photos: Path, tmp_path: Path) -> None:
    encode_source(lab, f"folder:{photos}", tmp_path / "t", workers=1)
    found = open_latents(tmp_path / "t").take([0, 41])
    assert found.ids.tolist() == ["cat/01.jpg", "dog/03.jpg"]
    data = ll.load_data(f"folder:{photos}", split="all", image=lab.image)
    rows = [list(data.ids).index(name) for name in found.ids]
    np.testing.assert_allclose(found.mean, lab.encode(data.images[rows]), atol=1e-5)
    # Single files are not rounded to eight bits.
    images = lab.read_images([photos / name for name in found.ids])
    np.testing.assert_allclose(found.mean, lab.encode(images), atol=0.05)


def test_images_that_cannot_be_read_are_listed(lab, photos: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(photos, tmp_path / "photos"))
    (folder / "cat" / "01.jpg").write_bytes(b"no image")
    cut = folder / "dog" / "03.jpg"
    cut.write_bytes(cut.read_bytes()[:200])
    with pytest.raises(DataError, match=r"2 of 60 images cannot be read, .*--max-bad 0\.01; skipped\.csv"):
        encode_source(lab, f"folder:{folder}", tmp_path / "t", workers=1)
    assert MANIFEST not in contents(tmp_path / "t")
    # What is there is taken, without encoding anything again.
    done = encode_source(lab, f"folder:{folder}", tmp_path / "t", workers=1, resume=True, max_bad=0.1)
    assert (done.images, done.skipped, len(done.latents)) == (0, 2, 58)
    lines = (tmp_path / "t" / "skipped.csv").read_text().splitlines()
    assert lines[0] == "id,reason"
    assert lines[1].startswith("cat/01.jpg,") and lines[2].startswith("dog/03.jpg,")
    assert "cat/01.jpg" not in list(done.latents.ids())


def test_a_disk_without_room_is_said_before(lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "free_bytes", lambda place: 1000)
    with pytest.raises(LatentlabError, match=r"GB of room in .* for 359 latents, got 0\.0 GB"):
        encode_source(lab, "digits", tmp_path / "t", workers=1)
    assert not contents(tmp_path / "t")


def test_a_disk_that_fills_loses_nothing(lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from latentlab import files

    flushed, whole = os.fsync, tmp_path / "whole"
    encode_source(lab, "digits", whole, split="all", workers=1)
    calls = []

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 12:
            raise OSError(errno.ENOSPC, "No space left on device")
        flushed(handle)

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(LatentlabError, match="the disk is full; make room and run it again"):
        encode_source(lab, "digits", tmp_path / "t", split="all", workers=1)
    monkeypatch.setattr(files.os, "fsync", flushed)
    assert not [name for name in contents(tmp_path / "t") if name.endswith(".part")]
    done = encode_source(lab, "digits", tmp_path / "t", split="all", workers=1, resume=True)
    assert done.kept > 0
    assert contents(tmp_path / "t") == contents(whole)


def test_two_at_once_into_one_folder(lab, tmp_path: Path) -> None:
    with Place(str(tmp_path / "t")).locked(), pytest.raises(LatentlabError, match="another process that is"):
        encode_source(lab, "digits", tmp_path / "t", workers=1)


def test_object_stores_take_tables(lab, tmp_path: Path) -> None:
    url = f"memory://{tmp_path.name}/table"
    done = encode_source(lab, "digits", url, workers=1)
    assert len(done.latents) == 359
    stored = open_latents(url, lab.checkpoint)
    encode_source(lab, "digits", tmp_path / "t", workers=1)
    same = open_latents(tmp_path / "t")
    assert stored.manifest == same.manifest
    np.testing.assert_array_equal(stored.take([5, 350]).mean, same.take([5, 350]).mean)
    assert stored.verify() == []


def test_tar_shards_on_an_object_store(lab, photos: Path, tmp_path: Path) -> None:
    import io
    import tarfile

    import fsspec

    root = f"memory://{tmp_path.name}/shards"
    names = sorted(path for path in photos.rglob("*.jpg"))
    for shard in range(3):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path in names[shard::3]:
                tar.add(path, f"{path.stem}.jpg")
                member = tarfile.TarInfo(f"{path.stem}.cls")
                member.size = 1
                tar.addfile(member, io.BytesIO(b"1" if path.parent.name == "dog" else b"0"))
        with fsspec.open(f"{root}/train-{shard:03d}.tar", "wb") as file:
            file.write(buffer.getvalue())
    done = encode_source(lab, f"tar:{root}/train-{{000..002}}.tar", tmp_path / "t", workers=1)
    stored = done.latents
    assert (len(stored), len(stored.manifest.parts), stored.plan.classes) == (60, 3, ("0", "1"))
    found = stored.take(np.arange(60))
    assert found.ids[0] == f"train-000/{names[0].stem}"
    assert (found.labels == [path.parent.name == "dog" for s in range(3) for path in names[s::3]]).all()
    np.testing.assert_allclose(found.mean[0], lab.encode(lab.read_images([names[0]]))[0], atol=0.05)


def test_a_shard_that_was_replaced_is_another_table(lab, photos: Path, tmp_path: Path) -> None:
    import tarfile

    names = sorted(photos.rglob("*.jpg"))
    for number, some in ((0, names[:5]), (1, names[5:9])):
        with tarfile.open(tmp_path / f"s-{number}.tar", "w") as tar:
            for path in some:
                tar.add(path, path.name)
    encode_source(lab, f"tar:{tmp_path}/s-*.tar", tmp_path / "t", workers=1)
    with tarfile.open(tmp_path / "s-1.tar", "w") as tar:
        for path in names[20:40]:
            tar.add(path, path.name)
    with pytest.raises(FileFormatError, match=r"another one \(images: "):
        encode_source(lab, f"tar:{tmp_path}/s-*.tar", tmp_path / "t", workers=1, resume=True)
    with pytest.raises(DataError, match=r"validation split of tar:.* has no images; ask for --split all"):
        encode_source(lab, f"tar:{tmp_path}/s-0.tar", tmp_path / "u", workers=1, split="validation")


def test_a_model_that_its_file_does_not_make_again_is_refused(lab, tmp_path: Path) -> None:
    from latentlab.lab.lab import Lab

    changed = Lab(replace(lab.run, path=ll.load("digits-ae", "cpu").path))
    with pytest.raises(CapabilityError, match="`latentlab adopt` it first"):
        encode_source(changed, "digits", tmp_path / "t", workers=1)
    with pytest.raises(UsageError, match="max_bad: expected a share between 0 and 1, got 7"):
        encode_source(lab, "digits", tmp_path / "t", max_bad=7)
    with pytest.raises(UsageError, match="at least 1 worker, got 0"):
        encode_source(lab, "digits", tmp_path / "t", workers=0)
    with pytest.raises(LatentlabError, match="unknown engine 'spark'"):
        encode_source(lab, "digits", tmp_path / "t", engine="spark")


def test_scores_are_split_where_all_images_split_them(tmp_path: Path) -> None:
    faces = ll.load("faces", "cpu")
    encode_source(faces, "faces", tmp_path / "t", count=300, workers=1)
    stored = open_latents(tmp_path / "t")
    known = ll.load_data("faces", split="test", count=300)
    for name in ("tilt", "smile"):
        values = known.attributes[name]
        expected = values > np.median(values) if name == "tilt" else values == 1
        np.testing.assert_array_equal(stored.truth(name) == 1, expected)


WORDS = ["digits", "--split", "all", "--model", "digits", "--workers", "2", "--json"]


def run(folder: Path, *words: str, wait: bool = True) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "encode", *WORDS, "--out", str(folder), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # A shell that runs tests in the background has them ignore Ctrl-C, and all that they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    if wait:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        process.record = json.loads(out)  # type: ignore[attr-defined]
    return process


# The command line, with parts of 64 images: enough of them to be stopped between.
PROGRAM = """
if __name__ == "__main__":
    from latentlab.latents.store import room
    room.FEWEST_ROWS = 64
    from latentlab.cli.app import app
    app(prog_name="latentlab")
"""


def workers_of(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                text = (entry / "stat").read_text().rpartition(")")[2].split()
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if int(text[1]) == parent and b"spawn_main" in command:
                found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("victim", ["worker", "parent", "interrupt"])
def test_whatever_is_killed_the_bytes_are_the_same(victim: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    run(whole)
    folder = tmp_path / "killed"
    process = run(folder, wait=False)
    deadline = time.monotonic() + 120
    while not list(folder.glob("part-*.sidecar")) and time.monotonic() < deadline:
        time.sleep(0.005)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    if victim == "worker":
        for worker in workers:
            os.kill(worker, signal.SIGKILL)
        assert process.wait(120) == 0
    else:
        os.kill(process.pid, signal.SIGKILL if victim == "parent" else signal.SIGINT)
        assert process.wait(120) == (-signal.SIGKILL if victim == "parent" else 130)
        for worker in workers:
            until = time.monotonic() + 20
            while Path(f"/proc/{worker}").exists() and time.monotonic() < until:
                time.sleep(0.05)
            assert not Path(f"/proc/{worker}").exists(), "a worker outlived its parent"
        run(folder, "--resume")
    assert contents(folder) == contents(whole)
    process.stdout.close(), process.stderr.close()


def ray_tasks() -> list[int]:
    """The processes of this machine in which Ray runs our parts."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if (entry / "cmdline").read_bytes().startswith(b"ray::_counted"):
                    found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("victim", ["worker", "driver"])
def test_ray_loses_a_worker_or_its_driver_and_no_row(victim: str, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    whole, folder = tmp_path / "whole", tmp_path / "ray"
    run(whole)
    process = run(folder, "--engine", "ray", wait=False)
    deadline = time.monotonic() + 120
    while not (list(folder.glob("part-*.sidecar")) and ray_tasks()) and time.monotonic() < deadline:
        time.sleep(0.005)
    for number in ray_tasks()[:1] if victim == "worker" else [process.pid]:
        os.kill(number, signal.SIGKILL)
    code = process.wait(180)
    if victim == "worker":
        assert code == 0
    else:
        assert code == -signal.SIGKILL
        run(folder, "--resume", "--engine", "ray")
    assert contents(folder) == contents(whole)
    process.stdout.close(), process.stderr.close()


def test_no_worker_stays_behind(lab, tmp_path: Path) -> None:
    encode_source(lab, "digits", tmp_path / "t", split="all", workers=2)
    assert multiprocessing.active_children() == []
