// Pictures of latents: decoded here, or cut from those made beforehand.
globalThis.latentlab ??= {};
latentlab.bench ??= {};
{
  const bench = latentlab.bench;
  // Pixels of the large picture's longer side: enlarged once, smoothly, so that the browser need not.
  const LARGE = 768;

  const cut = async (root, { stills }) => {
    const sprite = new Image();
    sprite.src = root.querySelector(".bench-sprite image").href.baseVal;
    await sprite.decode();
    const { columns, width, height } = stills;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const brush = canvas.getContext("2d", { willReadFrequently: true });
    return (tile) => {
      const [left, top] = [(tile % columns) * width, Math.floor(tile / columns) * height];
      brush.drawImage(sprite, left, top, width, height, 0, 0, width, height);
      return brush.getImageData(0, 0, width, height);
    };
  };

  // Shows an ImageData as it is, or as the large picture.
  bench.startPainter = ({ cells }) => {
    const small = document.createElement("canvas");
    return (canvas, pixels, large = false) => {
      const { width, height } = pixels;
      const scale = large && !cells ? Math.max(1, Math.round(LARGE / Math.max(width, height))) : 1;
      if (canvas.width !== width * scale || canvas.height !== height * scale) {
        canvas.width = width * scale;
        canvas.height = height * scale;
      }
      canvas.classList.toggle("cells", cells);
      const brush = canvas.getContext("2d");
      if (scale === 1) return brush.putImageData(pixels, 0, 0);
      if (small.width !== width || small.height !== height) Object.assign(small, { width, height });
      small.getContext("2d").putImageData(pixels, 0, 0);
      brush.imageSmoothingQuality = "high";
      return brush.drawImage(small, 0, 0, canvas.width, canvas.height);
    };
  };

  const startStills = async (root, model, why) => {
    const tile = await cut(root, model);
    const draw = async (point) => {
      const index = bench.stillOf(model, point);
      return index < 0 ? null : tile(index);
    };
    return { live: false, why, draw };
  };

  // Where pictures come from. `draw(state or point, z, options)` promises an ImageData, or null where a newer request
  // of the same key came first. A decoder that stops is told to `lost`, with what there is instead.
  bench.findPictures = async (root, model, lost) => {
    const { live } = latentlab;
    const broken = (error) => startStills(root, model, `the decoder does not run in this browser (${error.message})`);
    if (!live) return startStills(root, model, model.why || "the page carries no decoder");
    try {
      const found = await live.ready;
      const stop = (error) => {
        broken(error).then(lost);
        return null;
      };
      return { live: true, found, draw: (point, z, options) => live.draw(z, options).catch(stop) };
    } catch (error) {
      return broken(error);
    }
  };
}
