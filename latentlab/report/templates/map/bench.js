// The mark of the bench: where the latent that it shows lies on the map.
{
  globalThis.latentlab ??= {};
  latentlab.map ??= {};

  const startBenchMark = (root, plot, places) => {
    const mark = root.querySelector(".map-bench");
    let place = null;

    const draw = () => {
      mark.hidden = !place;
      if (!place) return;
      const { left, right, bottom, top } = plot.bounds();
      const [low, high] = [plot.toScreen(left, top), plot.toScreen(right, bottom)];
      const spot = plot.toScreen(...place);
      // Beyond the edge of what is seen, the mark waits at the edge.
      const held = spot.map((value, axis) => Math.min(Math.max(value, low[axis]), high[axis]));
      mark.classList.toggle("outside", held[0] !== spot[0] || held[1] !== spot[1]);
      mark.style.transform = `translate(${held[0]}px, ${held[1]}px)`;
    };
    const follow = (z) => {
      place = z && places.placeOf(z);
      root.dataset.bench = place ? place.join(" ") : "";
      draw();
    };
    latentlab.view?.on(follow);
    if (latentlab.view?.z) follow(latentlab.view.z);
    plot.onDraw(draw);
  };

  Object.assign(latentlab.map, { startBenchMark });
}
