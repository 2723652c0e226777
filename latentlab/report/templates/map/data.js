// The points as the page carries them: typed arrays, unpacked once, and what is said of a point in words.
{
  globalThis.latentlab ??= {};
  latentlab.map ??= {};

  const TYPES = { f4: Float32Array, u1: Uint8Array, u2: Uint16Array, u4: Uint32Array };

  const bytesOf = (text) => {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const raw = atob(text);
    const bytes = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
    return bytes;
  };

  // Not every browser has Float16Array. There are only 65,536 of these numbers.
  const half = (code) => {
    const [sign, exponent, fraction] = [code >> 15 ? -1 : 1, (code >> 10) & 31, code & 1023];
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
  };
  const halves = (codes) => {
    const known = Float32Array.from({ length: 65536 }, (_, code) => half(code));
    const values = new Float32Array(codes.length);
    for (let i = 0; i < codes.length; i += 1) values[i] = known[codes[i]];
    return values;
  };
  const unpack = (packed) => {
    const { buffer } = bytesOf(packed.data);
    return packed.type === "f2" ? halves(new Uint16Array(buffer)) : new TYPES[packed.type](buffer);
  };

  // Four significant digits, as the tables of the page write numbers.
  const figure = (value) => {
    if (!Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    const text =
      size >= 1e15 || (size < 1e-4 && size > 0)
        ? value.toPrecision(3)
        : Number.isInteger(value) || size >= 1000
          ? value.toLocaleString("en", { maximumFractionDigits: 0 })
          : String(Number(value.toPrecision(4)));
    return text.replace("-", "−");
  };

  const readLayer = (layer) => ({
    ...layer,
    codes: layer.codes && unpack(layer.codes),
    scores: layer.scores && unpack(layer.scores),
  });

  const readData = (root) => {
    const data = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
    const layers = data.layers.map(readLayer);
    const xs = unpack(data.x);

    const valueOf = (layer, point) =>
      layer.codes ? layer.categories[layer.codes[point]] : figure(layer.scores[point]);

    // What is said of a point: what it is coloured by, its classes, the attributes that it has.
    const factsOf = (point, first) => {
      const facts = first ? [[first.title, valueOf(first, point)]] : [];
      for (const layer of layers) {
        if (layer !== first && layer.kind === "class") facts.push([layer.title, valueOf(layer, point)]);
      }
      const has = layers.filter((layer) => layer !== first && layer.kind === "attribute" && layer.codes[point] === 0);
      if (has.length) facts.push(["has", has.map((layer) => layer.title).join(", ")]);
      return facts;
    };
    const describe = (point, first) =>
      [data.ids[point], ...factsOf(point, first).map(([title, value]) => `${title} ${value}`)].join(", ");

    return {
      ...data,
      layers,
      xs,
      ys: unpack(data.y),
      count: xs.length,
      slots: data.slots && unpack(data.slots),
      valueOf,
      factsOf,
      describe,
    };
  };

  const element = (tag, text = "", attributes = {}) => {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  // A name such as mnist/test/12 breaks after a slash rather than within its number.
  const setName = (node, name) => {
    const [first, ...rest] = name.split("/");
    node.replaceChildren(first, ...rest.flatMap((part) => ["/", document.createElement("wbr"), part]));
    return node;
  };
  const listOf = (facts) => {
    const list = document.createElement("dl");
    for (const [title, value] of facts) {
      const row = document.createElement("div");
      row.append(element("dt", title), element("dd", value));
      list.append(row);
    }
    return list;
  };
  const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

  Object.assign(latentlab.map, { readData, unpack, bytesOf, figure, element, setName, listOf, plural });
}
