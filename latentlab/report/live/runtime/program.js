// A live program becomes a decoder: checked, laid out in memory, and run by the kernels; the same in a worker, in a
// page and in node. A program that does not fit together is refused with a word before anything of it runs.
{
  const { refuse, whole, known, listed, wholes, product, planRoom, openMemory, bytesOf, OPERATIONS } = latentlab.parts;
  const VERSION = 1;

  const checkWeights = (weights, blob) => {
    for (const [i, weight] of listed(weights, "weights").entries()) {
      known(weight.type, ["int8", "float16", "float32"], "type of weights");
      whole(whole(weight.rows, "rows") * whole(weight.columns, "columns"), `the size of weight ${i}`);
      const end = whole(weight.offset, "offset", 0) + bytesOf(weight);
      if (weight.offset % 4 || end > blob.byteLength) refuse(`weight ${i} ends at ${end} of ${blob.byteLength} bytes`);
    }
  };

  // The shape of each operation, and the number of values in each slot: every writer and reader has to agree on it.
  const checkProgram = (program, blob) => {
    if (program?.version !== VERSION) refuse(`version ${program?.version}, expected ${VERSION}`);
    checkWeights(program.weights, blob);
    const sizes = new Map();
    const define = (slot, values) => {
      if (sizes.has(whole(slot, "slot", 0))) refuse(`slot ${slot} is written twice`);
      sizes.set(slot, whole(values, `the size of slot ${slot}`));
    };
    const agree = (slot, values, reader) => {
      if (sizes.get(slot) !== values) refuse(`${reader} reads ${values} values of slot ${slot}: ${sizes.get(slot)}`);
    };
    for (const input of listed(program.inputs, "inputs")) define(input.slot, input.kind === "class" ? 1 : input.size);
    const shapes = listed(program.ops, "ops").map((op) => {
      const operation = Object.hasOwn(OPERATIONS, op.op) ? OPERATIONS[op.op] : refuse(`unknown operation ${op.op}`);
      for (const name of operation.whole) whole(op[name], `${op.op}: ${name}`);
      const shape = { scratch: {}, weights: {}, packed: [], ...operation.shape(op) };
      for (const [name, values] of Object.entries(shape.reads)) {
        [values].flat().forEach((count, i) => agree([op[name]].flat()[i], count, op.op));
      }
      for (const [name, [rows, columns]] of Object.entries(shape.weights)) {
        const weight = program.weights[op[name]];
        const fits = weight?.rows === rows && weight.columns === columns;
        if (!fits) refuse(`${op.op}: ${name} is not ${rows} × ${columns}`);
      }
      for (const [name, values] of Object.entries(shape.scratch)) whole(values, `${op.op}: ${name}`);
      define(op.y, shape.writes);
      return shape;
    });
    agree(program.output?.slot, product(wholes(program.output?.shape, 3, "shape")), "the picture");
    return { shapes, sizes };
  };

  // The address of each input, and what each operation finds where: { x, z, xs, y } and its scratch. A value's room is
  // free again after the last operation that reads it.
  const place = ({ inputs, ops, output }, { shapes, sizes }, room) => {
    const reads = ops.map((op, i) => [...new Set(Object.keys(shapes[i].reads).flatMap((name) => op[name]))]);
    const last = new Map(reads.flatMap((slots, i) => slots.map((slot) => [slot, i])));
    last.set(output.slot, Infinity);
    const address = new Map(inputs.map(({ slot }) => [slot, room.take(sizes.get(slot))]));
    const places = ops.map((op, i) => {
      const { inPlace, scratch } = shapes[i];
      const at = { x: address.get(op.x), z: address.get(op.z), xs: op.xs?.map((slot) => address.get(slot)) };
      const dying = reads[i].filter((slot) => last.get(slot) === i);
      const over = inPlace && dying.includes(op.x);
      at.y = over ? at.x : room.take(sizes.get(op.y));
      for (const [name, values] of Object.entries(scratch)) at[name] = room.take(values);
      for (const name of Object.keys(scratch)) room.give(at[name]);
      for (const slot of dying) if (!over || slot !== op.x) room.give(address.get(slot));
      address.set(op.y, at.y);
      if (!last.has(op.y)) room.give(at.y);
      return at;
    });
    return { places, address };
  };

  // A decoder out of a program, its weights and the kernels (ArrayBuffers, or views of them). decode(z, condition)
  // gives the values of the picture, (channel, row, column); a condition is the number of a class, or the values of
  // attributes.
  latentlab.loadDecoder = async (program, weights, wasm) => {
    const { buffer = weights, byteOffset, byteLength } = weights;
    const blob = new Uint8Array(buffer, byteOffset, byteLength);
    const { shapes, sizes } = checkProgram(program, blob);
    const { instance } = await WebAssembly.instantiate(wasm, {});
    const room = planRoom(instance.exports.__heap_base.value);
    const { places, address } = place(program, { shapes, sizes }, room);
    const memory = openMemory(instance.exports, room.top(), program.weights, blob);
    const steps = program.ops.flatMap((op, i) => {
      const { weights, packed } = shapes[i];
      const plain = Object.keys(weights).filter((name) => !packed.includes(name));
      const at = { ...places[i], ...Object.fromEntries(plain.map((name) => [name, memory.weight(op[name])])) };
      return OPERATIONS[op.op].bind(op, at, memory, shapes[i]);
    });

    const floats = new Float32Array(instance.exports.memory.buffer);
    const feed = ({ slot, name, kind, size }, values) => {
      const count = sizes.get(slot);
      if (values.length !== count) throw new RangeError(`expected ${count} values of ${name}, got ${values.length}`);
      if (kind === "class" && !(values[0] >= 0 && values[0] < size)) {
        throw new RangeError(`expected a class from 0 to ${size - 1}, got ${values[0]}`);
      }
      floats.set(values, address.get(slot) / 4);
    };
    const { slot, shape } = program.output;
    const start = address.get(slot) / 4;
    const [latent, ...others] = program.inputs;
    return {
      size: latent.size,
      shape,
      bytes: floats.byteLength,
      decode: (z, condition = []) => {
        feed(latent, z);
        for (const input of others) feed(input, typeof condition === "number" ? [condition] : condition);
        for (const step of steps) step();
        return floats.slice(start, start + product(shape));
      },
    };
  };

  latentlab.fromBase64 = (text) => {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const letters = atob(text);
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
    return bytes;
  };
}
