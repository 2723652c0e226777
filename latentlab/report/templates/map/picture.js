// Pictures on canvases: thumbnails out of the atlases of the page, and what a decoder drew.
{
  const { bytesOf } = latentlab.map;

  // Small pictures are shown as cells; larger ones are enlarged here, smoothly, and alike in every browser.
  const SMOOTH_SIDE = 256;

  const startPictures = (root, data) => {
    const sources = [...root.querySelectorAll(".map-atlas")];
    const images = new Map();
    // Each atlas is decoded once, when a point of it is first looked at.
    const atlasOf = (place) => {
      if (!images.has(place)) {
        const image = new Image();
        const [, type, text] = sources[place].textContent.match(/^data:([^;]*);base64,(.*)$/s);
        image.src = URL.createObjectURL(new Blob([bytesOf(text)], { type }));
        images.set(place, image.decode().then(() => image));
      }
      return images.get(place);
    };
    const slotOf = (point) => (data.slots ? data.slots[point] : point);
    const placeOf = (slot) => data.atlases.findIndex(({ first, count }) => slot >= first && slot < first + count);

    const put = (canvas, source, left, top, width, height) => {
      const cells = data.cells || Math.min(width, height) < 24;
      const scale = cells ? 1 : Math.max(1, Math.ceil(SMOOTH_SIDE / width));
      [canvas.width, canvas.height] = [width * scale, height * scale];
      canvas.classList.toggle("cells", cells);
      const brush = canvas.getContext("2d");
      brush.imageSmoothingEnabled = !cells;
      brush.imageSmoothingQuality = "high";
      brush.drawImage(source, left, top, width, height, 0, 0, canvas.width, canvas.height);
    };

    // Paints a point's picture, unless the canvas has been given to another one meanwhile.
    const paint = async (canvas, point) => {
      const slot = slotOf(point);
      const place = placeOf(slot);
      canvas.dataset.shows = point;
      if (place < 0) return false;
      const image = await atlasOf(place);
      if (canvas.dataset.shows !== String(point)) return true;
      const { first, columns, width, height } = data.atlases[place];
      const index = slot - first;
      put(canvas, image, (index % columns) * width, Math.floor(index / columns) * height, width, height);
      return true;
    };

    const stage = document.createElement("canvas");
    const paintPixels = (canvas, pixels) => {
      [stage.width, stage.height] = [pixels.width, pixels.height];
      stage.getContext("2d").putImageData(pixels, 0, 0);
      put(canvas, stage, 0, 0, pixels.width, pixels.height);
    };

    return { has: (point) => placeOf(slotOf(point)) >= 0, paint, paintPixels };
  };

  Object.assign(latentlab.map, { startPictures });
}
