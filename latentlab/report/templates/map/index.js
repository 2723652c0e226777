// Where points are: a grid of cells that finds the nearest ones, and which points a drawn outline holds.
{
  globalThis.latentlab ??= {};
  latentlab.map ??= {};

  const MOST_CELLS = 512;
  const always = () => true;

  const buildIndex = (xs, ys) => {
    const count = xs.length;
    let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < count; i += 1) {
      if (xs[i] < left) left = xs[i];
      if (xs[i] > right) right = xs[i];
      if (ys[i] < bottom) bottom = ys[i];
      if (ys[i] > top) top = ys[i];
    }
    const [width, height] = [right - left, top - bottom];
    // About two points a cell; a cell is square.
    const spread = Math.max(width, height) || 1;
    const size = Math.max(Math.sqrt((2 * width * height) / count), (2 * spread) / count, spread / MOST_CELLS);
    const columns = Math.floor(width / size) + 1;
    const rows = Math.floor(height / size) + 1;
    const limit = (value, most) => Math.min(Math.max(value, 0), most);
    const columnOf = (x) => limit(Math.floor((x - left) / size), columns - 1);
    const rowOf = (y) => limit(Math.floor((y - bottom) / size), rows - 1);

    const starts = new Uint32Array(columns * rows + 1);
    const cellOf = new Uint32Array(count);
    for (let i = 0; i < count; i += 1) {
      cellOf[i] = rowOf(ys[i]) * columns + columnOf(xs[i]);
      starts[cellOf[i] + 1] += 1;
    }
    for (let cell = 0; cell < columns * rows; cell += 1) starts[cell + 1] += starts[cell];
    const members = new Uint32Array(count);
    const next = starts.slice(0, -1);
    for (let i = 0; i < count; i += 1) members[next[cellOf[i]]++] = i;

    // Rings of cells from the middle outwards; a point in ring r is at least (r − 1) cells away.
    const visitRing = (column, row, ring, visit) => {
      for (let r = Math.max(row - ring, 0); r <= Math.min(row + ring, rows - 1); r += 1) {
        const inner = Math.abs(r - row) < ring;
        for (let c = column - ring; c <= column + ring; c += inner ? 2 * ring : 1) {
          if (c < 0 || c >= columns) continue;
          for (let k = starts[r * columns + c]; k < starts[r * columns + c + 1]; k += 1) visit(members[k]);
        }
      }
    };

    // The k nearest accepted points, nearest first, as [point, distance²]; of two at one distance the first.
    const several = (x, y, k, accept = always, within = Infinity) => {
      const found = [];
      let bound = within * within;
      const visit = (point) => {
        const distance = (xs[point] - x) ** 2 + (ys[point] - y) ** 2;
        if (distance > bound || !accept(point)) return;
        let place = found.length;
        const isAfter = ([other, apart]) => apart > distance || (apart === distance && other > point);
        while (place && isAfter(found[place - 1])) place -= 1;
        found.splice(place, 0, [point, distance]);
        if (found.length > k) found.pop();
        if (found.length === k) bound = Math.min(bound, found[k - 1][1]);
      };
      const [column, row] = [columnOf(x), rowOf(y)];
      for (let ring = 0; ring <= Math.max(columns, rows); ring += 1) {
        if (ring > 1 && ((ring - 1) * size) ** 2 > bound) break;
        visitRing(column, row, ring, visit);
      }
      return found;
    };
    const nearest = (x, y, accept, within) => several(x, y, 1, accept, within)[0]?.[0] ?? -1;

    return { nearest, several, left, right, bottom, top };
  };

  // The points within a closed outline that runs through corners [x, y], by winding number: what a stroke goes round
  // twice is inside as well. Corners are sorted into bands first, so that a point meets few edges.
  const BANDS = 256;
  const pointsInside = (xs, ys, corners, accept = always) => {
    if (corners.length < 3) return new Uint32Array(0);
    let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
    for (const [x, y] of corners) {
      [left, right] = [Math.min(left, x), Math.max(right, x)];
      [bottom, top] = [Math.min(bottom, y), Math.max(top, y)];
    }
    const bandOf = (y) => Math.min(Math.floor(((y - bottom) / (top - bottom || 1)) * BANDS), BANDS - 1);
    const bands = Array.from({ length: BANDS }, () => []);
    corners.forEach(([x1, y1], index) => {
      const [x2, y2] = corners[(index + 1) % corners.length];
      if (y1 === y2) return;
      const [low, high] = [bandOf(Math.min(y1, y2)), bandOf(Math.max(y1, y2))];
      for (let band = low; band <= high; band += 1) bands[band].push(x1, y1, x2, y2);
    });
    const packed = bands.map((edges) => Float64Array.from(edges));
    const found = new Uint32Array(xs.length);
    let total = 0;
    for (let i = 0; i < xs.length; i += 1) {
      const x = xs[i];
      const y = ys[i];
      if (x < left || x > right || y < bottom || y > top) continue;
      const edges = packed[bandOf(y)];
      let turns = 0;
      for (let e = 0; e < edges.length; e += 4) {
        const y1 = edges[e + 1];
        const y2 = edges[e + 3];
        if (y1 <= y === y2 <= y) continue;
        if (edges[e] + ((y - y1) / (y2 - y1)) * (edges[e + 2] - edges[e]) > x) turns += y2 > y1 ? 1 : -1;
      }
      if (turns && accept(i)) found[total++] = i;
    }
    return found.slice(0, total);
  };

  Object.assign(latentlab.map, { buildIndex, pointsInside });
}
