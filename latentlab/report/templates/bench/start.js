// The starts: thumbnails of means, images and samples to choose from.
globalThis.latentlab ??= {};
latentlab.bench ??= {};
{
  const bench = latentlab.bench;
  const KINDS = { mean: "Means", gallery: "Images", sample: "Samples" };

  const startThumbs = (app, strip) =>
    app.model.starts.map((start) => {
      const label = bench.element("label", "", { title: start.name });
      const input = bench.element("input", "", { type: "radio", name: "bench-start", value: start.key });
      const canvas = bench.picture(app.model);
      label.append(input, canvas, bench.element("span", start.name.replace(/^mean (?=.)/, "")));
      input.setAttribute("aria-label", start.name);
      input.addEventListener("change", (event) => app.change((state) => bench.setStart(state, start.key), event));
      strip.append(label);
      return { start, label, input, canvas, drawn: false };
    });

  bench.startStarts = (app) => {
    const strip = app.find("strip");
    const thumbs = startThumbs(app, strip);
    const kinds = Object.keys(KINDS).filter((kind) => app.model.starts.some((start) => start.kind === kind));
    const chosen = () => thumbs.find(({ start }) => start.key === app.state.start);
    let shown = chosen()?.start.kind ?? kinds[0];

    const offered = ({ start }) =>
      app.pictures?.live === false ? app.model.stills.keys.includes(start.key) : start.kind === shown;
    const draw = async () => {
      for (const thumb of thumbs.filter(offered)) {
        if (thumb.drawn || !app.pictures) continue;
        thumb.drawn = true;
        const point = bench.point(thumb.start.key);
        const pixels = await app.pictures.draw(point, thumb.start.z, { key: `bench-start-${thumb.start.key}` });
        if (pixels) app.paint(thumb.canvas, pixels);
        else thumb.drawn = false;
      }
    };
    const show = (kind) => {
      shown = kind;
      for (const thumb of thumbs) thumb.label.hidden = !offered(thumb);
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.value === kind));
      draw();
    };

    const buttons = kinds.map((kind) => {
      const button = bench.element("button", KINDS[kind], { type: "button", value: kind });
      button.addEventListener("click", () => show(kind));
      return button;
    });
    app.find("kinds").append(...buttons);
    app.openers.push(() => {
      app.find("kinds").hidden = !app.pictures.live || kinds.length < 2;
      show(shown);
    });
    let last = null;
    app.listeners.push(() => {
      const now = chosen();
      for (const thumb of thumbs) thumb.input.checked = thumb === now;
      if (now && now !== last && !offered(now)) show(now.start.kind);
      if (now && now !== last) {
        const { offsetLeft, offsetWidth } = now.label;
        const hidden = offsetLeft < strip.scrollLeft || offsetLeft + offsetWidth > strip.scrollLeft + strip.clientWidth;
        if (hidden) strip.scrollLeft = offsetLeft - strip.clientWidth / 2;
      }
      last = now;
    });
    show(shown);
  };
}
