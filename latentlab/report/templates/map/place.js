// Places between the points: which latent lies there, where a latent lies, and what the page's decoder draws of either.
{
  const { buildIndex, unpack } = latentlab.map;

  const SAID = {
    latent: () => "decoded here: exactly this latent",
    plane: () => "decoded here: on the plane of two principal components",
    neighbours: (k) => `decoded here: mean of the ${k} nearest points`,
  };
  // A place further from every point than this share of the map's width shows what no image was like.
  const FAR = 0.06;

  // Σ vᵢ/dᵢ² / Σ 1/dᵢ² over [row, d²]; where a distance is 0, the mean of those there.
  const meanOf = (near, values, size) => {
    const there = near.filter(([, squared]) => squared === 0);
    const mean = new Float64Array(size);
    let total = 0;
    for (const [row, squared] of there.length ? there : near) {
      const weight = there.length ? 1 : 1 / squared;
      total += weight;
      for (let i = 0; i < size; i += 1) mean[i] += weight * values(row, i);
    }
    return Float32Array.from(mean, (value) => value / total);
  };

  const startPlaces = (data, index) => {
    const { inverse } = data;
    const reach = FAR * Math.max(index.right - index.left, index.top - index.bottom);
    const isFar = (x, y) => index.nearest(x, y, undefined, reach) < 0;
    let kept = null;

    // Latents are unpacked when they are first asked for: a page that is only looked at never waits for them.
    const carried = () => {
      if (kept || !inverse?.latents) return kept;
      const latents = unpack(inverse.latents);
      const points = inverse.points ? unpack(inverse.points) : Uint32Array.from({ length: data.count }, (_, i) => i);
      const row = new Int32Array(data.count).fill(-1);
      points.forEach((point, place) => (row[point] = place));
      const at = (list) => Float32Array.from(points, (point) => list[point]);
      const [xs, ys] = [at(data.xs), at(data.ys)];
      const plane = inverse.kind === "plane" && { center: unpack(inverse.center), axes: unpack(inverse.axes) };
      kept = { latents, row, xs, ys, index: buildIndex(xs, ys), plane };
      return kept;
    };
    const size = inverse?.size ?? 0;

    // The latent of a point; null where the page does not carry it.
    const latentOf = (point) => {
      if (!inverse) return null;
      if (inverse.kind === "latent") return Float32Array.of(data.xs[point], data.ys[point]);
      const { latents, row } = carried();
      return row[point] < 0 ? null : latents.slice(row[point] * size, (row[point] + 1) * size);
    };
    const latentAt = (x, y) => {
      if (!inverse) return null;
      if (inverse.kind === "latent") return Float32Array.of(x, y);
      const { latents, index: near, plane } = carried();
      if (plane) return plane.center.map((value, i) => value + x * plane.axes[i] + y * plane.axes[size + i]);
      return meanOf(near.several(x, y, inverse.neighbours), (row, i) => latents[row * size + i], size);
    };

    // Where a latent lies: on a latent or a plane exactly, else at the mean of the places of its nearest latents.
    const placeOf = (z) => {
      if (!inverse || z.length !== size) return null;
      if (inverse.kind === "latent") return [z[0], z[1]];
      const { latents, xs, ys, plane } = carried();
      if (plane) {
        return [0, 1].map((axis) =>
          z.reduce((sum, value, i) => sum + (value - plane.center[i]) * plane.axes[axis * size + i], 0));
      }
      const near = [];
      for (let row = 0; row < xs.length; row += 1) {
        let squared = 0;
        const bound = near.length < inverse.neighbours ? Infinity : near[near.length - 1][1];
        for (let i = 0; i < size && squared < bound; i += 1) squared += (latents[row * size + i] - z[i]) ** 2;
        if (squared >= bound) continue;
        let place = near.length;
        while (place && near[place - 1][1] > squared) place -= 1;
        near.splice(place, 0, [row, squared]);
        if (near.length > inverse.neighbours) near.pop();
      }
      return [...meanOf(near, (row, i) => (i ? ys[row] : xs[row]), 2)];
    };

    const said = (x, y) => `${SAID[inverse.kind](inverse.neighbours)}${isFar(x, y) ? "; no image lies near" : ""}`;
    // The decoder, once it has drawn its first picture; null where the page has none or it does not fit this map.
    let live = null;
    const whenLive = async () => {
      const host = latentlab.live;
      if (!host || !inverse || host.size !== size) return false;
      await host.ready;
      live = host;
      return true;
    };

    return {
      latentOf,
      latentAt,
      placeOf,
      said,
      placed: () => inverse?.kind === "neighbours",
      live: () => live,
      // A decoder that failed is not asked again.
      lose: () => (live = null),
      whenLive,
    };
  };

  Object.assign(latentlab.map, { startPlaces });
}
