// The neighbourhood: pictures around the present one along two axes, redrawn as it moves, the nearest most often.
globalThis.latentlab ??= {};
latentlab.bench ??= {};
{
  const bench = latentlab.bench;
  const STEP = 0.5;
  const SIDES = { narrow: 7, wide: 9 };
  const WIDE = 560;
  // While somebody drags, tiles are asked for only so long after the large picture was drawn: the next move finds the
  // decoder idle. Somebody who has not moved for a while has stopped.
  const SPARE_MS = 5;
  const REST_MS = 120;
  const FAR = 99;
  const SLACK = 1e-6;

  const fillAxes = (select, model) => {
    const { element } = bench;
    const add = (title, axes) => {
      const group = element("optgroup", "", { label: title });
      group.append(...axes.map((axis) => element("option", axis.name, { value: axis.key })));
      if (axes.length) select.append(group);
    };
    add("Attributes", model.attributes);
    add("Dimensions", model.dimensions.slice(0, 16));
  };

  bench.startGrid = (app) => {
    const { model } = app;
    const section = app.find("around");
    const list = app.find("grid");
    const here = app.find("here");
    const hint = here.textContent;
    const selects = ["across", "up"].map((name) => app.find(name));
    if (model.axes.length < 2) return void (section.hidden = true);
    let side = 0;
    let tiles = [];
    let seen = false;
    let version = 0;
    let flying = false;
    let rest = 0;
    let drawn = "";

    const axes = () => app.state.grid.map((key) => model.axisOf.get(key));
    // The moves of a tile, or null where a slider does not reach.
    const movesOf = ({ offsets }) => {
      const moves = new Map(app.state.moves);
      for (const [k, axis] of axes().entries()) {
        const alpha = (moves.get(axis.key) ?? 0) + offsets[k];
        if (alpha < axis.low - SLACK || alpha > axis.high + SLACK) return null;
        moves.set(axis.key, alpha);
      }
      return moves;
    };
    const draw = async (tile) => {
      const moves = movesOf(tile);
      tile.version = version;
      tile.time = performance.now();
      tile.button.disabled = !moves;
      if (!moves) return tile.canvas.getContext("2d").clearRect(0, 0, tile.canvas.width, tile.canvas.height);
      const z = bench.stateZ(model, app.state, moves);
      const pixels = await app.pictures.draw(null, z, { key: `bench-tile-${tile.index}` });
      if (!pixels) return null;
      tile.button.classList.toggle("far", Boolean(model.support) && model.support.percentile(z) > FAR);
      return app.paint(tile.canvas, pixels);
    };
    // The longer a tile has been out of date and the nearer it is, the sooner it is drawn.
    const next = () => {
      const now = performance.now();
      let best = null;
      let most = 0;
      for (const tile of tiles) {
        const due = (now - tile.time + 1) / (1 + tile.away);
        if (tile.version !== version && due > most) [best, most] = [tile, due];
      }
      return best;
    };
    const spare = () => {
      const now = performance.now();
      return app.pictures.live && !app.drawing && (now > app.changedAt + REST_MS || now < app.paintedAt + SPARE_MS);
    };
    const pump = async () => {
      if (flying || !seen || !app.pictures?.live) return;
      flying = true;
      for (let tile = next(); tile && spare(); tile = next()) await draw(tile);
      flying = false;
    };

    const nameOf = ({ offsets }) =>
      axes().map((axis, k) => `${axis.name} ${bench.signed(offsets[k], 1)}`).join(", ");
    const tell = (tile) => {
      const moves = tile && movesOf(tile);
      if (!moves) return void (here.textContent = hint);
      const said = axes().map((axis) => `${axis.name} ${bench.signed(moves.get(axis.key))}`);
      if (tile.button.classList.contains("far")) said.push("beyond the data");
      here.textContent = said.join(", ");
    };
    const go = (tile, event) => {
      const moves = movesOf(tile);
      if (!moves) return;
      app.change((state) => axes().forEach((axis) => bench.setMove(state, axis, moves.get(axis.key))), event);
    };
    const focus = (tile) => {
      for (const other of tiles) other.button.tabIndex = other === tile ? 0 : -1;
      tile.button.focus();
    };

    const build = (wanted) => {
      side = wanted;
      const middle = (side - 1) / 2;
      list.style.setProperty("--side", side);
      list.replaceChildren();
      tiles = Array.from({ length: side * side }, (_, index) => {
        const [column, line] = [(index % side) - middle, middle - Math.floor(index / side)];
        const button = bench.element("button", "", { type: "button", tabindex: column || line ? -1 : 0 });
        const canvas = bench.picture(model);
        button.append(canvas);
        button.classList.toggle("middle", !column && !line);
        const offsets = [column * STEP, line * STEP];
        const tile = { index, button, canvas, offsets, away: column ** 2 + line ** 2, version: -1, time: 0 };
        button.addEventListener("click", (event) => go(tile, event));
        button.addEventListener("pointerenter", () => tell(tile));
        button.addEventListener("focus", () => tell(tile));
        button.addEventListener("keydown", (event) => {
          const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -side, ArrowDown: side }[event.key];
          if (!step) return;
          event.preventDefault();
          const inRow = Math.abs(step) > 1 || Math.floor((index + step) / side) === Math.floor(index / side);
          const goal = inRow ? tiles[index + step] : undefined;
          if (goal && !goal.button.disabled) focus(goal);
        });
        list.append(button);
        return tile;
      });
      name();
    };
    const name = () => {
      for (const tile of tiles) tile.button.setAttribute("aria-label", nameOf(tile));
    };

    selects.forEach((select, k) => {
      fillAxes(select, model);
      select.addEventListener("change", (event) =>
        app.change((state) => {
          // Both the same would show one axis twice: they change places.
          if (state.grid[1 - k] === select.value) state.grid[1 - k] = state.grid[k];
          state.grid[k] = select.value;
        }, event),
      );
    });
    list.addEventListener("pointerleave", () => tell(null));
    list.addEventListener("focusout", () => tell(null));
    new ResizeObserver(() => {
      const wanted = list.clientWidth >= WIDE ? SIDES.wide : SIDES.narrow;
      if (wanted !== side) build(wanted);
      pump();
    }).observe(list);
    new IntersectionObserver(([entry]) => {
      seen = entry.isIntersecting;
      pump();
    }).observe(list);
    app.openers.push(() => (section.hidden = !app.pictures.live));
    app.listeners.push(() => {
      selects.forEach((select, k) => (select.value = app.state.grid[k]));
      const asked = app.state.grid.join("\n");
      if (asked !== drawn) name();
      drawn = asked;
      version += 1;
      clearTimeout(rest);
      rest = setTimeout(pump, REST_MS + 1);
      pump();
    });
    app.painters.push(pump);
    build(SIDES.narrow);
  };
}
