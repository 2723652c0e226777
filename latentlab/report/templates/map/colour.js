// What points are coloured by: a palette and a code for each point, a legend, names at the middles of classes.
{
  const { element, figure } = latentlab.map;
  // Viridis, which rises in lightness and can be told apart with any kind of colour vision.
  const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
  const SHADES = 64;
  const SERIES = 10;
  // Names stand on the points of their class: of few points they would hide what they name.
  const LEAST_NAMED = 100;
  const MOST_NAMED = 24;
  // A name stands at the middle of its class, where at least this share of the nearest points are of that class.
  const [NEIGHBOURS, LEAST_SHARE] = [15, 0.4];
  const MOST_CHIPS = 60;
  // Scores further out than this on either side share the colour of the end, so that a few do not take all the scale.
  const TAIL = 0.01;

  const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const brush = document.createElement("canvas").getContext("2d");
  const rgb = (colour) => {
    brush.fillStyle = colour;
    const hex = brush.fillStyle;
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  };
  const viridis = (share) => {
    const at = share * (VIRIDIS.length - 1);
    const low = Math.min(Math.floor(at), VIRIDIS.length - 2);
    const [from, to] = [rgb(VIRIDIS[low]), rgb(VIRIDIS[low + 1])];
    return from.map((value, channel) => Math.round(value + (to[channel] - value) * (at - low)));
  };
  const css = (colour) => `rgb(${colour.join(" ")})`;
  const median = (values) => values.sort()[values.length >> 1];

  // The scores between which the colours run, and whether some lie beyond.
  const spanOf = (scores) => {
    const sorted = scores.filter(Number.isFinite).sort();
    const at = (share) => sorted[Math.round(share * (sorted.length - 1))] ?? 0;
    const [low, high] = [at(TAIL), at(1 - TAIL)];
    const wide = high > low ? [low, high] : [at(0), at(1)];
    return { low: wide[0], high: wide[1], beyond: [at(0) < wide[0], at(1) > wide[1]] };
  };

  const startColours = (root, data, index, tell) => {
    const legend = root.querySelector(".map-legend");
    const choice = root.querySelector(".map-colour");
    let layer = data.layers[0] ?? null;
    let kept = new Set();
    let codes = new Uint16Array(data.count);
    let tally = [];
    let middles = [];
    let span = null;

    const isKnown = (code) => layer.categories[code] !== "unknown";
    const palette = () => {
      if (!layer) return [rgb(variable("--series-0"))];
      const missing = rgb(variable("--line"));
      if (layer.scores) return [...Array.from({ length: SHADES }, (_, k) => viridis(k / (SHADES - 1))), missing];
      return layer.categories.map((_, code) => (isKnown(code) ? rgb(variable(`--series-${code % SERIES}`)) : missing));
    };

    const measure = () => {
      [tally, middles, span] = [[], [], null];
      if (!layer) return;
      if (layer.scores) {
        span = spanOf(layer.scores);
        const unit = (SHADES - 1) / (span.high - span.low || 1);
        codes = new Uint16Array(data.count);
        for (let i = 0; i < data.count; i += 1) {
          const score = layer.scores[i];
          const shade = Math.min(Math.max(Math.round((score - span.low) * unit), 0), SHADES - 1);
          codes[i] = Number.isFinite(score) ? shade : SHADES;
        }
        return;
      }
      codes = layer.codes;
      tally = layer.categories.map(() => 0);
      for (let i = 0; i < data.count; i += 1) tally[codes[i]] += 1;
      if (layer.kind !== "class" || tally.length < 3 || tally.length > MOST_NAMED || data.count < LEAST_NAMED) return;
      const members = tally.map((count) => ({ xs: new Float32Array(count), ys: new Float32Array(count), filled: 0 }));
      for (let i = 0; i < data.count; i += 1) {
        const group = members[codes[i]];
        group.xs[group.filled] = data.xs[i];
        group.ys[group.filled] = data.ys[i];
        group.filled += 1;
      }
      middles = members.map(({ xs, ys }, code) => {
        const [x, y] = [median(xs), median(ys)];
        const near = xs.length ? index.several(x, y, NEIGHBOURS).filter(([point]) => codes[point] === code) : [];
        return near.length >= LEAST_SHARE * NEIGHBOURS ? { x, y } : null;
      });
    };

    const names = () =>
      middles
        .map((middle, code) => ({ ...middle, text: layer.categories[code], count: middle ? tally[code] : 0, code }))
        .filter(({ count, code }) => count && isKnown(code) && (!kept.size || kept.has(code)))
        .sort((a, b) => b.count - a.count);

    const scaleNode = (colours) => {
      const bar = element("i", "", { role: "img", "aria-label": "colour scale, from low to high" });
      bar.style.background = `linear-gradient(to right, ${colours.slice(0, SHADES).map(css).join(",")})`;
      const scale = element("div", "", { class: "map-scale" });
      const [under, over] = span.beyond;
      scale.append(
        element("span", `${under ? "≤ " : ""}${figure(span.low)}`),
        bar,
        element("span", `${over ? "≥ " : ""}${figure(span.high)}`),
      );
      const missing = codes.reduce((sum, code) => sum + (code === SHADES), 0);
      if (missing) {
        const dot = element("i", "", { class: "map-missing" });
        scale.append(dot, element("span", `unknown ${missing.toLocaleString("en")}`));
      }
      return scale;
    };
    const drawLegend = () => {
      legend.replaceChildren();
      if (!layer) return;
      const colours = palette();
      if (layer.scores) return legend.append(scaleNode(colours));
      const chips = layer.categories.slice(0, MOST_CHIPS).map((name, code) => {
        const chip = element("button", "", {
          type: "button", "aria-pressed": String(kept.has(code)), title: "Show only this; again for all",
        });
        const dot = element("i");
        dot.style.background = css(colours[code]);
        chip.append(dot, element("span", name), element("small", tally[code].toLocaleString("en")));
        chip.addEventListener("click", () => {
          if (!kept.delete(code)) kept.add(code);
          chip.setAttribute("aria-pressed", String(kept.has(code)));
          tell("filter");
        });
        return chip;
      });
      if (layer.categories.length > SERIES + 1) {
        legend.append(element("span", "Colours come again after ten classes.", { class: "map-legend-note" }));
      }
      legend.append(...chips);
      const rest = layer.categories.length - chips.length;
      if (rest > 0) legend.append(element("span", `and ${rest} more`, { class: "map-legend-note" }));
    };

    choice?.addEventListener("change", () => {
      layer = data.layers[Number(choice.value)];
      kept = new Set();
      measure();
      drawLegend();
      tell("layer");
    });
    measure();
    drawLegend();

    return {
      drawLegend,
      names,
      layer: () => layer,
      filtered: () => kept.size > 0,
      keeps: (point) => !kept.size || kept.has(layer.codes[point]),
      shade: (code) => css(palette()[code]),
      look: () => ({
        codes,
        look: {
          ground: rgb(variable("--panel")),
          grid: rgb(variable("--soft")),
          faint: rgb(variable("--line")),
          colours: palette(),
        },
      }),
    };
  };

  Object.assign(latentlab.map, { startColours });
}
