// The pinned pictures: points and places that stay beside the map, and from which the bench can start.
{
  const { element, setName, listOf } = latentlab.map;

  // A pin is {key, title, words, facts, point or null, z or null}.
  // tell: {show(canvas, pin), look(pin), changed(pins), say(text)}
  const startTray = (root, tell) => {
    const tray = root.querySelector(".map-tray");
    const list = tray.querySelector("ul");
    const hint = tray.querySelector(".map-hint");
    const clear = tray.querySelector(".map-clear");
    const pins = new Map();

    const retell = () => {
      root.dataset.pinned = [...pins.values()].map((each) => each.pin.title).join(" ");
      clear.hidden = pins.size === 0;
      hint.hidden = pins.size > 0;
      tell.changed([...pins.values()].map((each) => each.pin));
    };
    const unpin = (key) => {
      pins.get(key).item.remove();
      pins.delete(key);
      retell();
    };
    const startBench = (pin) => {
      latentlab.view?.set(Float32Array.from(pin.z), "map");
      document.getElementById("tab-bench")?.click();
      tell.say(`the bench starts at ${pin.title}`);
    };

    const pin = (pinned) => {
      if (pins.has(pinned.key)) {
        unpin(pinned.key);
        return tell.say(`let go of ${pinned.title}`);
      }
      const item = document.createElement("li");
      const canvas = element("canvas", "", { role: "img", "aria-label": pinned.words });
      const letGo = { type: "button", class: "map-unpin", "aria-label": `Unpin ${pinned.title}` };
      const remove = element("button", "×", letGo);
      remove.addEventListener("click", () => {
        const next = item.nextElementSibling ?? item.previousElementSibling;
        unpin(pinned.key);
        (next?.querySelector(".map-unpin") ?? root.querySelector(".map-stage")).focus({ preventScroll: true });
      });
      item.append(canvas, setName(element("p"), pinned.title), listOf(pinned.facts), remove);
      if (pinned.z && document.querySelector("[data-bench]")) {
        const start = element("button", "Start the bench here", { type: "button", class: "button map-start" });
        start.addEventListener("click", () => startBench(pinned));
        item.append(start);
      }
      list.prepend(item);
      tell.show(canvas, pinned);
      pins.set(pinned.key, { pin: pinned, item });
      tell.say(`pinned ${pinned.title}`);
      retell();
    };

    clear.addEventListener("click", () => {
      [...pins.keys()].forEach(unpin);
      root.querySelector(".map-stage").focus({ preventScroll: true });
    });
    retell();
    return { pin };
  };

  Object.assign(latentlab.map, { startTray });
}
