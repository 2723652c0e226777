// Sliders: how far the latent has moved along each attribute and dimension, where that is safe, and what is read of it.
globalThis.latentlab ??= {};
latentlab.bench ??= {};
{
  const bench = latentlab.bench;
  const SHOWN = 16;
  const OUTSIDE = "outside the safe range";
  const REASONS = {
    distance: "moved so far, half of the images lie further out than 99 % of the data",
    cycle: "moved so far, half of the pictures no longer come back as the latents that they were made from",
  };
  const SLACK = 1e-6;

  const startRow = (app, axis) => {
    const { element } = bench;
    const id = `bench-${axis.kind}-${app.model.axes.indexOf(axis)}`;
    const row = element("div", "", { class: "bench-row" });
    row.dataset.axis = axis.key;
    const label = element("label", axis.name, { for: id, title: axis.name });
    const note = element("span", "", { class: "bench-note" });
    const value = element("output", "", { class: "bench-value", for: id });
    const read = element("span", "", { class: "bench-read" });
    const track = element("div", "", { class: "bench-track" });
    const range = { min: axis.low, max: axis.high, step: bench.STEP, value: 0 };
    const input = element("input", "", { id, type: "range", ...range });
    const share = (alpha) => (Math.min(Math.max(alpha, axis.low), axis.high) - axis.low) / (axis.high - axis.low);
    if (axis.safe) {
      track.append(element("i", "", { class: "bench-safe" }));
      track.style.setProperty("--low", share(axis.safe[0]));
      track.style.setProperty("--high", share(axis.safe[1]));
    }
    track.append(element("i", "", { class: "bench-zero" }), input);
    row.append(label, note, value, read, track);

    const move = (alpha, event) => app.change((state) => bench.setMove(state, axis, alpha), event);
    input.addEventListener("input", (event) => move(Number(input.value), event));
    input.addEventListener("dblclick", (event) => move(0, event));
    input.addEventListener("keydown", (event) => {
      if (event.key !== "0") return;
      event.preventDefault();
      move(0, event);
    });

    const tell = () => {
      const alpha = app.state.moves.get(axis.key) ?? 0;
      const outside = Boolean(axis.safe) && (alpha < axis.safe[0] - SLACK || alpha > axis.safe[1] + SLACK);
      const shown = `${bench.signed(alpha)}${axis.unit && alpha ? ` ${axis.unit}` : ""}`;
      const found = axis.readout ? bench.percent(bench.probability(axis, app.z)) : "";
      if (Number(input.value) !== alpha) input.value = alpha;
      if (value.textContent !== shown) value.textContent = shown;
      if (read.textContent !== found) read.textContent = found;
      const said = outside ? OUTSIDE : axis.doubt ? "doubtful" : "";
      if (note.textContent !== said) {
        note.textContent = said;
        note.title = outside ? REASONS[axis.limits[Number(alpha > 0)]] ?? "nobody looked further" : axis.doubt;
        row.classList.toggle("outside", outside);
      }
      row.classList.toggle("moved", alpha !== 0);
      const parts = [shown, outside && OUTSIDE, found && `read as ${axis.name}: ${found}`];
      input.setAttribute("aria-valuetext", parts.filter(Boolean).join(", "));
    };
    // Where pictures were made beforehand, only their steps can be had.
    const fit = () => {
      if (app.pictures.live) return;
      const { axes, steps } = app.model.stills;
      input.disabled = !axes.includes(axis.key);
      if (input.disabled) return;
      Object.assign(input, { min: steps[0], max: steps.at(-1), step: steps[1] - steps[0] });
      Object.assign(axis, { low: steps[0], high: steps.at(-1) });
      if (!axis.safe) return;
      track.style.setProperty("--low", share(axis.safe[0]));
      track.style.setProperty("--high", share(axis.safe[1]));
    };
    return { axis, row, tell, fit };
  };

  bench.startSliders = (app) => {
    const { attributes, dimensions, size } = app.model;
    const rows = [];
    const add = (axes, list) => {
      const made = axes.map((axis) => startRow(app, axis));
      list.append(...made.map(({ row }) => row));
      rows.push(...made);
      for (const row of made) {
        if (app.pictures) row.fit();
        row.tell();
      }
    };
    const tell = () => rows.forEach((row) => row.tell());
    add(attributes, app.find("attributes"));

    // Dimensions are folded, and their sliders made when somebody looks.
    const fold = app.find("dimensions");
    const list = app.find("dimension-list");
    const more = app.find("more");
    const [first, rest] = [dimensions.slice(0, SHOWN), dimensions.slice(SHOWN)];
    const open = () => {
      if (list.childElementCount) return;
      add(first, list);
      more.hidden = !rest.length;
      more.textContent = `Show ${rest.length} more`;
      // A link may have moved one of those that are left.
      if (rest.some(({ key }) => app.state.moves.has(key))) more.click();
    };
    app.find("dimension-count").textContent = `the ${first.length} of ${size} that vary most`;
    if (first.length === size) app.find("dimension-count").textContent = `all ${size}`;
    fold.addEventListener("toggle", () => fold.open && open());
    more.addEventListener("click", () => {
      more.hidden = true;
      add(rest, list);
    });
    if (!attributes.length || dimensions.some(({ key }) => app.state.moves.has(key))) {
      fold.open = true;
      open();
    }

    app.openers.push(() => {
      rows.forEach((row) => row.fit());
      const { axes } = app.model.stills;
      fold.hidden = !app.pictures.live && !dimensions.some(({ key }) => axes.includes(key));
    });
    app.listeners.push(tell);
  };
}
