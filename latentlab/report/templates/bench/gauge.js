// What is said of the picture: how it came about, how unusual its latent is, and what decodes it.
globalThis.latentlab ??= {};
latentlab.bench ??= {};
{
  const bench = latentlab.bench;
  const BEYOND = 99;
  const CLOSE = 98;
  const MIDDLE = 5;
  const PAUSE_MS = 700;

  const judged = (share, known) => {
    // Near the border, as finely as tells on which side of it.
    const shown = share > CLOSE ? share.toFixed(1) : Math.round(share);
    if (share === 100) return `Further out than all ${known}: the model has not seen the like.`;
    if (share > BEYOND) return `Further out than ${shown} % of ${known}: beyond the data.`;
    if (share === 0) return `Nearer to the middle than all ${known}: an average, not an image.`;
    if (share < MIDDLE) return `Nearer to the middle than ${100 - shown} % of ${known}: an average, not an image.`;
    return `Further out than ${shown} % of ${known}.`;
  };

  const size = (characters) => `${(characters / 1e6).toFixed(1)} MB`;
  const bound = (value) => (value < 0.001 ? "by less than .001" : `by at most ${value.toFixed(3).replace(/^0/, "")}`);

  bench.startGauge = (app) => {
    const { model, root } = app;
    const picture = app.find("picture");
    const gauge = app.find("gauge");
    const recipe = app.find("recipe");
    const status = app.find("status");
    const said = app.find("said");
    gauge.hidden = !model.support;

    const judge = () => {
      const share = model.support.percentile(app.z);
      gauge.querySelector("p").textContent = judged(share, model.support.known);
      const bar = gauge.querySelector("[role=meter]");
      bar.style.setProperty("--share", share / 100);
      bar.setAttribute("aria-valuenow", share.toFixed(1));
      gauge.classList.toggle("beyond", share > BEYOND);
      root.dataset.percentile = share;
    };
    app.listeners.push(() => {
      if (model.support) judge();
      recipe.textContent = bench.stateName(model, app.state);
      picture.setAttribute("aria-label", `Picture of the latent: ${recipe.textContent}`);
    });
    // Told when it rests: the steps of a drag would never end.
    let timer = 0;
    app.listeners.push(() => {
      clearTimeout(timer);
      timer = setTimeout(() => (said.textContent = recipe.textContent), PAUSE_MS);
    });

    const tellStatus = () => {
      if (!app.pictures.live) {
        const { keys, steps, axes } = model.stills;
        const moved = model.axisOf.get(axes[0])?.kind ?? "axis";
        const why = app.find("why");
        why.hidden = false;
        why.textContent =
          `Nothing is decoded here: ${app.pictures.why}. These pictures were made beforehand: ${keys.length} starts, ` +
          `one ${moved} at a time at ${steps.length} places, and the ways between neighbours. Sliders snap to them.`;
        status.textContent = "";
        return;
      }
      const { mode, error } = app.pictures.found;
      const milliseconds = latentlab.live.milliseconds();
      // Clocks in pages are coarse: the smallest decoders take no time at all by them.
      const pace = milliseconds === undefined ? "" : ` · ${Math.max(milliseconds, 0.1).toFixed(1)} ms a picture`;
      const carried = document.getElementById("live")?.textContent.length;
      const owned = carried ? ` This page carries the decoder of the model (${size(carried)}).` : "";
      // What was measured on many latents when the page was made, and on one here.
      const worst = Math.max(error, model.error ?? 0);
      status.textContent = `${mode}${pace} · differs from torch ${bound(worst)}.${owned}`;
    };
    app.openers.push(() => {
      tellStatus();
      if (app.pictures.live) setInterval(() => app.panel.hidden || tellStatus(), 2000);
    });
  };
}
