// The plot: which part of the map is seen, its axes, the names of classes, outlines. A unit is as long on either axis.
{
  const { startPoints, figure } = latentlab.map;
  const SVG = "http://www.w3.org/2000/svg";
  const MARGIN = { left: 50, right: 12, top: 12, bottom: 44 };
  const TICK_ROOM = 84;
  const ROOM_ROUND_POINTS = 22;
  // A name of a class that would lie on another one looks for a free place, first near, then further off; a caption of
  // an outline stands at its outline or nowhere.
  const NAME_SHIFTS = [0, -16, 16, -32, 32];

  const svg = (tag, attributes, text = "") => {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    return made;
  };
  const ticksOf = (low, high, room) => {
    const rough = ((high - low) * TICK_ROOM) / room;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * ([1, 2, 5].find((each) => each * power >= rough) ?? 10);
    const ticks = [];
    for (let k = Math.ceil(low / step); k * step <= high; k += 1) ticks.push(Number((k * step).toPrecision(12)));
    return ticks;
  };

  const startPlot = (stage, data, index) => {
    const canvas = stage.querySelector(".map-points");
    const axes = stage.querySelector(".map-axes");
    const draw = startPoints(canvas, data.xs, data.ys);
    const listeners = [];
    const seen = { x: (index.left + index.right) / 2, y: (index.bottom + index.top) / 2, scale: 1 };
    let drawn = { width: 0, height: 0 };
    let size = { width: 0, height: 0 };
    let whole = 1;
    let moved = false;
    let paint = null;
    let names = [];
    let shape = null;
    let waiting = 0;

    const toScreen = (x, y) => [
      MARGIN.left + size.width / 2 + (x - seen.x) * seen.scale,
      MARGIN.top + size.height / 2 - (y - seen.y) * seen.scale,
    ];
    const toData = (left, top) => [
      seen.x + (left - MARGIN.left - size.width / 2) / seen.scale,
      seen.y - (top - MARGIN.top - size.height / 2) / seen.scale,
    ];
    const holds = (left, top, room = 0) =>
      left >= MARGIN.left + room && left <= MARGIN.left + size.width - room &&
      top >= MARGIN.top + room && top <= MARGIN.top + size.height - room;
    const bounds = () => {
      const [left, top] = toData(MARGIN.left, MARGIN.top);
      const [right, bottom] = toData(MARGIN.left + size.width, MARGIN.top + size.height);
      return { left, right, bottom, top };
    };

    const radius = () => {
      const { count } = data;
      const base = count < 600 ? 4.5 : count < 3000 ? 3.5 : count < 12000 ? 2.5 : count < 40000 ? 1.9 : 1.4;
      // A small stage, such as a telephone's, has less room for each.
      const room = Math.min(Math.max(Math.sqrt((size.width * size.height) / 500000), 0.65), 1);
      return base * room * Math.min(Math.max(seen.scale / whole, 1) ** 0.3, 2.2);
    };
    const step = ([x, y]) => toScreen(x, y).map((value) => value.toFixed(1)).join(" ");
    const line = (points) => points.map(step).join("L");

    const nameNodes = () => {
      const taken = [];
      const captions = data.ellipses.map(({ x, y, caption }) => {
        const place = y.indexOf(Math.max(...y));
        return { kind: "map-caption", text: caption, x: x[place], y: y[place], lift: 9 };
      });
      return [...names, ...captions].flatMap(({ kind = "map-name", text, x, y, lift = 0 }) => {
        const place = toScreen(x, y);
        const [left, top] = [place[0], place[1] - lift];
        if (!text || !holds(left, top, 8)) return [];
        const half = 4.5 * Math.min(text.length, 24) + 3;
        const shift = NAME_SHIFTS.find((by) =>
          (!lift || !by) && taken.every(([l, t, h]) => Math.abs(l - left) > half + h || Math.abs(t - top - by) > 17));
        if (shift === undefined) return [];
        taken.push([left, top + shift, half]);
        const short = text.length > 24 ? `${text.slice(0, 23)}…` : text;
        return [svg("text", { class: kind, x: left, y: top + shift }, short)];
      });
    };

    const drawAxes = (ticks) => {
      const [right, bottom] = [MARGIN.left + size.width, MARGIN.top + size.height];
      const nodes = [];
      for (const x of ticks.x) {
        nodes.push(svg("text", { class: "map-tick", x: toScreen(x, 0)[0], y: bottom + 16 }, figure(x)));
      }
      for (const y of ticks.y) {
        const spot = { x: MARGIN.left - 7, y: toScreen(0, y)[1] + 4 };
        nodes.push(svg("text", { class: "map-tick map-tick-y", ...spot }, figure(y)));
      }
      const middle = MARGIN.top + size.height / 2;
      const frame = `M${MARGIN.left} ${MARGIN.top}V${bottom}H${right}`;
      nodes.push(
        svg("path", { class: "map-frame", d: frame }),
        svg("text", { class: "map-title", x: MARGIN.left + size.width / 2, y: bottom + 36 }, data.axes[0]),
        svg("text", { class: "map-title", x: 13, y: middle, transform: `rotate(-90 13 ${middle})` }, data.axes[1]),
      );
      const inside = svg("svg", { x: MARGIN.left, y: MARGIN.top, width: size.width, height: size.height });
      inside.setAttribute("viewBox", `${MARGIN.left} ${MARGIN.top} ${size.width} ${size.height}`);
      for (const ellipse of data.ellipses) {
        const corners = ellipse.x.map((x, place) => [x, ellipse.y[place]]);
        inside.append(svg("path", { class: "map-outline", d: `M${line(corners)}Z` }));
      }
      inside.append(...nameNodes());
      if (shape) inside.append(svg("path", { class: "map-shape", d: `M${line(shape)}Z` }));
      axes.replaceChildren(...nodes, inside);
    };

    const redraw = () => {
      waiting = 0;
      if (!paint || !size.width) return;
      const { left, right, bottom, top } = bounds();
      const ticks = { x: ticksOf(left, right, size.width), y: ticksOf(bottom, top, size.height) };
      draw({
        ...size,
        ...paint,
        ratio: Math.min(devicePixelRatio || 1, 2),
        radius: radius(),
        edged: data.count < 3000,
        project: {
          scale: seen.scale,
          x: size.width / 2 - seen.x * seen.scale,
          y: size.height / 2 + seen.y * seen.scale,
        },
        grid: {
          x: ticks.x.map((x) => toScreen(x, 0)[0] - MARGIN.left),
          y: ticks.y.map((y) => toScreen(0, y)[1] - MARGIN.top),
        },
      });
      drawAxes(ticks);
      for (const tell of listeners) tell();
    };
    const ask = () => (waiting ||= requestAnimationFrame(redraw));

    const fit = () => {
      const room = (pixels) => Math.max(pixels - 2 * ROOM_ROUND_POINTS, pixels / 4);
      const across = room(size.width) / (index.right - index.left);
      const up = room(size.height) / (index.top - index.bottom);
      const least = Math.min(across, up);
      // Points that are all in one place have no extent: a hundred pixels a unit then.
      whole = Number.isFinite(least) ? least : 100;
      return whole;
    };
    const showAll = () => {
      moved = false;
      Object.assign(seen, { x: (index.left + index.right) / 2, y: (index.bottom + index.top) / 2, scale: fit() });
      ask();
    };
    const panBy = (dx, dy) => {
      moved = true;
      seen.x -= dx / seen.scale;
      seen.y += dy / seen.scale;
      ask();
    };
    // Zooming keeps what is under (left, top) where it is.
    const zoomBy = (factor, left = MARGIN.left + size.width / 2, top = MARGIN.top + size.height / 2) => {
      const scale = Math.min(Math.max(seen.scale * factor, whole / 4), whole * 5000);
      const [x, y] = toData(left, top);
      moved = true;
      seen.scale = scale;
      const [nowX, nowY] = toData(left, top);
      seen.x += x - nowX;
      seen.y += y - nowY;
      ask();
    };
    // Takes the size of the stage, or a given one before it has that: a page is drawn for print before it is laid out.
    const resize = (clientWidth = stage.clientWidth, clientHeight = stage.clientHeight) => {
      const same = clientWidth === drawn.width && clientHeight === drawn.height;
      if (!clientWidth || same) return;
      drawn = { width: clientWidth, height: clientHeight };
      size = {
        width: Math.max(clientWidth - MARGIN.left - MARGIN.right, 1),
        height: Math.max(clientHeight - MARGIN.top - MARGIN.bottom, 1),
      };
      Object.assign(canvas.style, {
        left: `${MARGIN.left}px`, top: `${MARGIN.top}px`, width: `${size.width}px`, height: `${size.height}px`,
      });
      axes.setAttribute("viewBox", `0 0 ${clientWidth} ${clientHeight}`);
      if (moved) fit();
      else showAll();
      if (waiting) cancelAnimationFrame(waiting);
      redraw();
    };
    // Brings a place into view, if it is not there already.
    const reveal = (x, y) => {
      const [left, top] = toScreen(x, y);
      if (holds(left, top, 12)) return;
      moved = true;
      [seen.x, seen.y] = [x, y];
      if (waiting) cancelAnimationFrame(waiting);
      redraw();
    };

    return {
      toScreen, toData, holds, bounds, ask, showAll, panBy, zoomBy, resize, reveal,
      scale: () => seen.scale,
      onDraw: (tell) => listeners.push(tell),
      setPaint: (value) => {
        paint = value;
        ask();
      },
      setNames: (value) => {
        names = value;
        ask();
      },
      setShape: (value) => {
        shape = value;
        ask();
      },
    };
  };

  Object.assign(latentlab.map, { startPlot });
}
