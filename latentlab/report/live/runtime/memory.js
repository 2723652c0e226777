// One block of memory: activations that share room where their lives do not meet, behind them what never changes.
{
  const { refuse, range } = latentlab.parts;
  const MOST_BYTES = 2 ** 30;
  const PAGE = 65536;
  // Kernels go in whole vectors and may reach this many bytes over the end of a buffer.
  const MARGIN = 64;
  const SCALE_BLOCK = 64;

  const aligned = (bytes) => Math.ceil(bytes / 16) * 16;

  // Places for activations from `bottom` up: the first gap that is wide enough.
  const planRoom = (bottom) => {
    const base = aligned(bottom);
    const taken = [];
    let top = base;
    return {
      take: (values) => {
        const bytes = aligned(4 * values + MARGIN);
        let at = base;
        const next = taken.findIndex((block) => {
          if (block.at - at >= bytes) return true;
          at = block.at + block.bytes;
          return false;
        });
        taken.splice(next < 0 ? taken.length : next, 0, { at, bytes });
        top = Math.max(top, at + bytes);
        return at;
      },
      give: (at) => {
        taken.splice(
          taken.findIndex((block) => block.at === at),
          1,
        );
      },
      top: () => top,
    };
  };

  const bytesOf = ({ type, rows, columns }) => {
    const scales = 4 * rows * Math.ceil(columns / SCALE_BLOCK);
    return { int8: scales + rows * columns, float16: 2 * rows * columns, float32: 4 * rows * columns }[type];
  };

  // The constants that kernels read, from `base` up. What is borrowed to convert weights is free again afterwards.
  const openMemory = (kernels, base, weights, blob) => {
    const kept = new Map();
    let top = base;
    const take = (bytes) => {
      const at = top;
      top += aligned(bytes + MARGIN);
      if (top > MOST_BYTES) refuse(`needs more than ${MOST_BYTES / 2 ** 20} MB of memory`);
      const missing = top - kernels.memory.buffer.byteLength;
      if (missing > 0) kernels.memory.grow(Math.ceil(missing / PAGE));
      return at;
    };
    const borrow = (work) => {
      const before = top;
      work();
      top = before;
    };
    const put = (bytes) => {
      const at = take(bytes.byteLength);
      new Uint8Array(kernels.memory.buffer).set(bytes, at);
      return at;
    };
    const integers = (list) => put(new Uint8Array(Int32Array.from(list).buffer));
    const convert = (weight, target) => {
      const { type, offset, rows, columns } = weight;
      const bytes = bytesOf(weight);
      const raw = put(blob.subarray(offset, offset + bytes));
      if (type === "int8") kernels.dequantize(raw + bytes - rows * columns, raw, target, rows, columns);
      else if (type === "float16") kernels.widen(raw, target, rows * columns);
      else new Uint8Array(kernels.memory.buffer).copyWithin(target, raw, raw + bytes);
    };
    take(0);
    return {
      kernels,
      integers,
      // The address of a weight, row by row.
      weight: (number) => {
        if (!kept.has(number)) {
          const { rows, columns } = weights[number];
          const at = take(4 * rows * columns);
          borrow(() => convert(weights[number], at));
          kept.set(number, at);
        }
        return kept.get(number);
      },
      // The address of a weight as `convolve` reads it: value k of a row is the sum of the columns in summed[k].
      packed: (number, summed) => {
        const { rows, columns } = weights[number];
        const terms = summed.reduce((most, list) => Math.max(most, list.length), 1);
        const at = take(16 * summed.length * Math.ceil(rows / 4));
        borrow(() => {
          const matrix = take(4 * rows * columns);
          convert(weights[number], matrix);
          const index = integers(summed.flatMap((list) => range(terms, (i) => list[i] ?? -1)));
          kernels.pack(matrix, rows, columns, index, summed.length, terms, at);
        });
        return at;
      },
      // The address of the weight of a 3 × 3 convolution as `winograd` reads it.
      transformed: (number, channels) => {
        const { rows, columns } = weights[number];
        const at = take(256 * channels * Math.ceil(rows / 4));
        borrow(() => {
          const matrix = take(4 * rows * columns);
          convert(weights[number], matrix);
          kernels.winograd_pack(matrix, rows, channels, at);
        });
        return at;
      },
    };
  };

  // A step that moves values by a table (-1 gives 0), `repeat` times: each time x goes on by `step` values, and y by
  // `stride`.
  const move = (memory, x, y, { table, step = 0, repeat = 1, stride = table.length }) => {
    const places = memory.integers(table);
    return () => memory.kernels.gather(x, step, places, table.length, y, stride, repeat);
  };

  Object.assign(latentlab.parts, { planRoom, openMemory, bytesOf, move });
}
