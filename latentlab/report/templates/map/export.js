// Points to take away, as CSV or JSON.
{
  globalThis.latentlab ??= {};
  latentlab.map ??= {};

  // Spreadsheets run a text cell that begins like a formula (= + - @, a tab or a return). Such a text gets an
  // apostrophe before it, which they take as "this is text"; numbers are written bare and never get one. Every text is
  // quoted.
  const cell = (value) => {
    if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
    const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return `"${text.replaceAll('"', '""')}"`;
  };
  // A float32 in as many digits as tell it from its neighbours.
  const exact = (value) => {
    for (let digits = 6; digits < 9; digits += 1) {
      const short = Number(value.toPrecision(digits));
      if (Math.fround(short) === value) return short;
    }
    return value;
  };
  // An attribute that is there or not becomes 1 or 0.
  const valueOf = (layer, point) => {
    if (layer.scores) return Number.isFinite(layer.scores[point]) ? exact(layer.scores[point]) : NaN;
    if (layer.kind === "attribute") return [1, 0, NaN][layer.codes[point]];
    return layer.categories[layer.codes[point]];
  };

  const csvOf = (data, points) => {
    const fixed = data.split ? ["split"] : [];
    const head = ["id", "x", "y", ...data.layers.map((layer) => layer.name), ...fixed];
    const rows = Array.from(points, (point) =>
      [
        data.ids[point],
        exact(data.xs[point]),
        exact(data.ys[point]),
        ...data.layers.map((layer) => valueOf(layer, point)),
        ...(data.split ? [data.split] : []),
      ].map(cell).join(","));
    return `${[head.map(cell).join(","), ...rows].join("\r\n")}\r\n`;
  };

  const jsonOf = (data, points, title) => {
    const plain = (value) => (Number.isNaN(value) ? null : value);
    const rows = Array.from(points, (point) => ({
      id: data.ids[point],
      x: exact(data.xs[point]),
      y: exact(data.ys[point]),
      // Object.fromEntries keeps a column that somebody called __proto__.
      values: Object.fromEntries(data.layers.map((layer) => [layer.name, plain(valueOf(layer, point))])),
      ...(data.split ? { split: data.split } : {}),
    }));
    return `${JSON.stringify({ map: title, axes: data.axes, points: rows }, null, 1)}\n`;
  };

  const download = (text, name, type) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  Object.assign(latentlab.map, { csvOf, jsonOf, download });
}
