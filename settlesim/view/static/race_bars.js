/* The endings as bars to press, and the search for them, which can be stopped. */

const PATIENCE = 500; // milliseconds before a search shows how far it is

class Bars {
  /** `shortest` is the button of the shortest counterexample, where it stands elsewhere. */
  constructor(life, send, shortest = null) {
    this.life = life;
    this.send = send;
    this.verdict = h("p", { class: "search-verdict" });
    this.shortest = shortest || button("show the shortest counterexample", () => send("shortest"), { hidden: true });
    this.hint = h("p", { class: "hint", hidden: true }, "Press a bar to see the shortest way to that ending.");
    this.again = button("look for the endings again", () => send("explore"), { hidden: true });
    this.meter = h("progress", { max: 1, "aria-label": "states found" });
    this.count = h("span", { class: "hint" });
    this.halt = button("stop", () => send("stop"), { "aria-label": "stop the search" });
    this.progress = h("div", { class: "search-progress", hidden: true }, this.meter, this.count, this.halt);
    this.problem = h("p", { class: "problem", hidden: true });
    this.box = h("div", { class: "bars-box" });
    this.element = h("section", { class: "endings", "aria-label": "where it can end" },
      h("h4", {}, "Where it can end"), this.progress, this.problem, this.verdict, this.hint, this.box,
      h("div", { class: "row" }, shortest ? null : this.shortest, this.again));
  }

  /** Show how far the search is; that only where it takes a while. */
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
    this.hint.hidden = !bars || !bars.labels.length;
    this.verdict.replaceChildren();
    this.rows = [];
    if (!bars) return;
    // the picture says the first word too; what has no eyes for it reads it here
    this.verdict.append(h("strong", { class: `word ${bars.verdict.word.toLowerCase()} ${bars.svg ? "unseen" : ""}` }, `${bars.verdict.word}: `), bars.verdict.text);
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
    row.setAttribute("aria-label", `show the shortest way to: ${label}`);
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

/** Return a picture for the page: without ids, because two panels may show the same. */
function drawing(text) {
  const svg = picture(text);
  for (const each of svg.querySelectorAll("[id]")) {
    each.dataset.id = each.id;
    each.removeAttribute("id");
  }
  return svg;
}
