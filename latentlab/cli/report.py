"""`latentlab report`: one page with all of it."""

from __future__ import annotations

from latentlab.cli import option


def report(
    model: option.Model = None,
    data: option.Data = None,
    root: option.Root = None,
    split: option.SplitOf = None,
    count: option.Load = option.ENOUGH,
    download: option.Download = False,
    attributes: option.Labels = None,
    max_bad: option.MaxBad = 0.01,
    live: option.Live = True,
    out: option.Out = None,
    device: option.Device = "auto",
    seed: option.Seed = 0,
    as_json: option.Json = False,
    open_page: option.Open = False,
    quiet: option.Quiet = False,
) -> None:
    """Put everything on one page.

    Summary, map, bench, morphs, attributes, reconstructions, samples, training, likelihood and provenance; whoever
    opens it can move latents and watch what they decode to, offline.
    """
    from latentlab.cli.input import open_lab, read_data
    from latentlab.cli.output import Output, check_folder

    check_folder(out)
    output = Output(quiet, as_json, open_page)
    lab = open_lab(output, model, device, source=data)
    images = read_data(
        output, data, lab, root=root, split=split, count=count, seed=seed,
        download=download, attributes=attributes, max_bad=max_bad,
    )  # fmt: skip
    with output.progress() as progress:
        result = lab.report(images, live=live, seed=seed, progress=progress)
    output.result(result, out)
