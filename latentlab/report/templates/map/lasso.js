// What dragging does on the stage: move the map, or draw a lasso or a box; two fingers and the wheel zoom.
{
  globalThis.latentlab ??= {};
  latentlab.map ??= {};

  const CLICK_PIXELS = 4;
  const STROKE_PIXELS = 3;

  // tell: {hover(left, top), leave(), click(left, top), shape(corners), mode(name)}
  const startDrags = (root, stage, plot, tell) => {
    const buttons = [...root.querySelectorAll("[data-mode]")];
    const fingers = new Map();
    let mode = "move";
    let start = null;
    let dragged = false;
    let stroke = [];
    let apart = 0;

    const setMode = (next) => {
      mode = next;
      stage.dataset.mode = mode;
      for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
      tell.mode(mode);
    };
    const at = (event) => {
      const { left, top } = stage.getBoundingClientRect();
      return [event.clientX - left - stage.clientLeft, event.clientY - top - stage.clientTop];
    };
    const corners = () => {
      if (mode === "lasso") return stroke;
      const [[x1, y1], [x2, y2]] = [stroke[0], stroke[stroke.length - 1]];
      return [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];
    };
    const drop = () => {
      [start, dragged, stroke] = [null, false, []];
    };
    const distance = () => {
      const [[x1, y1], [x2, y2]] = [...fingers.values()];
      return Math.hypot(x2 - x1, y2 - y1);
    };
    const middle = () => {
      const [[x1, y1], [x2, y2]] = [...fingers.values()];
      return [(x1 + x2) / 2, (y1 + y2) / 2];
    };

    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const [left, top] = at(event);
      fingers.set(event.pointerId, [left, top]);
      stage.setPointerCapture(event.pointerId);
      if (fingers.size === 2) {
        apart = distance();
        if (mode !== "move") plot.setShape(null);
        drop();
      } else if (fingers.size === 1) {
        start = [left, top];
        stroke = [plot.toData(left, top)];
      }
    });
    stage.addEventListener("pointermove", (event) => {
      const [left, top] = at(event);
      if (!fingers.has(event.pointerId)) {
        tell.hover(left, top);
        return;
      }
      const [lastLeft, lastTop] = fingers.get(event.pointerId);
      if (fingers.size === 2) {
        const [beforeLeft, beforeTop] = middle();
        fingers.set(event.pointerId, [left, top]);
        const [nowLeft, nowTop] = middle();
        const now = distance();
        plot.panBy(nowLeft - beforeLeft, nowTop - beforeTop);
        plot.zoomBy(now / (apart || now), nowLeft, nowTop);
        apart = now;
        return;
      }
      if (!start) return;
      if (!dragged && Math.hypot(left - start[0], top - start[1]) < CLICK_PIXELS) return;
      if (!dragged) tell.leave();
      dragged = true;
      if (mode === "move") {
        fingers.set(event.pointerId, [left, top]);
        plot.panBy(left - lastLeft, top - lastTop);
      } else if (Math.hypot(left - lastLeft, top - lastTop) >= STROKE_PIXELS) {
        fingers.set(event.pointerId, [left, top]);
        stroke.push(plot.toData(left, top));
        plot.setShape(corners());
      }
    });
    const finish = (event, done) => {
      if (!fingers.delete(event.pointerId) || !start) return;
      const [left, top] = at(event);
      if (done && !dragged) tell.click(left, top);
      else if (done && mode !== "move") {
        stroke.push(plot.toData(left, top));
        tell.shape(corners());
      } else if (mode !== "move") plot.setShape(null);
      drop();
    };
    stage.addEventListener("pointerup", (event) => finish(event, true));
    stage.addEventListener("pointercancel", (event) => finish(event, false));
    stage.addEventListener("pointerleave", () => tell.leave());
    stage.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
        const speed = event.ctrlKey ? 0.01 : 0.0016;
        plot.zoomBy(Math.exp(-event.deltaY * lines * speed), ...at(event));
      },
      { passive: false },
    );
    for (const button of buttons) button.addEventListener("click", () => setMode(button.dataset.mode));
    setMode("move");

    return {
      setMode,
      drawing: () => dragged && mode !== "move",
      // Lets go of a stroke that is not finished; says whether there was one.
      cancel: () => {
        const had = dragged && mode !== "move";
        if (had) {
          plot.setShape(null);
          drop();
        }
        return had;
      },
    };
  };

  Object.assign(latentlab.map, { startDrags });
}
