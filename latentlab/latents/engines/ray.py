"""`ray`: tasks of Ray, on this machine or on a cluster; one whose worker dies is run again by Ray."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator, Sequence
from typing import Any

from latentlab.errors import LatentlabError, UsageError, first_line
from latentlab.latents.engines import Report
from latentlab.runtime import keep_memory

RETRIES = 3
# Tasks that are handed over before they are needed, for each worker: their arguments wait in the object store.
AHEAD = 2
STORE_BYTES = 256 * 1024**2
ANSWER_SECONDS = 5.0
# Read when Ray is imported: nothing is told to anybody, and a cluster of this machine alone stays on the loopback.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def map_tasks(
    function: Callable[[Any, Report], Any],
    tasks: Sequence[Any],
    *,
    workers: int,
    report: Report,
    address: str | None = None,
    gpus: int = 0,
) -> Generator[tuple[int, Any]]:
    """Run a function on every task of a cluster, or in workers of this machine. See `Engine`.

    Ray tells nothing of a task before it is done, so that reports come with results.

    Args:
        function: as for every engine.
        tasks: as for every engine; of a cluster every machine has to see the files that they name.
        workers: of this machine; a cluster has its own number.
        report: told of images when their task is done.
        address: `host:port`, `ray://host:port` or `auto`; None for this machine alone.
        gpus: that Ray gives to each task, as the only ones that it sees.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise UsageError(
            f"expected Ray for the engine ray, got none ({first_line(error)}); install it with "
            "`pip install 'latentlab[ray]'`"
        ) from error
    _connect(ray, workers, address)
    try:
        if address is not None:
            there = ray.cluster_resources()
            workers = max(1, int(there.get("GPU", 1) if gpus else there.get("CPU", 1)))
        run = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)(_counted)
        shared = ray.put(function)
        waiting = list(range(len(tasks)))[::-1]
        running: dict[Any, int] = {}
        while waiting or running:
            while waiting and len(running) < AHEAD * workers:
                number = waiting.pop()
                running[run.remote(shared, tasks[number])] = number
            ready, _ = ray.wait(list(running))
            for reference in ready:
                number = running.pop(reference)
                try:
                    images, result = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    raise _cause(error) from error
                except ray.exceptions.RayError as error:
                    raise LatentlabError(
                        f"{tasks[number]} could not be done by Ray ({first_line(error)}); what is done stays: go on "
                        "with --resume"
                    ) from error
                report(images)
                yield number, result
    finally:
        ray.shutdown()


def _counted(function: Callable[[Any, Report], Any], task: Any) -> tuple[int, Any]:
    """A task's result, and the images that it reported."""
    keep_memory()
    images: list[int] = []
    return_value = function(task, images.append)
    return sum(images), return_value


def _connect(ray: Any, workers: int, address: str | None) -> None:
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    if address is None:
        settings |= {
            "address": "local",
            "num_cpus": workers,
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
            "_node_ip_address": "127.0.0.1",
        }
    else:
        _check_address(address)
        settings["address"] = address
    try:
        ray.init(**settings)
    except (ConnectionError, RuntimeError, ValueError, OSError, TimeoutError) as error:
        raise LatentlabError(
            f"expected Ray to answer at {address or 'this machine'}, got {first_line(error)}; start a cluster with "
            "`ray start --head`, or leave out --ray-address"
        ) from error


def _check_address(address: str) -> None:
    """Ask whether anybody is there, before Ray does for minutes."""
    if address == "auto":
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        raise UsageError(f"expected --ray-address as host:port, ray://host:port or auto, got {address!r}")
    try:
        socket.create_connection((host, int(port)), ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise LatentlabError(
            f"expected Ray to answer at {address}, got {first_line(error)}; start a cluster with `ray start --head`, "
            "or leave out --ray-address"
        ) from error


def _cause(error: Any) -> BaseException:
    """What the task itself raised."""
    cause: BaseException = getattr(error, "cause", None) or error
    return cause
