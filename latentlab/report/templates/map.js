// The map: plotly draws the points; everything around them (card, ring, legend, search, tray, keys) is here.
{
  // Viridis, which rises in lightness and can be told apart with any kind of colour vision.
  const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
  const PICK_RADIUS = 14;
  const MOST_NAMED = 20;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const element = (tag, text = "", attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  // plotly reads a little HTML in text.
  const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const unpack = (packed) => new Float32Array(Uint8Array.from(atob(packed), (c) => c.charCodeAt(0)).buffer);

  let plotly = null;
  const loadPlotly = () => (plotly ??= inflate());
  const inflate = async () => {
    const packed = Uint8Array.from(atob(document.getElementById("plotly-bundle").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    return window.Plotly;
  };

  const startMap = (root) => {
    const data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
    const find = (name) => root.querySelector(`.map-${name}`);
    const [stage, plot, ring, card, legend] = ["stage", "plot", "ring", "card", "legend"].map(find);
    const [search, found, tray, colour, clear, said] = ["search", "found", "tray", "colour", "clear", "said"].map(find);
    const xs = unpack(data.x);
    const ys = unpack(data.y);
    const slots = data.slots && unpack(data.slots);
    const count = xs.length;
    const gl = data.gl && Boolean(document.createElement("canvas").getContext("webgl"));
    const pinned = new Map();
    let layer = data.layers[0] ?? null;
    let kept = new Set();
    let matches = null;
    let current = -1;
    let groups = [];

    const isClass = () => Boolean(layer?.codes);
    const shade = (code) => (layer.categories[code] === "unknown" ? style("--line") : style(`--series-${code % 10}`));
    const valueOf = (each, point) => (each.codes ? each.categories[each.codes[point]] : each.shown[point]);
    const described = (point) => data.layers.map((each) => `${each.name} ${valueOf(each, point)}`).join(", ");

    // Pictures: each atlas is decoded once, when a point of it is first looked at.
    const images = data.atlases.map(() => null);
    const paint = async (canvas, point) => {
      const slot = slots ? slots[point] : point;
      const place = data.atlases.findIndex((atlas) => slot >= atlas.first && slot < atlas.first + atlas.count);
      canvas.hidden = place < 0;
      if (place < 0) return;
      const atlas = data.atlases[place];
      if (!images[place]) {
        images[place] = new Image();
        images[place].src = atlas.src;
      }
      canvas.dataset.point = point;
      await images[place].decode();
      if (Number(canvas.dataset.point) !== point) return;
      const scale = data.cells ? 1 : Math.max(1, Math.ceil(256 / atlas.width));
      canvas.width = atlas.width * scale;
      canvas.height = atlas.height * scale;
      canvas.classList.toggle("cells", data.cells);
      canvas.setAttribute("aria-label", `${data.ids[point]}, ${described(point)}`);
      const brush = canvas.getContext("2d");
      brush.imageSmoothingEnabled = !data.cells;
      brush.imageSmoothingQuality = "high";
      const index = slot - atlas.first;
      const left = (index % atlas.columns) * atlas.width;
      const top = Math.floor(index / atlas.columns) * atlas.height;
      brush.drawImage(images[place], left, top, atlas.width, atlas.height, 0, 0, canvas.width, canvas.height);
    };
    const values = (point) => {
      const list = document.createElement("dl");
      for (const each of data.layers) {
        const row = document.createElement("div");
        row.append(element("dt", each.name), element("dd", valueOf(each, point)));
        list.append(row);
      }
      return list;
    };

    // Where a point stands on the stage, in pixels.
    const position = (point) => {
      const { xaxis, yaxis } = plot._fullLayout;
      return [xaxis._offset + xaxis.l2p(xs[point]), yaxis._offset + yaxis.l2p(ys[point])];
    };
    const release = () => {
      current = -1;
      root.dataset.current = "";
      ring.hidden = card.hidden = true;
    };
    const look = (point) => {
      const [x, y] = position(point);
      current = point;
      root.dataset.current = data.ids[point];
      ring.hidden = card.hidden = false;
      ring.style.left = `${x}px`;
      ring.style.top = `${y}px`;
      paint(card.querySelector("canvas"), point);
      card.querySelector(".map-card-id").textContent = data.ids[point];
      card.querySelector("dl").replaceWith(values(point));
      const { width, height } = stage.getBoundingClientRect();
      const left = x + 20 + card.offsetWidth > width ? x - 20 - card.offsetWidth : x + 20;
      const top = Math.min(y - 40, height - card.offsetHeight - 8);
      card.style.transform = `translate(${Math.max(left, 4)}px, ${Math.max(top, 8)}px)`;
    };

    const retell = () => {
      root.dataset.pinned = [...pinned.keys()].map((point) => data.ids[point]).join(" ");
      clear.hidden = pinned.size === 0;
      tray.querySelector(".map-hint").hidden = pinned.size > 0;
    };
    const unpin = (point) => {
      pinned.get(point).remove();
      pinned.delete(point);
      retell();
    };
    const pin = (point) => {
      if (pinned.has(point)) return unpin(point);
      const item = document.createElement("li");
      const canvas = element("canvas", "", { role: "img" });
      const remove = element("button", "×", { type: "button", "aria-label": `Unpin ${data.ids[point]}` });
      remove.addEventListener("click", () => unpin(point));
      item.append(canvas, element("p", data.ids[point]), values(point), remove);
      tray.querySelector("ul").prepend(item);
      paint(canvas, point);
      pinned.set(point, item);
      said.textContent = `pinned ${data.ids[point]}`;
      retell();
    };

    const dimmed = (code) => kept.size > 0 && !kept.has(code);
    const traces = () => {
      const size = count < 600 ? 9 : count < 3000 ? 7 : count < 12000 ? 5 : 3.5;
      const edge = { width: count < 3000 ? 0.6 : 0, color: dark.matches ? "rgba(255,255,255,.35)" : style("--panel") };
      const all = Array.from({ length: count }, (_, point) => point);
      groups = isClass() ? layer.categories.map((_, code) => all.filter((point) => layer.codes[point] === code)) : [all];
      const scores = layer && !isClass() ? unpack(layer.scores) : null;
      const place = matches && new Set(matches);
      const scatter = groups.map((points, code) => ({
        type: gl ? "scattergl" : "scatter",
        mode: "markers",
        x: points.map((point) => xs[point]),
        y: points.map((point) => ys[point]),
        customdata: points,
        hoverinfo: isClass() && dimmed(code) ? "skip" : "none",
        opacity: isClass() && dimmed(code) ? 0.07 : 0.85,
        selectedpoints: place ? points.flatMap((point, index) => (place.has(point) ? [index] : [])) : null,
        unselected: { marker: { opacity: 0.06 } },
        marker: scores
          ? { size, line: edge, color: points.map((point) => scores[point]), colorscale: VIRIDIS.map((c, i) => [i / 8, c]) }
          : { size, line: edge, color: isClass() ? shade(code) : style("--series-0") },
      }));
      const outlines = data.ellipses.map((ellipse) => ({
        type: "scatter",
        mode: "lines",
        hoverinfo: "skip",
        x: ellipse.x,
        y: ellipse.y,
        line: { width: 1.6, color: style("--ink") },
      }));
      return [...scatter, ...outlines];
    };
    const median = (sorted) => sorted.sort((a, b) => a - b)[Math.floor(sorted.length / 2)];
    const names = () => {
      const label = { showarrow: false, font: { size: 13, color: style("--ink") }, bgcolor: style("--panel"), opacity: 0.85, borderpad: 2 };
      const captions = data.ellipses.map((ellipse) => ({
        ...label, text: plain(ellipse.caption), x: ellipse.center[0], y: Math.max(...ellipse.y), yanchor: "bottom",
      }));
      if (!isClass() || groups.length > MOST_NAMED || groups.length < 3) return captions;
      return captions.concat(groups.flatMap((points, code) => points.length && !dimmed(code) ? [{
        ...label,
        font: { ...label.font, size: 15 },
        text: `<b>${plain(layer.categories[code])}</b>`,
        x: median(points.map((point) => xs[point])),
        y: median(points.map((point) => ys[point])),
      }] : []));
    };
    const axis = (title) => ({
      title: { text: plain(title), standoff: 8, font: { size: 13 } },
      gridcolor: style("--soft"),
      linecolor: style("--line"),
      zeroline: false,
      tickfont: { size: 11 },
    });
    const draw = async () => {
      const Plotly = await loadPlotly();
      const layout = {
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { family: style("--sans"), size: 13, color: style("--muted") },
        margin: { l: 52, r: 12, t: 12, b: 46 },
        xaxis: axis(data.axes[0]),
        yaxis: { ...axis(data.axes[1]), scaleanchor: "x" },
        modebar: { bgcolor: "rgba(0,0,0,0)", color: style("--muted"), activecolor: style("--accent") },
        showlegend: false,
        hovermode: "closest",
        hoverdistance: PICK_RADIUS,
        dragmode: "pan",
        uirevision: "map",
      };
      const config = { scrollZoom: true, displaylogo: false, showSendToCloud: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };
      const shown = traces();
      layout.annotations = names();
      await Plotly.react(plot, shown, layout, config);
      root.dataset.colour = layer?.name ?? "";
      root.dataset.ready = "true";
    };

    const drawLegend = () => {
      legend.replaceChildren();
      if (!layer) return;
      if (!isClass()) {
        const scores = unpack(layer.scores).filter(Number.isFinite);
        const bar = element("i", "", { role: "img", "aria-label": "colour scale, from low to high" });
        bar.style.background = `linear-gradient(to right, ${VIRIDIS.join(",")})`;
        const scale = element("div", "", { class: "map-scale" });
        const [low, high] = [scores.reduce((a, b) => Math.min(a, b)), scores.reduce((a, b) => Math.max(a, b))];
        scale.append(element("span", low.toPrecision(3)), bar, element("span", high.toPrecision(3)));
        return legend.append(scale);
      }
      const tally = layer.categories.map(() => 0);
      for (const code of layer.codes) tally[code] += 1;
      layer.categories.forEach((name, code) => {
        const chip = element("button", "", { type: "button", "aria-pressed": "false", title: "Show only this" });
        const dot = element("i");
        dot.style.background = shade(code);
        chip.append(dot, element("span", name), element("small", tally[code].toLocaleString("en")));
        chip.addEventListener("click", () => {
          if (!kept.delete(code)) kept.add(code);
          chip.setAttribute("aria-pressed", String(kept.has(code)));
          draw();
        });
        legend.append(chip);
      });
    };

    const searchFor = () => {
      const text = search.value.trim().toLocaleLowerCase();
      const hit = (point) =>
        data.ids[point].toLocaleLowerCase().includes(text) ||
        data.layers.some((each) => each.codes && valueOf(each, point).toLocaleLowerCase() === text);
      matches = text ? [...xs.keys()].filter(hit) : null;
      found.textContent = matches ? `${matches.length.toLocaleString("en")} found` : `${count.toLocaleString("en")} points`;
      root.dataset.found = matches ? matches.length : "";
      release();
      draw();
    };

    // The nearest point that lies more along the arrow than beside it.
    const neighbour = (dx, dy) => {
      const ready = matches ?? [...xs.keys()].filter((point) => !isClass() || !dimmed(layer.codes[point]));
      const { width, height } = stage.getBoundingClientRect();
      const [x, y] = current < 0 ? [width / 2, height / 2] : position(current);
      let best = current;
      let least = Infinity;
      for (const point of ready) {
        if (point === current) continue;
        const [px, py] = position(point);
        const along = (px - x) * dx + (py - y) * dy;
        const beside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
        const distance = Math.hypot(along, beside);
        if ((current < 0 || along > beside) && distance < least) [best, least] = [point, distance];
      }
      return best;
    };
    stage.addEventListener("keydown", (event) => {
      const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!root.dataset.ready || event.target !== stage) return;
      if (arrow) {
        const point = neighbour(...arrow);
        if (point >= 0) look(point);
        if (point >= 0) said.textContent = `${data.ids[point]}, ${described(point)}`;
      } else if (event.key === "Enter" && current >= 0) pin(current);
      else if (event.key === "Escape") release();
      else return;
      event.preventDefault();
    });

    const listen = () => {
      // plotly itself waits 50 ms between two of these.
      plot.on("plotly_hover", ({ points }) => {
        const point = points.find((each) => each.customdata !== undefined)?.customdata;
        if (point !== undefined) look(point);
      });
      plot.on("plotly_unhover", release);
      plot.on("plotly_relayout", release);
      plot.on("plotly_click", ({ points }) => points[0].customdata !== undefined && pin(points[0].customdata));
    };
    colour?.addEventListener("change", () => {
      layer = data.layers[Number(colour.value)];
      kept = new Set();
      release();
      drawLegend();
      draw();
    });
    search.addEventListener("input", searchFor);
    clear.addEventListener("click", () => [...pinned.keys()].forEach(unpin));
    dark.addEventListener("change", () => {
      drawLegend();
      draw();
    });

    drawLegend();
    retell();
    draw().then(
      () => {
        find("wait").remove();
        listen();
        new ResizeObserver(() => window.Plotly.Plots.resize(plot).then(release)).observe(stage);
      },
      (error) => {
        find("wait").textContent = `The map cannot be drawn in this browser (${error.message}). The points are in the table below.`;
      },
    );
  };

  for (const root of document.querySelectorAll("[data-map]")) {
    const panel = root.closest(".panel");
    let started = false;
    const start = () => {
      if (started) return;
      started = true;
      startMap(root);
    };
    if (panel.hidden) panel.addEventListener("shown", start);
    else start();
    addEventListener("beforeprint", start);
  }
}
