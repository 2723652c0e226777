// The operations: the whole numbers of each, what it reads, writes and weighs, and what runs.
{
  const { refuse, whole, finite, known, listed, wholes, sum, product, range, move, convolution } = latentlab.parts;
  // In the order of the kernels' switches.
  const ACTIVATIONS =
    "relu silu sigmoid tanh leaky_relu gelu elu softplus clamp exp abs reciprocal less".split(" ");
  const COMBINATIONS = ["add", "mul", "sub", "keep"];

  const moving = (describe) => (op, at, memory) => [move(memory, at.x, at.y, describe(op))];
  const running = (run) => (op, at, memory) => [() => run(memory.kernels, at, op)];

  const repetition = (op) => range(op.n, (i) => Math.floor(i / op.inner) % op.size);
  const valueByValue = (n, names = [], rows = n) => ({
    reads: { x: n },
    writes: n,
    inPlace: true,
    weights: Object.fromEntries(names.map((name) => [name, [rows, 1]])),
  });

  const combination = {
    whole: ["n"],
    shape: (op) => {
      if (op.size === undefined) return { ...valueByValue(op.n), reads: { x: op.n, z: op.n } };
      whole(op.inner, "inner");
      return { ...valueByValue(op.n), reads: { x: op.n, z: whole(op.size, "size") }, scratch: { repeated: op.n } };
    },
    bind: (op, at, memory) => {
      const kind = COMBINATIONS.indexOf(op.op);
      const { z, repeated = z } = at;
      const repeat = repeated === z ? [] : [move(memory, z, repeated, { table: repetition(op) })];
      return [...repeat, () => memory.kernels.combine(at.x, repeated, at.y, op.n, kind)];
    },
  };

  const OPERATIONS = {
    linear: {
      whole: ["rows", "columns", "count"],
      shape: ({ rows, columns, count }) => ({
        reads: { x: count * columns },
        writes: count * rows,
        weights: { w: [rows, columns], b: [rows, 1] },
      }),
      bind: running((kernels, at, op) => kernels.linear(at.x, at.w, at.b, at.y, op.count, op.rows, op.columns)),
    },
    conv2d: convolution,
    conv_transpose2d: convolution,
    scale: {
      whole: ["channels", "inner"],
      shape: ({ channels, inner }) => valueByValue(channels * inner, ["a", "b"], channels),
      bind: running((kernels, at, op) => kernels.scale(at.x, at.a, at.b, at.y, op.channels, op.inner)),
    },
    group_norm: {
      whole: ["channels", "inner", "groups"],
      shape: ({ channels, inner, groups, eps }) => {
        finite(eps, "eps");
        if (channels % groups) refuse(`${channels} channels in ${groups} groups`);
        return valueByValue(channels * inner, ["a", "b"], channels);
      },
      bind: running((kernels, { x, y, a, b }, { channels, inner, groups, eps }) =>
        kernels.group_norm(x, a, b, y, channels, inner, groups, eps),
      ),
    },
    layer_norm: {
      whole: ["rows", "columns"],
      shape: ({ rows, columns, eps }) => {
        finite(eps, "eps");
        return valueByValue(rows * columns, ["a", "b"], columns);
      },
      bind: running((kernels, at, op) => kernels.layer_norm(at.x, at.a, at.b, at.y, op.rows, op.columns, op.eps)),
    },
    activation: {
      whole: ["n"],
      shape: ({ kind, n, slope = 0, low = 0, high = 0 }) => {
        known(kind, ACTIVATIONS, "activation");
        for (const value of [slope, low, high]) finite(value, kind);
        return valueByValue(n);
      },
      bind: running((kernels, { x, y }, { kind, n, low = 0, high = 0, slope = low }) =>
        kernels.activate(x, y, n, ACTIVATIONS.indexOf(kind), slope, high),
      ),
    },
    add: combination,
    mul: combination,
    sub: combination,
    keep: combination,
    upsample: {
      whole: [],
      shape: (op) => {
        known(op.mode, ["nearest", "bilinear"], "mode");
        if (wholes(op.in, 3, "in")[0] !== wholes(op.out, 3, "out")[0]) refuse("upsample changes the channels");
        return { reads: { x: product(op.in) }, writes: product(op.out) };
      },
      bind: (op, at, memory) => {
        const [channels, height, width] = op.in;
        const [, rows, columns] = op.out;
        const sizes = [channels, height, width, rows, columns];
        if (op.mode === "bilinear") {
          return [() => memory.kernels.bilinear(at.x, at.y, ...sizes, op.align ? 1 : 0)];
        }
        // In single precision, as torch finds the nearest pixel.
        const nearest = (before, after) => {
          const ratio = Math.fround(before / after);
          return range(after, (i) => Math.min(Math.floor(Math.fround(i * ratio)), before - 1));
        };
        const across = nearest(width, columns);
        const table = nearest(height, rows).flatMap((y) => across.map((x) => y * width + x));
        return [move(memory, at.x, at.y, { table, step: height * width, repeat: channels })];
      },
    },
    pixel_shuffle: {
      whole: ["factor"],
      shape: (op) => {
        const [channels, height, width] = wholes(op.in, 3, "in");
        const shape = [channels / op.factor ** 2, height * op.factor, width * op.factor];
        if (`${wholes(op.out, 3, "out")}` !== `${shape}`) refuse(`pixel_shuffle of ${op.in} does not give ${op.out}`);
        return { reads: { x: product(op.in) }, writes: product(op.out) };
      },
      bind: moving(({ in: [, height, width], out: [channels, rows, columns], factor }) => {
        const table = range(rows * columns, (i) => {
          const [y, x] = [Math.floor(i / columns), i % columns];
          const part = (y % factor) * factor + (x % factor);
          return (part * height + Math.floor(y / factor)) * width + Math.floor(x / factor);
        });
        return { table, step: rows * columns, repeat: channels };
      }),
    },
    concat: {
      whole: ["outer"],
      shape: (op) => {
        wholes(op.sizes, listed(op.xs, "xs").length, "sizes");
        return { reads: { xs: op.sizes.map((size) => size * op.outer) }, writes: op.outer * sum(op.sizes) };
      },
      bind: ({ sizes, outer }, { xs, y }, memory) =>
        sizes.map((size, i) => {
          const first = y + 4 * sum(sizes.slice(0, i));
          return move(memory, xs[i], first, { table: range(size), step: size, repeat: outer, stride: sum(sizes) });
        }),
    },
    slice: {
      whole: ["outer", "size", "length"],
      shape: ({ outer, size, start, length }) => {
        if (whole(start, "start", 0) + length > size) refuse(`slice of ${length} from ${start} in ${size}`);
        return { reads: { x: outer * size }, writes: outer * length };
      },
      bind: moving((op) => ({ table: range(op.length, (i) => op.start + i), step: op.size, repeat: op.outer })),
    },
    embed: {
      whole: ["classes", "width"],
      shape: ({ classes, width }) => ({ reads: { x: 1 }, writes: width, weights: { w: [classes, width] } }),
      bind: running((kernels, at, op) => kernels.embed(at.x, at.w, at.y, op.classes, op.width)),
    },
    expand: {
      whole: ["size", "inner", "n"],
      shape: (op) => ({ reads: { x: op.size }, writes: op.n }),
      bind: moving((op) => ({ table: repetition(op) })),
    },
  };

  latentlab.parts.OPERATIONS = OPERATIONS;
}
