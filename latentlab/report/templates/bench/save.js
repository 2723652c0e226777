// What the reader takes along: the picture, its latent, a link.
globalThis.latentlab ??= {};
latentlab.bench ??= {};
{
  const bench = latentlab.bench;
  // Pictures up to this side are enlarged, cell by cell, when they are saved.
  const SMALL = 64;
  const TIMES = 8;

  const download = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  const fileName = ({ model }, ending) => (model.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(0, 60) || "latent") + ending;

  const picture = async (pixels) => {
    const { width, height } = pixels;
    const scale = Math.max(width, height) <= SMALL ? TIMES : 1;
    const small = Object.assign(document.createElement("canvas"), { width, height });
    small.getContext("2d").putImageData(pixels, 0, 0);
    const large = Object.assign(document.createElement("canvas"), { width: width * scale, height: height * scale });
    const brush = large.getContext("2d");
    brush.imageSmoothingEnabled = false;
    brush.drawImage(small, 0, 0, large.width, large.height);
    return new Promise((resolve) => large.toBlob(resolve, "image/png"));
  };

  const described = (model, point) => {
    const of = (kind) =>
      Object.fromEntries(
        [...point.moves]
          .map(([key, alpha]) => [model.axisOf.get(key), alpha])
          .filter(([axis]) => axis.kind === kind)
          .map(([axis, alpha]) => [axis.dimension ?? axis.name, alpha]),
      );
    const moves = { attributes_gaps: of("attribute"), dimensions_deviations: of("dimension") };
    if (point.start === "ab") return moves;
    return { start: point.z ? { latent: [...point.z].map(shortest) } : point.start, ...moves };
  };
  // As few digits as give the same float32 back.
  const shortest = (value) => {
    for (let digits = 6; digits < 9; digits++) {
      const short = Number(value.toPrecision(digits));
      if (Math.fround(short) === value) return short;
    }
    return Number(value.toPrecision(9));
  };

  bench.recordState = (app) => {
    const { model, state, z } = app;
    const record = {
      model: model.model,
      checkpoint: model.checkpoint,
      z: [...z].map(shortest),
      made_from: described(model, state),
      link: `#${app.panel.id}?${bench.writeLink(model, state)}`,
    };
    if (state.start === "ab") {
      const [from, to] = state.ends.map((end) => described(model, end));
      record.made_from.path = { kind: state.path, from, to, share: state.t };
    }
    if (model.support) record.further_out_than_percent = model.support.percentile(z);
    const read = model.attributes.filter((axis) => axis.readout);
    record.readouts = Object.fromEntries(read.map((axis) => [axis.name, bench.probability(axis, z)]));
    if (!app.pictures.live) record.picture = "made beforehand, and kept with loss";
    return record;
  };

  bench.startSave = (app) => {
    const { model } = app;
    const said = app.find("done");
    let timer = 0;
    const tell = (text) => {
      said.textContent = text;
      clearTimeout(timer);
      timer = setTimeout(() => (said.textContent = ""), 4000);
    };
    app.find("save-picture").addEventListener("click", async () => {
      const pixels = await app.pictures?.draw(app.state, app.z, { key: "bench-save", urgent: true });
      if (!pixels) return;
      download(await picture(pixels), fileName(model, ".png"));
    });
    app.find("save-latent").addEventListener("click", () => {
      if (!app.pictures) return;
      const text = `${JSON.stringify(bench.recordState(app), null, 1)}\n`;
      download(new Blob([text], { type: "application/json" }), fileName(model, ".json"));
    });
    app.find("copy-link").addEventListener("click", async () => {
      const link = app.link();
      try {
        await navigator.clipboard.writeText(link);
        tell("Copied.");
      } catch {
        tell("The link is in the address bar.");
      }
    });
    app.find("reset").addEventListener("click", (event) => app.change((state) => state.moves.clear(), event));
  };
}
