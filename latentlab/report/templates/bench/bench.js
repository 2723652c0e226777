// The bench: a latent to move, with the picture it makes.
globalThis.latentlab ??= {};
latentlab.bench ??= {};
latentlab.latencies ??= [];
{
  const bench = latentlab.bench;
  const REMEMBERED = 10_000;
  bench.element = (tag, text = "", attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  // A small picture of what a button beside it names.
  bench.picture = ({ image: [, height, width] }) =>
    bench.element("canvas", "", { "aria-hidden": "true", width, height });

  const startBench = (root, panel, given) => {
    const find = (name) => root.querySelector(`.bench-${name}`);
    const model = bench.readModel(JSON.parse(find("data").textContent));
    // Listeners hear of every change, once a frame; openers once, when it is known where pictures come from.
    // Painters hear when the large picture has been drawn.
    const app = { root, panel, find, model, listeners: [], openers: [], painters: [], pictures: null, moved: false };
    Object.assign(app, { drawing: false, paintedAt: 0, changedAt: -Infinity });
    app.paint = bench.startPainter(model);
    let version = 0;
    let frame = 0;
    let waiting = [];

    const draw = async () => {
      const own = ++version;
      app.drawing = true;
      const pixels = await app.pictures.draw(app.state, app.z, { key: "bench", urgent: true });
      if (own === version) app.drawing = false;
      if (!pixels) return;
      app.paint(find("picture"), pixels, true);
      const now = performance.now();
      const done = waiting.filter((asked) => asked.version <= own);
      waiting = waiting.filter((asked) => asked.version > own);
      if (done.length && latentlab.latencies.push(now - done[0].time) > REMEMBERED) latentlab.latencies.shift();
      root.dataset.painted = Number(root.dataset.painted ?? 0) + 1;
      app.paintedAt = performance.now();
      for (const painter of app.painters) painter();
    };
    const tell = () => {
      frame = 0;
      for (const listener of app.listeners) listener();
    };
    app.refresh = () => {
      if (app.pictures?.live === false) bench.snap(model, app.state);
      app.z = bench.stateZ(model, app.state);
      if (app.pictures) draw();
      frame ||= requestAnimationFrame(tell);
    };
    app.change = (change, event) => {
      change(app.state);
      app.moved = true;
      app.changedAt = performance.now();
      if (app.pictures && event) waiting.push({ version: version + 1, time: event.timeStamp });
      app.refresh();
    };
    app.restore = (state) => {
      app.state = state;
      app.moved = true;
      app.refresh();
    };

    app.state = bench.startLink(app) ?? bench.firstState(model);
    const begin = (z) => {
      const start = model.starts.find((each) => each.z.every((value, k) => value === z[k]));
      app.change((state) => {
        bench.setStart(state, start?.key ?? "z", start ? null : Float32Array.from(z));
        state.moves.clear();
      });
    };
    app.z = bench.stateZ(model, app.state);
    for (const part of ["Starts", "Sliders", "Morph", "Grid", "Gauge", "Save"]) bench[`start${part}`](app);
    app.listeners.push(() => latentlab.view?.set(app.z, "bench"));
    if (given) begin(given);
    app.refresh();

    // Nobody needs what was made beforehand on a screen where the bench works; paper has nothing else.
    const stills = find("stills");
    stills.open = false;
    addEventListener("beforeprint", () => (stills.open = true));
    addEventListener("afterprint", () => (stills.open = false));
    const show = (pictures) => {
      if (app.pictures?.live === false) return;
      app.pictures = pictures;
      root.dataset.mode = pictures.live ? "live" : "still";
      app.refresh();
      for (const open of app.openers) open();
    };
    bench.findPictures(root, model, show).then(show);
    return begin;
  };

  for (const root of document.querySelectorAll("[data-bench]")) {
    const panel = root.closest(".panel");
    let begin = null;
    let given = null;
    const start = () => (begin ??= startBench(root, panel, given));
    // The map sends a latent to a bench that may not have been looked at yet.
    latentlab.view?.on((z, source) => {
      if (source === "bench" || !z) return;
      if (begin) begin(z);
      else given = z;
    });
    if (panel.hidden) panel.addEventListener("shown", start);
    else start();
  }
}
