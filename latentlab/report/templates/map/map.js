// The map: what is looked at, searched for, pinned and selected. The parts stand in the files map_*.js.
{
  const parts = latentlab.map;
  const { figure, plural } = parts;
  const PICK_RADIUS = 14;
  const STEP_PIXELS = 24;
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  // As map.css has it.
  const PRINT_SIZE = [680, 480];
  const NO_DECODER = "the nearest point: this page carries no decoder for places between";
  const MODES = { m: "move", l: "lasso", b: "box" };
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const startMap = (root) => {
    const find = (name) => root.querySelector(`.map-${name}`);
    const [stage, ring, cross, said] = ["stage", "ring", "cross", "said"].map(find);
    const data = parts.readData(root);
    const { xs, ys, count, ids } = data;
    const index = parts.buildIndex(xs, ys);
    const places = parts.startPlaces(data, index);
    const pictures = parts.startPictures(root, data);
    const plot = parts.startPlot(stage, data, index);
    const card = parts.startCard(root, stage);
    const say = (text) => (said.textContent = text);
    // What is looked at: {point} or {x, y}, and its place on the map.
    let current = null;
    let selected = null;
    let pins = [];

    const isShown = (point) => search.finds(point) && colours.keeps(point);
    const at = (looked) => (looked.point === undefined ? [looked.x, looked.y] : [xs[looked.point], ys[looked.point]]);

    const redraw = () => {
      let clear = null;
      if (selected || search.active() || colours.filtered()) {
        clear = new Uint8Array(count);
        for (let i = 0; i < count; i += 1) clear[i] = Number((!selected || selected[i] === 1) && isShown(i));
      }
      plot.setPaint({ ...colours.look(), clear });
      plot.setNames(colours.names());
    };
    const colours = parts.startColours(root, data, index, (what) => {
      release();
      redraw();
      if (what === "layer") {
        root.dataset.colour = colours.layer().name;
        gallery.retell(colours.layer());
      }
    });
    const search = parts.startSearch(root, data, {
      changed: () => {
        release();
        redraw();
      },
      go: () => {
        const point = data.ids.findIndex((_, i) => isShown(i));
        if (point < 0) return;
        stage.focus({ preventScroll: true });
        walkTo({ point });
      },
    });

    // A point without a thumbnail is decoded, where the page carries its latent and a decoder.
    const decode = async (canvas, z, key, wanted) => {
      canvas.dataset.shows = wanted;
      const pixels = await places.live().draw(z, { key, urgent: true });
      if (pixels && canvas.dataset.shows === wanted) pictures.paintPixels(canvas, pixels);
    };
    const show = async (canvas, point, key = `map-point-${point}`) => {
      canvas.hidden = false;
      if (pictures.has(point)) return pictures.paint(canvas, point);
      const z = places.live() && places.latentOf(point);
      canvas.hidden = !z;
      return z && decode(canvas, z, key, String(point));
    };

    const release = () => {
      current = null;
      root.dataset.current = root.dataset.place = "";
      ring.hidden = cross.hidden = true;
      card.hide();
    };
    const set = (mark, [left, top]) => {
      mark.hidden = !plot.holds(left, top, -2);
      mark.style.transform = `translate(${left}px, ${top}px)`;
    };
    const look = (point, note) => {
      release();
      current = { point, note };
      root.dataset.current = ids[point];
      const [left, top] = plot.toScreen(xs[point], ys[point]);
      set(ring, [left, top]);
      const decoded = !pictures.has(point) && places.live() ? "decoded here: the latent of this point" : "";
      show(card.canvas, point, "map");
      const layer = colours.layer();
      card.show({
        left, top, title: ids[point], said: note ?? decoded,
        facts: data.factsOf(point, layer), words: data.describe(point, layer),
      });
    };
    const wordsOf = (x, y) => `${figure(Number(x.toPrecision(3)))}, ${figure(Number(y.toPrecision(3)))}`;
    const peek = (x, y) => {
      release();
      current = { x, y };
      root.dataset.place = `${x} ${y}`;
      const [left, top] = plot.toScreen(x, y);
      set(cross, [left, top]);
      card.canvas.hidden = false;
      decode(card.canvas, places.latentAt(x, y), "map", root.dataset.place).catch(() => {
        places.lose();
        release();
      });
      const title = `at ${wordsOf(x, y)}`;
      card.show({ left, top, title, said: places.said(x, y), facts: [], words: `decoded ${title}` });
    };
    // What a pointer at (left, top) looks at: a point, a place that can be decoded, or the nearest point.
    const lookedAt = (left, top) => {
      if (!plot.holds(left, top)) return null;
      const [x, y] = plot.toData(left, top);
      const point = index.nearest(x, y, isShown, PICK_RADIUS / plot.scale());
      if (point >= 0) return { point };
      if (places.live()) return { x, y };
      const near = index.nearest(x, y, isShown);
      return near < 0 ? null : { point: near, note: NO_DECODER };
    };
    const turnTo = (looked) => {
      if (!looked) release();
      else if (looked.point === undefined) peek(looked.x, looked.y);
      else if (current?.point !== looked.point || current.note !== looked.note) look(looked.point, looked.note);
    };

    const tray = parts.startTray(root, {
      show: (canvas, pin) =>
        pin.point === null
          ? decode(canvas, pin.z, `map-pin-${pin.key}`, pin.key).catch(() => (canvas.hidden = true))
          : show(canvas, pin.point),
      changed: (now) => {
        pins = now.filter((pin) => pin.point !== null);
        find("takes").querySelector('[data-take="pinned"]').disabled = pins.length === 0;
      },
      say,
    });
    const pin = (looked) => {
      if (!looked) return;
      const layer = colours.layer();
      const { point } = looked;
      if (point === undefined) {
        const [x, y] = at(looked);
        const title = `at ${wordsOf(x, y)}`;
        const [facts, z] = [[["", places.said(x, y)]], places.latentAt(x, y)];
        tray.pin({ key: `place ${x} ${y}`, title, words: `decoded ${title}`, facts, point: null, z });
      } else {
        const facts = data.factsOf(point, layer);
        const z = places.latentOf(point);
        tray.pin({ key: `point ${point}`, title: ids[point], words: data.describe(point, layer), facts, point, z });
      }
    };

    const gallery = parts.startGallery(root, data, root.dataset.title, {
      show,
      // The picture is seen already: only its place is marked, where that is in view.
      look: (point) => {
        release();
        root.dataset.current = ids[point];
        set(ring, plot.toScreen(xs[point], ys[point]));
      },
      leave: release,
      pin: (point) => pin({ point }),
      drop: () => select(null),
      colour: colours.shade,
    });
    const select = (points) => {
      selected = points && new Uint8Array(count);
      for (let i = 0; points && i < points.length; i += 1) selected[points[i]] = 1;
      if (!points) plot.setShape(null);
      redraw();
      gallery.show(points, colours.layer());
      say(points ? `${plural(points.length, "point")} selected` : "nothing is selected");
    };
    const rowsOf = (accept) => Uint32Array.from(xs.keys()).filter(accept);
    const takes = {
      found: () => rowsOf(search.finds),
      shown: () => {
        const { left, right, bottom, top } = plot.bounds();
        return rowsOf((i) => isShown(i) && xs[i] >= left && xs[i] <= right && ys[i] >= bottom && ys[i] <= top);
      },
      pinned: () => Uint32Array.from(pins, (each) => each.point).sort(),
    };
    for (const button of root.querySelectorAll("[data-take]")) {
      button.addEventListener("click", () => {
        plot.setShape(null);
        select(takes[button.dataset.take]());
      });
    }

    // Hovering is answered once a frame.
    let pointer = null;
    let asked = 0;
    const follow = () => {
      asked = 0;
      if (pointer && !drags.drawing()) turnTo(lookedAt(...pointer));
    };
    const drags = parts.startDrags(root, stage, plot, {
      hover: (left, top) => {
        pointer = [left, top];
        asked ||= requestAnimationFrame(follow);
      },
      leave: () => {
        pointer = null;
        release();
      },
      click: (left, top) => {
        const looked = lookedAt(left, top);
        turnTo(looked);
        pin(looked);
      },
      shape: (corners) => {
        const began = performance.now();
        select(parts.pointsInside(xs, ys, corners, isShown));
        plot.setShape(corners);
        performance.measure("map-lasso", { start: began });
      },
      mode: (name) => {
        if (root.dataset.mode) say(`dragging: ${name}`);
        root.dataset.mode = name;
      },
    });

    const walkTo = (looked) => {
      const [x, y] = at(looked);
      plot.reveal(x, y);
      turnTo(looked);
      if (looked.point === undefined) say(`${wordsOf(x, y)}; ${places.said(x, y)}`);
      else say(data.describe(looked.point, colours.layer()));
    };
    // The nearest point that lies more along the arrow than beside it; with Shift, a step to a place between.
    const walk = ([dx, dy], between) => {
      const [x, y] = current ? at(current) : plot.toData(stage.clientWidth / 2, stage.clientHeight / 2);
      if (between) {
        const step = STEP_PIXELS / plot.scale();
        if (places.live()) walkTo({ x: x + dx * step, y: y + dy * step });
        else say(NO_DECODER);
        return;
      }
      const ahead = (point) => {
        const along = (xs[point] - x) * dx + (ys[point] - y) * dy;
        return along > Math.abs((xs[point] - x) * dy) + Math.abs((ys[point] - y) * dx) && isShown(point);
      };
      const point = index.nearest(x, y, current ? ahead : isShown);
      if (point >= 0) walkTo({ point });
    };
    const keys = {
      Enter: () => pin(current),
      Escape: () => (drags.cancel() || current ? release() : select(null)),
      "+": () => plot.zoomBy(1.5),
      "=": () => plot.zoomBy(1.5),
      "-": () => plot.zoomBy(1 / 1.5),
      0: () => plot.showAll(),
    };
    stage.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !root.dataset.ready) return;
      const arrow = ARROWS[event.key];
      const mode = MODES[event.key.toLowerCase()];
      if (arrow) walk(arrow, event.shiftKey);
      else if (mode) drags.setMode(mode);
      else if (keys[event.key]) keys[event.key]();
      else return;
      event.preventDefault();
    });
    const zooms = { in: () => plot.zoomBy(1.5), out: () => plot.zoomBy(1 / 1.5), all: () => plot.showAll() };
    for (const button of root.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => zooms[button.dataset.zoom]());
    }

    parts.startBenchMark(root, plot, places);
    plot.onDraw(() => {
      if (!current) return;
      const spot = plot.toScreen(...at(current));
      if (!plot.holds(...spot)) return release();
      set(current.point === undefined ? cross : ring, spot);
      card.place(...spot);
    });
    dark.addEventListener("change", () => {
      colours.drawLegend();
      redraw();
    });
    places.whenLive().then((is) => (root.dataset.live = is), () => (root.dataset.live = false));
    root.dataset.colour = colours.layer()?.name ?? "";
    redraw();
    plot.resize();
    new ResizeObserver(() => plot.resize()).observe(stage);
    addEventListener("beforeprint", () => plot.resize(...PRINT_SIZE));
    addEventListener("afterprint", () => plot.resize());
    find("wait").remove();
    root.dataset.ready = "true";
    performance.mark("map-ready");
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
