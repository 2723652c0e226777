// The live decoder of a page: in a worker, or on the main thread where there is none. The newest request of each key
// stands in line, urgent ones before the others.
globalThis.latentlab ??= {};
{
  // One runs, one waits beside it, so that the decoder is never idle and an urgent request never waits long.
  const MOST_IN_FLIGHT = 2;
  const REMEMBERED = 60;
  const WARM_UPS = 4;
  // int8 stays within .02 of torch. Beyond this it is another picture, and none is better.
  const LARGEST_ERROR = 0.05;

  // Answers messages beside the decoder. The worker gets this function as text, so it stands by itself.
  const serve = (port) => {
    let decoder = null;
    const paint = (values, [channels, height, width]) => {
      const plane = height * width;
      const bytes = new Uint8ClampedArray(4 * plane).fill(255);
      for (let i = 0; i < plane; i++) {
        for (let c = 0; c < 3; c++) bytes[4 * i + c] = 255 * values[channels === 1 ? i : c * plane + i];
      }
      return bytes;
    };
    const load = async ({ program, weights, kernels }) => {
      const { fromBase64, loadDecoder } = latentlab;
      decoder = await loadDecoder(program, fromBase64(weights), fromBase64(kernels));
      return {};
    };
    const decode = ({ z, condition, picture }) => {
      const started = performance.now();
      const values = decoder.decode(z, condition);
      const milliseconds = performance.now() - started;
      return { data: picture ? paint(values, decoder.shape) : values, milliseconds };
    };
    port.onmessage = async ({ data: { id, ...message } }) => {
      try {
        const answer = message.program ? await load(message) : decode(message);
        port.postMessage({ id, ...answer }, answer.data ? [answer.data.buffer] : []);
      } catch (error) {
        port.postMessage({ id, error: String(error?.message ?? error) });
      }
    };
    port.postMessage({});
  };

  const startWorker = (runtime) =>
    new Promise((resolve, reject) => {
      const source = new Blob([`${runtime}\n(${serve})(globalThis);`], { type: "text/javascript" });
      const address = URL.createObjectURL(source);
      const worker = new Worker(address);
      worker.onmessage = () => {
        URL.revokeObjectURL(address);
        resolve(worker);
      };
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message || "the worker does not start"));
      };
    });

  // A message channel gives the page a turn between two pictures.
  const startHere = (runtime) => {
    const script = document.createElement("script");
    script.textContent = runtime;
    document.head.append(script);
    script.remove();
    const { port1, port2 } = new MessageChannel();
    serve(port2);
    return port1;
  };

  const connect = async (runtime) => {
    try {
      return [await startWorker(runtime), "WebAssembly in a worker"];
    } catch {
      // No workers at all, or none for a page that is a file.
      return [startHere(runtime), "WebAssembly on the main thread"];
    }
  };

  const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

  const start = ({ program, weights, kernels, check }, runtime) => {
    const [, height, width] = program.output.shape;
    const lines = { urgent: new Map(), later: new Map() };
    const flying = new Map();
    const times = [];
    let port = null;
    let open = false;
    let failure = null;
    let count = 0;

    const send = (message, transfer = []) =>
      new Promise((resolve, reject) => {
        flying.set(++count, { resolve, reject });
        port.postMessage({ id: count, ...message }, transfer);
      });

    const next = () => {
      for (const line of [lines.urgent, lines.later]) {
        for (const [key, { message, resolve, reject }] of line) {
          if (!open || flying.size >= MOST_IN_FLIGHT) return;
          line.delete(key);
          send(message, [message.z.buffer]).then(resolve, reject);
        }
      }
    };

    const receive = ({ data: { id, data, milliseconds, error } }) => {
      const request = flying.get(id);
      flying.delete(id);
      if (milliseconds !== undefined && times.push(milliseconds) > REMEMBERED) times.shift();
      if (error === undefined) request?.resolve(data);
      else request?.reject(new Error(error));
      next();
    };

    const fail = (error) => {
      failure = error;
      for (const line of [flying, lines.urgent, lines.later]) {
        for (const { reject } of line.values()) reject(error);
        line.clear();
      }
    };

    const request = (z, { key = Symbol(), urgent = false, condition }, picture) => {
      const promise = new Promise((resolve, reject) => {
        if (failure) return reject(failure);
        const [line, other] = urgent ? [lines.urgent, lines.later] : [lines.later, lines.urgent];
        for (const older of [line.get(key), other.get(key)]) older?.resolve(null);
        other.delete(key);
        // In the place of the older one, so that a key that is asked for again and again still has its turn.
        line.set(key, { message: { z: Float32Array.from(z), condition, picture }, resolve, reject });
        next();
      });
      // Who asks may look at `ready` alone.
      promise.catch(() => {});
      return promise;
    };

    const checkPicture = () => send({ z: Float32Array.from(check.z), condition: check.condition });

    const begin = async () => {
      if (!globalThis.WebAssembly) throw new Error("this browser has no WebAssembly");
      const [connected, mode] = await connect(runtime);
      port = connected;
      port.onmessage = receive;
      port.onerror = (event) => fail(new Error(event.message || "the worker has stopped"));
      await send({ program, weights, kernels });
      const picture = await checkPicture();
      const expected = new Float32Array(Uint8Array.from(atob(check.image), (letter) => letter.charCodeAt(0)).buffer);
      const error = picture.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
      if (!(error <= LARGEST_ERROR)) throw new Error(`the picture differs from torch's by ${error}`);
      open = true;
      next();
      // The first picture ran before the browser had optimised the kernels.
      times.length = 0;
      for (let i = 0; i < WARM_UPS; i++) await checkPicture();
      return { mode, error, ms: median(times) };
    };
    const ready = begin();
    ready.catch(fail);

    return {
      size: program.inputs[0].size,
      shape: program.output.shape,
      ready,
      draw: async (z, options = {}) => {
        const bytes = await request(z, options, true);
        return bytes && new ImageData(bytes, width, height);
      },
      pixels: (z, options = {}) => request(z, { condition: options.condition }, false),
      milliseconds: () => median(times),
    };
  };

  const carried = document.getElementById("live");
  const runtime = document.getElementById("live-runtime");
  if (carried) latentlab.live = start(JSON.parse(carried.textContent), runtime.textContent);
}
