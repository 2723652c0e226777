// The selected points: their pictures, what they are made of, and how to take them away.
{
  const { element, plural, csvOf, jsonOf, download, figure } = latentlab.map;
  const PAGE = 200;
  const MOST_PARTS = 10;

  const percent = (part, whole) => {
    const share = (100 * part) / whole;
    return share > 0 && share < 1 ? "<1 %" : `${Math.round(share)} %`;
  };
  const meanOf = (scores) => {
    let sum = 0;
    let known = 0;
    for (let i = 0; i < scores.length; i += 1) {
      if (!Number.isFinite(scores[i])) continue;
      sum += scores[i];
      known += 1;
    }
    return figure(sum / known);
  };
  const partOf = (colour, name, own, all) => {
    const part = element("li");
    if (colour) {
      part.append(element("i"));
      part.firstChild.style.background = colour;
    }
    part.append(element("span", name), element("b", own), element("small", `on the map ${all}`));
    return part;
  };

  // tell: {show(canvas, point), look(point), leave(), pin(point), drop(), colour(code)}
  const startGallery = (root, data, title, tell) => {
    const panel = root.querySelector(".map-gallery");
    const list = panel.querySelector(".map-pictures");
    const makeup = panel.querySelector(".map-makeup");
    const said = panel.querySelector(".map-gallery-said");
    const more = panel.querySelector(".map-more");
    const saves = panel.querySelector(".map-saves");
    const hint = said.textContent;
    let points = null;
    let shown = 0;

    // The make-up of a selection, beside that of the map: a lasso is easily read for more than it says.
    const madeOf = (layer) => {
      if (!layer || !points.length) return [];
      if (layer.scores) {
        const own = Float32Array.from(points, (point) => layer.scores[point]);
        return [partOf("", `mean ${layer.title}`, meanOf(own), meanOf(layer.scores))];
      }
      const own = layer.categories.map(() => 0);
      const all = layer.categories.map(() => 0);
      for (let i = 0; i < points.length; i += 1) own[layer.codes[points[i]]] += 1;
      for (let i = 0; i < data.count; i += 1) all[layer.codes[i]] += 1;
      const order = [...own.keys()].filter((code) => own[code]).sort((a, b) => own[b] - own[a]);
      const parts = order.slice(0, MOST_PARTS).map((code) => {
        const shares = [percent(own[code], points.length), percent(all[code], data.count)];
        return partOf(tell.colour(code), layer.categories[code], ...shares);
      });
      const rest = order.length - parts.length;
      return rest ? [...parts, element("li", `and ${rest} more`)] : parts;
    };

    // A picture is painted when it is about to be seen: a selection answers at once, however large it is.
    const paint = (canvas) => {
      seer.unobserve(canvas);
      tell.show(canvas, Number(canvas.dataset.waits));
      delete canvas.dataset.waits;
    };
    const seer = new IntersectionObserver(
      (entries) => entries.forEach((entry) => entry.isIntersecting && paint(entry.target)),
      { rootMargin: "600px" },
    );
    addEventListener("beforeprint", () => list.querySelectorAll("[data-waits]").forEach(paint));

    const addPage = () => {
      const next = Array.from(points.slice(shown, shown + PAGE));
      shown += next.length;
      const items = next.map((point) => {
        const item = document.createElement("li");
        const words = { "aria-label": `Pin ${data.describe(point)}`, title: data.ids[point] };
        const button = element("button", "", { type: "button", ...words });
        const canvas = document.createElement("canvas");
        canvas.dataset.waits = point;
        // Stands there where the point has no picture.
        button.append(canvas, element("span", data.ids[point]));
        button.addEventListener("click", () => tell.pin(point));
        button.addEventListener("pointerenter", () => tell.look(point));
        button.addEventListener("focus", () => tell.look(point));
        button.addEventListener("pointerleave", () => tell.leave());
        button.addEventListener("blur", () => tell.leave());
        item.append(button);
        seer.observe(canvas);
        return item;
      });
      list.append(...items);
      const rest = points.length - shown;
      more.hidden = rest <= 0;
      more.textContent = `and ${rest.toLocaleString("en")} more: show ${Math.min(rest, PAGE)} of them`;
    };

    const retell = (layer) => {
      said.textContent = points ? `${plural(points.length, "point")} selected${points.length ? ":" : "."}` : hint;
      makeup.replaceChildren(...(points ? madeOf(layer) : []));
    };
    const show = (selected, layer) => {
      points = selected;
      shown = 0;
      seer.disconnect();
      list.replaceChildren();
      root.dataset.selected = points ? points.length : "";
      saves.hidden = !points;
      for (const kind of ["csv", "json"]) saves.querySelector(`[data-save="${kind}"]`).disabled = !points?.length;
      more.hidden = true;
      retell(layer);
      if (points) addPage();
    };

    more.addEventListener("click", () => {
      const first = shown;
      addPage();
      list.children[first]?.firstElementChild.focus({ preventScroll: true });
    });
    const actions = {
      csv: () => download(csvOf(data, points), "points.csv", "text/csv"),
      json: () => download(jsonOf(data, points, title), "points.json", "application/json"),
      none: () => tell.drop(),
    };
    for (const button of saves.querySelectorAll("[data-save]")) {
      button.addEventListener("click", () => actions[button.dataset.save]());
    }
    return { show, retell };
  };

  Object.assign(latentlab.map, { startGallery });
}
