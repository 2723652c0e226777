// What the bench was given: starts, axes to move along, and what judges a latent.
globalThis.latentlab ??= {};
latentlab.bench ??= {};
{
  const bench = latentlab.bench;
  // Names that a link uses itself: an attribute called so is written with a prefix.
  const RESERVED = /^(start|a|b|t|path|grid|z\d+|attr:.*)$/s;
  const SIGMAS = 3;

  const bytes = (packed) => Uint8Array.from(atob(packed), (c) => c.charCodeAt(0)).buffer;
  bench.floats = (packed) => new Float32Array(bytes(packed));
  const doubles = (packed) => new Float64Array(bytes(packed));
  const row = (values, index, size) => values.subarray(index * size, (index + 1) * size);

  // An attribute moves by its vector; a dimension by its deviation.
  const attributeAxes = (data) => {
    const vectors = bench.floats(data.vectors);
    const readouts = bench.floats(data.readouts);
    let read = 0;
    return data.attributes.map((one, index) => ({
      ...one,
      key: RESERVED.test(one.name) ? `attr:${one.name}` : one.name,
      kind: "attribute",
      unit: "",
      low: -data.span,
      high: data.span,
      vector: row(vectors, index, data.size),
      readout: one.read ? row(readouts, read++, data.size) : null,
    }));
  };
  const dimensionAxes = (data) => {
    const deviations = bench.floats(data.deviations);
    return data.dimensions.map((dimension) => ({
      key: `z${dimension}`,
      name: `dim ${dimension}`,
      kind: "dimension",
      unit: "σ",
      low: -SIGMAS,
      high: SIGMAS,
      dimension,
      deviation: deviations[dimension],
    }));
  };

  bench.readModel = (data) => {
    const { size } = data;
    const latents = bench.floats(data.starts.latents);
    const starts = data.starts.keys.map((key, index) => ({
      key,
      name: data.starts.names[index],
      kind: data.starts.kinds[index],
      z: row(latents, index, size),
    }));
    const attributes = attributeAxes(data);
    const dimensions = dimensionAxes(data);
    const axes = [...attributes, ...dimensions];
    const support = data.support && {
      ...data.support,
      center: bench.floats(data.support.center),
      triangle: bench.floats(data.support.triangle),
      distances: doubles(data.support.distances),
    };
    const stills = { ...data.stills, keys: data.stills.starts.map((index) => starts[index].key) };
    const axisOf = (name) => attributes.find((axis) => axis.name === name) ?? axes.find((axis) => axis.key === name);
    stills.axes = data.stills.axes.map((name) => axisOf(name).key);
    return {
      ...data,
      starts,
      startOf: new Map(starts.map((start) => [start.key, start])),
      attributes,
      dimensions,
      axes,
      axisOf: new Map(axes.map((axis) => [axis.key, axis])),
      center: bench.floats(data.center),
      support: support && bench.measure(support),
      stills,
    };
  };

  // Moves a latent, in float64, along an axis.
  bench.addMove = (z, axis, alpha) => {
    if (axis.vector) axis.vector.forEach((value, k) => (z[k] += alpha * value));
    else z[axis.dimension] += alpha * axis.deviation;
  };

  bench.signed = (value, digits = 2) => {
    const text = Math.abs(value).toFixed(digits);
    return Number(text) ? `${value < 0 ? "−" : "+"}${text}` : text;
  };
}
