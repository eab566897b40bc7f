/* The endings as bars to press, and the search for them, which can be stopped. */

const PATIENCE = 500; // milliseconds before a search shows how far it is

class Bars {
  constructor(life, send) {
    this.life = life;
    this.send = send;
    this.verdict = h("p", { class: "search-verdict" });
    this.shortest = button("show the shortest counterexample", () => send("shortest"), { hidden: true });
    this.hint = h("p", { class: "hint", hidden: true }, "Click a bar to see the shortest schedule with that ending.");
    this.again = button("search for the endings again", () => send("explore"), { hidden: true });
    this.meter = h("progress", { max: 1, "aria-label": "states found" });
    this.count = h("span", { class: "hint" });
    this.halt = button("stop", () => send("stop"), { "aria-label": "stop the search" });
    this.progress = h("div", { class: "search-progress", hidden: true }, this.meter, this.count, this.halt);
    this.problem = h("p", { class: "problem", hidden: true });
    this.box = h("div", { class: "bars-box" });
    this.element = h("section", { class: "endings", "aria-label": "where it can end" },
      h("h4", {}, "Where it can end"), this.progress, this.problem, this.verdict, this.hint, this.box,
      h("div", { class: "row" }, this.shortest, this.again));
  }

  /** Show how far the search is, unless it is over within PATIENCE. */
  search(state) {
    if (!state) return;
    const runs = state.status === "running" || state.status === "stopping";
    this.meter.max = state.limit;
    if (state.found) this.meter.value = state.found;
    else this.meter.removeAttribute("value");
    this.count.textContent = state.status === "stopping" ? "stopping"
      : `${state.found.toLocaleString("en")} states, of at most ${state.limit.toLocaleString("en")}`;
    this.problem.textContent = state.error || "";
    this.problem.hidden = !state.error;
    this.again.hidden = state.status !== "failed" && !state.stopped;
    if (runs && !this.waiting) this.waiting = this.life.after(PATIENCE, () => { this.progress.hidden = false; });
    if (runs) return;
    this.life.cancel(this.waiting);
    this.waiting = undefined;
    this.progress.hidden = true;
  }

  /** Show the bars; nothing while they are not known. */
  paint(bars) {
    this.box.replaceChildren();
    this.shortest.hidden = !bars || !bars.refuted;
    this.hint.hidden = !bars || !(bars.rows || bars.labels).length;
    this.verdict.replaceChildren();
    this.rows = [];
    if (!bars) return;
    // a picture shows the first word too, so that here only screen readers need it
    this.verdict.append(h("strong", { class: `word ${bars.verdict.word.toLowerCase()} ${bars.svg ? "unseen" : ""}` }, `${bars.verdict.word}: `), bars.verdict.text);
    this.draw(bars);
  }

  /** Draw the bars as a picture. */
  draw(bars) {
    if (!bars.svg) return;
    const svg = drawing(bars.svg);
    svg.setAttribute("role", "group");
    this.rows = [...svg.querySelectorAll("g.bar")];
    const names = [...svg.querySelectorAll("g.ending")];
    this.rows.forEach((row, index) => this.makeRow(row, names[index], index, bars.labels[index] ?? ""));
    this.box.append(svg);
  }

  makeRow(row, name, index, label) {
    const act = () => this.send("ending", { index });
    row.setAttribute("role", "button");
    row.setAttribute("tabindex", "0");
    row.setAttribute("aria-label", `show the shortest schedule for: ${label}`);
    for (const each of [row, name]) if (each) each.addEventListener("click", act);
    row.addEventListener("keydown", (pressed) => {
      if (pressed.key !== "Enter" && pressed.key !== " ") return;
      pressed.preventDefault();
      act();
    });
  }

  /** Mark the bar of the ending that is shown now. */
  here(index) {
    (this.rows || []).forEach((row, at) => {
      row.classList.toggle("here", at === index);
      if (at === index) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    });
  }
}

const SORTS = {
  right: ["\u2713", "in arrival order"],
  serial: ["\u21c4", "in another serial order"],
  wrong: ["\u2717", "no serial order gives this"],
  unknown: ["!", "not known whether a serial order gives this"],
};

/** The bars as a list, which needs less room. */
class EndingList extends Bars {
  draw(bars) {
    this.rows = bars.rows.map((row, index) => this.item(row, index));
    const sorts = Object.keys(SORTS).filter((sort) => bars.rows.some((row) => row.sort === sort));
    const key = sorts.map((sort) => SORTS[sort].join(" ")).join(" \u00b7 ");
    const scale = bars.decades ? `bars on a scale of ${bars.decades} powers of ten` : "";
    this.verdict.append(" ", h("span", { class: "hint" }, `${bars.facts}.`));
    this.box.append(...this.rows, ...[bars.more, key, scale].filter(Boolean).map((words) => h("p", { class: "hint" }, words)));
  }

  item({ sort, rest, ran, count, share, length }, index) {
    const [sign, meaning] = SORTS[sort];
    const made = button("", () => this.send("ending", { index }), {
      class: `bar ${sort}`,
      "aria-label": `show the shortest schedule for: ${rest}; ${ran}; ${count} ${/(^| )1$/.test(count) ? "interleaving" : "interleavings"}; ${meaning}`,
    });
    made.append(h("span", { class: "sign" }, sign),
      h("span", { class: "what" }, h("strong", {}, rest), ` ${ran}`),
      h("span", { class: "scale" }, h("span", { class: "length", style: `width: max(2px, ${100 * length}%)` })),
      h("span", { class: "share" }, share ? `${count} (${share})` : count));
    return made;
  }
}

/** Return a picture for the page: without ids, because two panels may show the same. */
function drawing(text) {
  const svg = picture(text);
  for (const each of svg.querySelectorAll("[id]")) {
    each.dataset.id = each.id;
    each.removeAttribute("id");
  }
  return svg;
}
