// Tabs: one section at a time, named in the address, moved through with the arrow keys.
{
  const tabs = [...document.querySelectorAll('[role="tab"]')];
  const panelOf = (tab) => document.getElementById(tab.getAttribute("aria-controls"));

  const select = (tab) => {
    for (const other of tabs) {
      const chosen = other === tab;
      other.setAttribute("aria-selected", String(chosen));
      other.tabIndex = chosen ? 0 : -1;
      panelOf(other).hidden = !chosen;
    }
    tab.parentElement.scrollLeft = tab.offsetLeft - 40;
    // Figures that have to know their width wait for this.
    panelOf(tab).dispatchEvent(new Event("shown"));
  };

  // What stands behind a question mark is the section's own: the bench keeps its state there.
  const address = () => {
    const name = location.hash.slice(1).split("?")[0];
    try {
      return decodeURIComponent(name);
    } catch {
      // Not an address of ours.
      return name;
    }
  };
  const named = () => tabs.find((tab) => panelOf(tab).id === address());

  for (const tab of tabs) {
    tab.addEventListener("click", () => {
      select(tab);
      history.replaceState(null, "", `#${panelOf(tab).id}`);
    });
    tab.addEventListener("keydown", (event) => {
      const here = tabs.indexOf(tab);
      const goal = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: tabs.length - 1 }[event.key];
      if (goal === undefined) return;
      event.preventDefault();
      const next = tabs.at(goal % tabs.length);
      next.focus();
      next.click();
    });
  }
  addEventListener("hashchange", () => named() && select(named()));
  if (tabs.length) select(named() ?? tabs[0]);
}
