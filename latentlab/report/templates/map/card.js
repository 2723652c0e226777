// The card beside the pointer: the picture of a point, or of a place between points.
{
  const { setName, listOf } = latentlab.map;
  const GAP = 20;
  const EDGE = 6;

  const startCard = (root, stage) => {
    const card = root.querySelector(".map-card");
    const canvas = card.querySelector("canvas");

    // Beside what it shows, on the first side with room; never on top of it.
    const place = (left, top) => {
      const [width, height] = [card.offsetWidth, card.offsetHeight];
      const [roomX, roomY] = [stage.clientWidth, stage.clientHeight];
      const fits = (x, y) => x >= EDGE && y >= EDGE && x + width <= roomX - EDGE && y + height <= roomY - EDGE;
      const keep = (value, most) => Math.max(Math.min(value, most - EDGE), EDGE);
      const beside = keep(top - 40, roomY - height);
      const middle = keep(left - width / 2, roomX - width);
      const sides = [
        [left + GAP, beside],
        [left - GAP - width, beside],
        [middle, top - GAP - height],
        [middle, top + GAP],
      ];
      // Where no side has room, as on a telephone, the card hangs out of the stage below or above.
      const [x, y] = sides.find((side) => fits(...side)) ?? (top > roomY / 2 ? sides[2] : sides[3]);
      card.style.transform = `translate(${Math.round(x)}px, ${Math.round(y)}px)`;
    };

    const show = ({ left, top, title, said, facts, words }) => {
      card.hidden = false;
      setName(card.querySelector(".map-card-id"), title);
      card.querySelector(".map-card-said").textContent = said;
      card.querySelector("dl").replaceWith(listOf(facts));
      canvas.setAttribute("aria-label", words);
      place(left, top);
    };
    return {
      canvas,
      show,
      place,
      hide: () => {
        card.hidden = true;
        canvas.dataset.shows = "";
      },
    };
  };

  Object.assign(latentlab.map, { startCard });
}
