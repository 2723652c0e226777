// Where the bench is: a start, how far it has moved along each axis, and two ends with the way between them.
globalThis.latentlab ??= {};
latentlab.bench ??= {};
{
  const bench = latentlab.bench;
  bench.STEP = 0.05;

  // A point is a start with moves; `z` is set where the start is no one of those that the page carries.
  bench.point = (start, moves = [], z = null) => ({ start, moves: new Map(moves), z });

  bench.firstState = (model) => {
    const of = (kind) => model.starts.filter((start) => start.kind === kind);
    const [images, samples] = [of("gallery"), of("sample")];
    const first = images[0] ?? samples[0] ?? model.starts[0];
    const pair = ["mean:1", "mean:7"].every((key) => model.startOf.has(key));
    const many = images.length > 1 ? images : samples.length > 1 ? samples : model.starts;
    const ends = pair ? ["mean:1", "mean:7"] : [many[0].key, many[many.length >> 1].key];
    const axes = model.size === 2 ? model.dimensions : model.axes.filter((axis) => !axis.doubt);
    const grid = [...axes, ...model.axes].slice(0, 2).map((axis) => axis.key);
    if (model.size === 2) grid.sort();
    return {
      ...bench.point(first.key),
      ends: ends.map((key) => bench.point(key)),
      t: 0,
      path: "line",
      grid: grid.length > 1 ? grid : [grid[0], grid[0]],
      last: null,
    };
  };

  const baseOf = (model, point) => point.z ?? model.startOf.get(point.start).z;
  const placed = (model, base, moves) => {
    const z = Float64Array.from(base);
    for (const [key, alpha] of moves) bench.addMove(z, model.axisOf.get(key), alpha);
    return Float32Array.from(z);
  };

  bench.pointZ = (model, point) => placed(model, baseOf(model, point), point.moves);

  bench.pathZ = (model, state, t) => {
    const [a, b] = state.ends.map((end) => bench.pointZ(model, end));
    return bench.PATHS[state.path](a, b, model.center)(t);
  };

  // The latent of the whole state, with some moves instead of its own where they are given.
  bench.stateZ = (model, state, moves = state.moves) =>
    placed(model, state.start === "ab" ? bench.pathZ(model, state, state.t) : baseOf(model, state), moves);

  bench.setMove = (state, axis, alpha) => {
    const held = Math.min(Math.max(alpha, axis.low), axis.high);
    const rounded = Number((Math.round(held / bench.STEP) * bench.STEP).toFixed(2));
    if (rounded) state.moves.set(axis.key, rounded);
    else state.moves.delete(axis.key);
    state.last = axis.key;
  };

  bench.setStart = (state, start, z = null) => Object.assign(state, { start, z });

  // Where the state is now, as a point of its own: a place on the way from A to B is known by its latent.
  bench.currentPoint = (model, state) => {
    if (state.start !== "ab") return bench.point(state.start, state.moves, state.z);
    return bench.point("z", [], bench.stateZ(model, state));
  };

  const startName = (model, point) => model.startOf.get(point.start)?.name ?? "a place of its own";
  const moveNames = (model, moves) =>
    [...moves].map(([key, alpha]) => {
      const axis = model.axisOf.get(key);
      return `${axis.name} ${bench.signed(alpha)}${axis.unit && ` ${axis.unit}`}`;
    });
  bench.pointName = (model, point) => [startName(model, point), ...moveNames(model, point.moves)].join(", ");

  // How the picture came about, in words.
  bench.stateName = (model, state) => {
    if (state.start !== "ab") return bench.pointName(model, state);
    const [a, b] = state.ends.map((end) => bench.pointName(model, end));
    const way = `${Math.round(100 * state.t)} % of the ${state.path === "line" ? "line" : "arc"} from ${a} to ${b}`;
    return [way, ...moveNames(model, state.moves)].join(", ");
  };
}
