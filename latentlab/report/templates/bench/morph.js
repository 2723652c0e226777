// From A to B: a slider between two places, with the pictures on the way above it.
globalThis.latentlab ??= {};
latentlab.bench ??= {};
{
  const bench = latentlab.bench;
  const FRAMES = 9;
  const GROUPS = { mean: "Means", gallery: "Images", sample: "Samples" };

  const fillSelect = (select, starts) => {
    const { element } = bench;
    select.append(element("option", "", { value: "", hidden: "" }));
    for (const [kind, title] of Object.entries(GROUPS)) {
      const group = element("optgroup", "", { label: title });
      const own = starts.filter((start) => start.kind === kind);
      group.append(...own.map((start) => element("option", start.name, { value: start.key })));
      if (own.length) select.append(group);
    }
  };

  bench.startMorph = (app) => {
    const { model } = app;
    const scrub = app.find("scrub");
    const way = app.find("way");
    const path = app.find("path");
    const share = app.find("share");
    const selects = ["a", "b"].map((end) => app.find(`end-${end}`));
    const setters = ["a", "b"].map((end) => app.find(`set-${end}`));

    // Moves of before are in the ends already, or belong to another picture.
    const enter = (state, t) => {
      if (state.start !== "ab") state.moves.clear();
      bench.setStart(state, "ab");
      state.t = t;
    };
    scrub.addEventListener("input", (event) => app.change((state) => enter(state, Number(scrub.value)), event));
    path.addEventListener("change", (event) => app.change((state) => (state.path = path.value), event));
    selects.forEach((select, end) => {
      fillSelect(select, model.starts);
      select.addEventListener("change", (event) =>
        app.change((state) => (state.ends[end] = bench.point(select.value)), event),
      );
    });
    setters.forEach((button, end) =>
      button.addEventListener("click", (event) =>
        app.change((state) => {
          state.ends[end] = bench.currentPoint(model, state);
          if (state.start !== "ab") return;
          // The picture stays: it is that end now.
          state.moves.clear();
          state.t = end;
        }, event),
      ),
    );

    const frames = Array.from({ length: FRAMES }, (_, k) => {
      const t = k / (FRAMES - 1);
      const label = `${Math.round(100 * t)} % of the way`;
      const button = bench.element("button", "", { type: "button", tabindex: -1, "aria-label": label });
      const canvas = bench.picture(model);
      button.append(canvas);
      button.addEventListener("click", (event) => app.change((state) => enter(state, t), event));
      way.append(button);
      return { t, canvas };
    });
    let drawn = "";
    const draw = async () => {
      const { ends, path: kind } = app.state;
      const asked = bench.writeLink(model, { ...app.state, start: "ab", z: null, moves: new Map(), t: 0, grid: [] });
      if (!app.pictures || asked === drawn) return;
      drawn = asked;
      for (const [k, { t, canvas }] of frames.entries()) {
        const point = { start: "ab", z: null, moves: new Map(), ends, path: kind, t };
        const pixels = await app.pictures.draw(point, bench.pathZ(model, point, t), { key: `bench-way-${k}` });
        if (asked !== drawn) return;
        if (pixels) app.paint(canvas, pixels);
      }
    };

    const fit = () => {
      if (app.pictures.live) return;
      const { keys, steps } = model.stills;
      scrub.step = 1 / (steps.length - 1);
      for (const control of [path, ...setters]) control.hidden = true;
      app.find("morph").hidden = keys.length < 2;
    };
    // Made beforehand were only the ways between neighbours.
    const offer = () => {
      if (!app.pictures || app.pictures.live) return;
      const { keys } = model.stills;
      const a = keys.indexOf(app.state.ends[0].start);
      selects.forEach((select, end) => {
        for (const option of select.options) {
          const place = keys.indexOf(option.value);
          option.hidden = place < 0 || (end === 1 && Math.abs(place - a) !== 1);
          option.disabled = option.hidden;
        }
      });
    };
    app.openers.push(fit);
    app.listeners.push(() => {
      const { start, ends, t } = app.state;
      selects.forEach((select, end) => {
        const plain = !ends[end].z && !ends[end].moves.size;
        select.options[0].textContent = bench.pointName(model, ends[end]);
        select.value = plain ? ends[end].start : "";
        select.title = bench.pointName(model, ends[end]);
      });
      path.value = app.state.path;
      if (Number(scrub.value) !== t) scrub.value = t;
      const said = start === "ab" ? `${Math.round(100 * t)} % of the way` : "not on the way";
      share.textContent = start === "ab" ? `${Math.round(100 * t)} %` : "";
      scrub.setAttribute("aria-valuetext", said);
      app.find("morph").classList.toggle("on", start === "ab");
      offer();
      draw();
    });
  };
}
