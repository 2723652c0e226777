// The strip player: a slider that scrubs the frames, a button that plays them to and fro, the strip to choose from.
{
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  const startStrip = (figure) => {
    const picture = figure.querySelector(".strip-picture");
    const caption = figure.querySelector(".strip-caption");
    const slider = figure.querySelector("input");
    const count = figure.querySelector(".strip-count");
    const play = figure.querySelector(".strip-play");
    const buttons = [...figure.querySelectorAll(".strip-frames button")];
    const captions = buttons.map((button) => button.getAttribute("aria-label").replace(/^Frame \d+: /, ""));
    const last = buttons.length - 1;
    const seconds = Number(figure.dataset.seconds);
    let index = 0;
    let step = 1;
    let timer = 0;

    const show = (goal) => {
      buttons[index].removeAttribute("aria-current");
      index = Math.min(Math.max(goal, 0), last);
      buttons[index].setAttribute("aria-current", "true");
      const frame = buttons[index].firstElementChild;
      picture.src = frame.src;
      picture.alt = frame.alt;
      caption.textContent = captions[index];
      slider.value = index;
      slider.setAttribute("aria-valuetext", captions[index]);
      count.textContent = `${index + 1} / ${last + 1}`;
      figure.dataset.index = index;
    };

    const pause = () => {
      clearTimeout(timer);
      timer = 0;
      play.setAttribute("aria-pressed", "false");
      play.setAttribute("aria-label", "Play");
      caption.setAttribute("aria-live", "polite");
    };

    const advance = () => {
      if (index + step > last || index + step < 0) {
        // Somebody who asked for less motion gets one pass, not a loop.
        if (still.matches) return pause();
        step = -step;
      }
      if (!figure.checkVisibility()) return pause();
      show(index + step);
      const atEnd = index === 0 || index === last;
      timer = setTimeout(advance, 1000 * (atEnd ? seconds + 0.6 : seconds));
    };

    const start = () => {
      if (!last) return;
      if (index === last) step = -1;
      if (index === 0) step = 1;
      play.setAttribute("aria-pressed", "true");
      play.setAttribute("aria-label", "Pause");
      caption.setAttribute("aria-live", "off");
      timer = setTimeout(advance, 0);
    };

    const move = (goal) => {
      pause();
      show(goal);
    };

    play.addEventListener("click", () => (timer ? pause() : start()));
    slider.addEventListener("input", () => move(Number(slider.value)));
    buttons.forEach((button, position) => button.addEventListener("click", () => move(position)));

    return (event) => {
      const goal = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: last }[event.key];
      if (goal !== undefined) {
        move(goal);
      } else if (event.key === " ") {
        if (timer) pause();
        else start();
      } else return;
      event.preventDefault();
    };
  };

  const players = new Map();
  for (const figure of document.querySelectorAll("[data-strip]")) players.set(figure, startStrip(figure));

  // Keys work inside a player, and anywhere on the page while only one can be seen.
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const focus = document.activeElement;
    const inside = focus?.closest("[data-strip]");
    if (!inside && focus && focus !== document.body) return;
    if (inside && event.key === " " && focus.tagName === "BUTTON") return;
    const seen = [...players.keys()].filter((figure) => figure.checkVisibility());
    const figure = inside ?? (seen.length === 1 ? seen[0] : null);
    if (figure) players.get(figure)(event);
  });
}
