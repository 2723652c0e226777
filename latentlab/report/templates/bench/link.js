// The state as what stands behind `#bench?` in the address, and back.
globalThis.latentlab ??= {};
latentlab.bench ??= {};
{
  const bench = latentlab.bench;
  // Browsers refuse pages that rewrite their address more often than some hundred times in half a minute.
  const PAUSE_MS = 400;

  const pack = (z) => {
    const text = String.fromCharCode(...new Uint8Array(Float32Array.from(z).buffer));
    return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  };
  const unpack = (text, size) => {
    const z = bench.floats(text.replaceAll("-", "+").replaceAll("_", "/"));
    return z.length === size && z.every(Number.isFinite) ? z : null;
  };
  const startText = (point) => (point.z ? `z:${pack(point.z)}` : point.start);
  const pairs = (text, between) =>
    text.split(between).map((part) => {
      const [name, ...rest] = part.split("=");
      return [decodeURIComponent(name), rest.join("=")];
    });

  // An end: its start, then its moves, as in `row%3A12,smile=1.2`.
  const pointText = (point) => {
    const moves = [...point.moves].map(([key, alpha]) => `${encodeURIComponent(key)}=${alpha}`);
    return [encodeURIComponent(startText(point)), ...moves].join(",");
  };

  bench.writeLink = (model, state) => {
    const fresh = bench.firstState(model);
    const parts = [`start=${encodeURIComponent(startText(state))}`];
    for (const [key, alpha] of state.moves) parts.push(`${encodeURIComponent(key)}=${alpha}`);
    state.ends.forEach((end, k) => {
      const text = pointText(end);
      const changed = state.start === "ab" || text !== pointText(fresh.ends[k]);
      if (changed) parts.push(`${"ab"[k]}=${encodeURIComponent(text)}`);
    });
    if (state.start === "ab") parts.push(`t=${state.t}`);
    if (state.path !== fresh.path) parts.push(`path=${state.path}`);
    if (state.grid.join() !== fresh.grid.join()) {
      parts.push(`grid=${encodeURIComponent(state.grid.map(encodeURIComponent).join(","))}`);
    }
    return parts.join("&");
  };

  const setStart = (model, point, text) => {
    const z = text.startsWith("z:") ? unpack(text.slice(2), model.size) : null;
    if (z) bench.setStart(point, "z", z);
    else if (model.startOf.has(text)) bench.setStart(point, text);
  };
  const setMove = (model, point, key, text) => {
    const axis = model.axisOf.get(key);
    const alpha = Number(text);
    if (axis && text && Number.isFinite(alpha)) bench.setMove(point, axis, alpha);
  };
  const readPoint = (model, text, instead) => {
    const point = bench.point(instead.start);
    const [[start], ...moves] = pairs(text, ",");
    setStart(model, point, start);
    for (const [key, alpha] of moves) setMove(model, point, key, alpha);
    return point;
  };

  const setters = {
    start: (model, state, text) => (text === "ab" ? bench.setStart(state, "ab") : setStart(model, state, text)),
    a: (model, state, text) => (state.ends[0] = readPoint(model, text, state.ends[0])),
    b: (model, state, text) => (state.ends[1] = readPoint(model, text, state.ends[1])),
    t: (model, state, text) => {
      const t = Number(text);
      if (text && Number.isFinite(t)) state.t = Math.min(Math.max(t, 0), 1);
    },
    path: (model, state, text) => {
      if (Object.hasOwn(bench.PATHS, text)) state.path = text;
    },
    grid: (model, state, text) => {
      const keys = text.split(",").map(decodeURIComponent);
      if (keys.length === 2 && keys.every((key) => model.axisOf.has(key))) state.grid = keys;
    },
  };

  // What cannot be read is left as it was: a link may come from another page, or from a hand.
  bench.readLink = (model, text) => {
    const state = bench.firstState(model);
    for (const part of text.split("&")) {
      try {
        const [[name, value]] = pairs(part, "&");
        if (Object.hasOwn(setters, name)) setters[name](model, state, decodeURIComponent(value));
        else setMove(model, state, name, decodeURIComponent(value));
      } catch {
        continue;
      }
    }
    return state;
  };

  bench.startLink = (app) => {
    const { panel } = app;
    const prefix = `#${panel.id}?`;
    let timer = 0;
    const write = () => {
      timer = 0;
      if (panel.hidden || !app.moved) return;
      history.replaceState(null, "", prefix + bench.writeLink(app.model, app.state));
    };
    const asked = () => (location.hash.startsWith(prefix) ? location.hash.slice(prefix.length) : null);
    app.listeners.push(() => (timer ||= setTimeout(write, PAUSE_MS)));
    panel.addEventListener("shown", () => (timer ||= setTimeout(write, PAUSE_MS)));
    addEventListener("hashchange", () => {
      if (asked() !== null) app.restore(bench.readLink(app.model, asked()));
    });
    app.link = () => {
      clearTimeout(timer);
      app.moved = true;
      write();
      return location.href;
    };
    app.moved = asked() !== null;
    return app.moved ? bench.readLink(app.model, asked()) : null;
  };
}
