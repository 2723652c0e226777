// Pictures made beforehand: which of them shows a state, and the nearest state that one of them shows.
globalThis.latentlab ??= {};
latentlab.bench ??= {};
{
  const bench = latentlab.bench;
  const nearest = (steps, value) =>
    steps.reduce((best, step, k) => (Math.abs(step - value) < Math.abs(steps[best] - value) ? k : best), 0);

  // The tile of a state, or -1: one start, moved along one axis; or a place between two neighbouring starts.
  bench.stillOf = ({ stills }, state) => {
    const { keys, axes, steps } = stills;
    const others = steps.length - 1;
    const block = 1 + axes.length * others;
    if (state.start === "ab") {
      const [a, b] = state.ends.map((end) => (end.moves.size ? -1 : keys.indexOf(end.start)));
      const place = state.t * others;
      if (state.moves.size || a < 0 || b < 0 || Math.abs(a - b) !== 1 || place % 1 || state.path !== "line") return -1;
      const step = a < b ? place : others - place;
      const pair = Math.min(a, b);
      if (step % others === 0) return (pair + step / others) * block;
      return keys.length * block + pair * (others - 1) + step - 1;
    }
    const start = state.z ? -1 : keys.indexOf(state.start);
    if (start < 0 || state.moves.size > 1) return -1;
    if (!state.moves.size) return start * block;
    const [[key, alpha]] = state.moves;
    const axis = axes.indexOf(key);
    const step = steps.indexOf(alpha);
    if (axis < 0 || step < 0) return -1;
    return start * block + 1 + axis * others + (step > others / 2 ? step - 1 : step);
  };

  bench.snap = ({ stills }, state) => {
    const { keys, axes, steps } = stills;
    const place = state.ends.map((end) => keys.indexOf(end.start));
    let a = Math.max(place[0], 0);
    let b = place[1];
    if (b < 0 || Math.abs(a - b) !== 1) b = a + 1 < keys.length ? a + 1 : a - 1;
    state.ends = [a, Math.max(b, 0)].map((index) => bench.point(keys[index]));
    state.path = "line";
    state.t = Math.round(state.t * (steps.length - 1)) / (steps.length - 1);
    const shown = axes.includes(state.last) && state.moves.has(state.last);
    const key = shown ? state.last : [...state.moves.keys()].find((each) => axes.includes(each));
    const alpha = state.start === "ab" || key === undefined ? 0 : steps[nearest(steps, state.moves.get(key))];
    state.moves = new Map(alpha ? [[key, alpha]] : []);
    if (state.start === "ab" && keys.length < 2) state.start = keys[0];
    if (state.start !== "ab" && (state.z || !keys.includes(state.start))) bench.setStart(state, keys[0]);
  };
}
