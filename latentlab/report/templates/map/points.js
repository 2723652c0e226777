// Draws the points: coverage stamps blended into the bytes of one picture. 70,000 points take some 10 ms, with a
// graphics card or without, and nothing has to be compiled or allowed for it.
{
  globalThis.latentlab ??= {};
  latentlab.map ??= {};

  // Stamps are made for this many places within a pixel, each way.
  const STEPS = 4;
  const OPACITY = 0.86;
  const FAINT_OPACITY = 0.3;
  const EDGE = 0.7;

  // A disc about (x, y) within its middle pixel: byte offsets from that pixel, and how much of each pixel it covers.
  const discOf = (radius, x, y, stride, opacity) => {
    const reach = Math.ceil(radius + 1);
    const [offsets, alphas] = [[], []];
    for (let row = -reach; row <= reach; row += 1) {
      for (let column = -reach; column <= reach; column += 1) {
        const cover = radius + 0.5 - Math.hypot(column + 0.5 - x, row + 0.5 - y);
        const alpha = Math.round(256 * opacity * Math.min(Math.max(cover, 0), 1));
        if (alpha) {
          offsets.push(4 * (row * stride + column));
          alphas.push(alpha);
        }
      }
    }
    return { offsets: Int32Array.from(offsets), alphas: Int32Array.from(alphas) };
  };
  const stampsOf = (radius, stride, opacity) =>
    Array.from({ length: STEPS * STEPS }, (_, place) =>
      discOf(radius, ((place % STEPS) + 0.5) / STEPS, (Math.floor(place / STEPS) + 0.5) / STEPS, stride, opacity));

  const blend = (bytes, at, { offsets, alphas }, colour) => {
    const red = colour[0];
    const green = colour[1];
    const blue = colour[2];
    for (let i = 0; i < offsets.length; i += 1) {
      const byte = at + offsets[i];
      const alpha = alphas[i];
      bytes[byte] += ((red - bytes[byte]) * alpha) >> 8;
      bytes[byte + 1] += ((green - bytes[byte + 1]) * alpha) >> 8;
      bytes[byte + 2] += ((blue - bytes[byte + 2]) * alpha) >> 8;
    }
  };

  // Neighbouring points in a file are often alike. Drawn in an order that knows nothing of the data, no class lies on
  // top of the others because of where it stood.
  const shuffled = (count) => {
    const order = Uint32Array.from({ length: count }, (_, index) => index);
    let state = 1;
    for (let i = count - 1; i > 0; i -= 1) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const other = Math.floor((state / 2 ** 32) * (i + 1));
      const taken = order[i];
      order[i] = order[other];
      order[other] = taken;
    }
    return order;
  };

  // look: {ground, grid, faint, colours} as [red, green, blue] each; codes: the colour of each point; clear: 1 for
  // those that are drawn in it, 0 for those that are only hinted at.
  const startPoints = (canvas, xs, ys) => {
    const order = shuffled(xs.length);
    const brush = canvas.getContext("2d", { alpha: false });
    let image = null;

    return ({ width, height, ratio, radius, edged, project, grid, look, codes, clear }) => {
      const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
      const dot = radius * ratio;
      // A margin that is not shown, so that no stamp has to be cut.
      const margin = Math.ceil(2 * dot + 6);
      const stride = w + 2 * margin;
      if (image?.width !== stride || image?.height !== h + 2 * margin) image = new ImageData(stride, h + 2 * margin);
      if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
      const bytes = image.data;
      const packed = ([red, green, blue]) => (255 << 24) | (blue << 16) | (green << 8) | red;
      const pixels = new Int32Array(bytes.buffer);
      pixels.fill(packed(look.ground));
      for (const x of grid.x) {
        const column = Math.round(x * ratio) + margin;
        for (let row = 0; row < image.height; row += 1) pixels[row * stride + column] = packed(look.grid);
      }
      for (const y of grid.y) {
        const row = Math.round(y * ratio) + margin;
        pixels.fill(packed(look.grid), row * stride, (row + 1) * stride);
      }
      const full = stampsOf(dot, stride, OPACITY);
      const faint = stampsOf(dot, stride, FAINT_OPACITY);
      const edge = edged ? stampsOf(dot + EDGE * ratio, stride, 1) : null;
      const { scale, x: shiftX, y: shiftY } = project;
      for (const pass of clear ? [0, 1] : [1]) {
        for (let i = 0; i < order.length; i += 1) {
          const point = order[i];
          if (clear && clear[point] !== pass) continue;
          const x = (xs[point] * scale + shiftX) * ratio + margin;
          const y = (shiftY - ys[point] * scale) * ratio + margin;
          if (!(x >= margin - dot && y >= margin - dot && x < w + margin + dot && y < h + margin + dot)) continue;
          const column = Math.floor(x);
          const row = Math.floor(y);
          const place = Math.floor((y - row) * STEPS) * STEPS + Math.floor((x - column) * STEPS);
          const at = 4 * (row * stride + column);
          const colour = pass ? look.colours[codes[point]] : look.faint;
          if (pass && edge) blend(bytes, at, edge[place], look.ground);
          blend(bytes, at, (pass ? full : faint)[place], colour);
        }
      }
      brush.putImageData(image, -margin, -margin);
    };
  };

  Object.assign(latentlab.map, { startPoints });
}
