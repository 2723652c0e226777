// The search: points whose id contains what was typed, or one of whose classes is called just that.
{
  const { plural } = latentlab.map;

  // tell: {changed(), go()}: the points found are others; the reader wants to be led to the first.
  const startSearch = (root, data, tell) => {
    const search = root.querySelector(".map-search");
    const found = root.querySelector(".map-found");
    const take = root.querySelector('[data-take="found"]');
    const { count, ids } = data;
    const hits = new Uint8Array(count);
    let active = false;
    let folded = null;

    search.addEventListener("input", () => {
      const text = search.value.trim().toLocaleLowerCase();
      folded ??= ids.map((id) => id.toLocaleLowerCase());
      const named = data.layers
        .filter((layer) => layer.codes)
        .map((layer) => [layer.codes, layer.categories.map((name) => name.toLocaleLowerCase() === text)]);
      active = text !== "";
      let total = 0;
      for (let i = 0; active && i < count; i += 1) {
        hits[i] = Number(folded[i].includes(text) || named.some(([codes, hit]) => hit[codes[i]]));
        total += hits[i];
      }
      found.textContent = active ? `${total.toLocaleString("en")} found` : plural(count, "point");
      root.dataset.found = active ? total : "";
      take.disabled = !total;
      tell.changed();
    });
    search.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !active) return;
      event.preventDefault();
      tell.go();
    });
    return { active: () => active, finds: (point) => !active || hits[point] === 1 };
  };

  Object.assign(latentlab.map, { startSearch });
}
