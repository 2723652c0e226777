// Convolutions of every kind, as sums over a padded input at stride 1.
{
  const { refuse, whole, wholes, product, range, move } = latentlab.parts;
  const MOST_SIDE = 2 ** 16;

  // One axis. The output falls into phases: phase f makes outputs f, f + step, f + 2·step …, and each of its taps
  // [position, kernel indices] reads the padded input at `position` + the number of the output within the phase.
  // Several kernel indices stand together where an upsampled input shows them one value: their weights are summed.
  // `sources` says which input stands at each padded position, -1 for none.
  const planAxis = ({ before, after, kernel, stride, padding, dilation, up, transposed }) => {
    const step = transposed ? stride : up;
    const phases = range(Math.min(step, after), (first) => {
      const taps = new Map();
      for (let k = 0; k < kernel; k++) {
        const position = transposed ? first + padding - k * dilation : first - padding + k * dilation;
        if (transposed && position % step) continue;
        const at = Math.floor(position / step);
        taps.set(at, [...(taps.get(at) ?? []), k]);
      }
      return { first, count: Math.ceil((after - first) / step), taps: [...taps] };
    });
    const reach = phases.flatMap(({ count, taps }) => taps.flatMap(([at]) => [at, at + count]));
    const lowest = reach.reduce((a, b) => Math.min(a, b), 0);
    const highest = reach.reduce((a, b) => Math.max(a, b), before);
    for (const phase of phases) for (const tap of phase.taps) tap[0] -= lowest;
    const sources = range(highest - lowest, (i) => (i + lowest >= 0 && i + lowest < before ? i + lowest : -1));
    return { step, phases, sources };
  };

  // With a stride, padded positions that are `stride` apart are brought together: all of residue 0, of residue 1, …
  const planStrided = ({ before, after, kernel, stride, padding, dilation, up }) => {
    const length = after + Math.floor(((kernel - 1) * dilation) / stride);
    const position = (k) => ((k * dilation) % stride) * length + Math.floor((k * dilation) / stride);
    const sources = range(length * stride, (i) => {
      const place = (i % length) * stride + Math.floor(i / length) - padding;
      return place >= 0 && place < before * up ? Math.floor(place / up) : -1;
    });
    return { step: 1, phases: [{ first: 0, count: after, taps: range(kernel, (k) => [position(k), [k]]) }], sources };
  };

  const checkAxis = (op, i) => {
    const transposed = op.op === "conv_transpose2d";
    const [before, after] = [op.in[i + 1], op.out[i + 1]];
    const [kernel, stride, dilation, padding] = [op.kernel[i], op.stride[i], op.dilation[i], op.padding[i]];
    const up = transposed ? 1 : op.up;
    const span = dilation * (kernel - 1) + 1;
    const side = Math.max(before * up, before * stride) + 2 * padding + span;
    if (side > MOST_SIDE) refuse(`${op.op} over ${side} pixels`);
    // What a stride leaves over, or an output padding adds.
    const surplus = transposed
      ? after - ((before - 1) * stride - 2 * padding + span)
      : before * up + 2 * padding - span - (after - 1) * stride;
    const fits = surplus >= 0 && surplus < Math.max(stride, transposed ? dilation : 1);
    if (!fits) refuse(`${op.op} of ${op.in} does not give ${op.out}`);
    const axis = { before, after, kernel, stride, padding, dilation, up, transposed };
    return stride > 1 && !transposed ? planStrided(axis) : planAxis(axis);
  };

  // Winograd's algorithm is the faster one where there are whole patches and something to multiply.
  const shortcut = (op) =>
    op.op === "conv2d" &&
    `${[op.kernel, op.stride, op.dilation, op.up]}` === "3,3,1,1,1,1,1" &&
    Math.max(...op.padding) > 0 &&
    op.in[0] >= 8 &&
    op.out[2] >= 7;

  const shape = (op) => {
    for (const name of ["in", "out"]) wholes(op[name], 3, name);
    for (const name of ["kernel", "stride", "dilation"]) wholes(op[name], 2, name);
    wholes(op.padding, 2, "padding", 0);
    if (op.op === "conv2d") whole(op.up, "up");
    const depth = op.in[0] * product(op.kernel);
    const [down, across] = [checkAxis(op, 0), checkAxis(op, 1)];
    return {
      reads: { x: product(op.in) },
      writes: product(op.out),
      weights: { w: [op.out[0], depth], b: [op.out[0], 1] },
      packed: ["w"],
      // A last row of patches may reach a row over the end.
      scratch: {
        padded: (op.in[0] * down.sources.length + 1) * across.sources.length,
        tile: shortcut(op) ? 128 * op.in[0] : 8 * depth,
      },
      down,
      across,
    };
  };

  const bind = (op, at, memory, { down, across }) => {
    const [channels, height, width] = op.in;
    const [filters, outHeight, outWidth] = op.out;
    const [kernelHeight, kernelWidth] = op.kernel;
    const length = across.sources.length;
    const plane = down.sources.length * length;
    const table = down.sources.flatMap((y) => across.sources.map((x) => (y < 0 || x < 0 ? -1 : y * width + x)));
    const bare = plane === height * width && table.every((source, i) => source === i);
    const input = bare ? at.x : at.padded;
    const pad = bare ? [] : [move(memory, at.x, input, { table, step: height * width, repeat: channels })];
    // Where the weights keep channel c of the kernel's position (y, x).
    const column = (c, y, x) =>
      op.op === "conv2d" ? (c * kernelHeight + y) * kernelWidth + x : (y * kernelWidth + x) * channels + c;

    if (shortcut(op)) {
      const weights = memory.transformed(op.w, channels);
      const source = [input, length, plane, channels, weights, at.b, filters];
      return [...pad, () => memory.kernels.winograd(...source, at.y, outHeight, outWidth, at.tile)];
    }

    const bindPhase = (rows, columns) => {
      const taps = rows.taps.flatMap(([y, ys]) =>
        columns.taps.map(([x, xs]) => ({ at: y * length + x, places: ys.flatMap((v) => xs.map((u) => [v, u])) })),
      );
      const overAll = (value) => range(channels).flatMap((c) => taps.map((tap) => value(c, tap)));
      const offsets = memory.integers(overAll((c, tap) => c * plane + tap.at));
      const weights = memory.packed(
        op.w,
        overAll((c, tap) => tap.places.map(([y, x]) => column(c, y, x))),
      );
      const depth = channels * taps.length;
      const first = at.y + 4 * (rows.first * outWidth + columns.first);
      const source = [input, length, offsets, depth, weights, at.b, filters];
      const target = [first, rows.count, columns.count, down.step * outWidth, across.step, outHeight * outWidth];
      return () => memory.kernels.convolve(...source, ...target, at.tile);
    };
    return pad.concat(down.phases.flatMap((rows) => across.phases.map((columns) => bindPhase(rows, columns))));
  };

  latentlab.parts.convolution = { whole: [], shape, bind };
}
