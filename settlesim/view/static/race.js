/* A scenario to play with: the person is the scheduler. */

const TURN = 900; // milliseconds of a step at the middle speed
const LEAST_SCALE = 0.82; // of the lanes: words of 11 units are 9 px high
const SPEEDS = [["slow", 2], ["middle", 1], ["fast", 0.4]];

function tint(message) {
  return `--tint: var(--ss-series-${(message - 1) % 6 + 1})`;
}

/** What has changed carries a word, not only a colour. */
function changed(on) {
  return on ? h("span", { class: "mark" }, "changed") : null;
}

// --- play, step, back -----------------------------------------------------------------------

class Transport {
  constructor(life, send) {
    this.life = life;
    this.send = send;
    this.plays = false;
    this.first = button("|\u25c0", () => this.go(0), { "aria-label": "to the beginning", title: "to the beginning" });
    this.back = button("\u25c0 back", () => { this.pause(); send("back"); });
    this.play = button("\u25b6 play", () => this.toggle(), { class: "main" });
    this.step = button("step \u25b6", () => { this.pause(); send("step"); });
    this.last = button("\u25b6|", () => this.go(this.place.last), { "aria-label": "to the end", title: "to the end" });
    this.chance = button("random step", () => { this.pause(); send("chance"); });
    this.slider = h("input", { type: "range", min: 0, max: 0, step: 1, "aria-label": "step of the path" });
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.speed = h("select", { "aria-label": "speed of play" },
      ...SPEEDS.map(([name, factor]) => h("option", { value: factor }, name)));
    this.speed.value = "1";
    this.count = h("span", { class: "count" });
    this.text = h("span", { class: "text" });
    this.element = h("div", { class: "transport", role: "toolbar", "aria-label": "play" },
      h("div", { class: "row" }, this.first, this.back, this.play, this.step, this.last, this.slider, this.count,
        h("label", { class: "speed" }, "speed ", this.speed)),
      h("p", { class: "happened" }, this.text));
  }

  go(position) {
    this.pause();
    this.send("go", { position });
  }

  toggle() {
    if (this.plays) {
      this.pause();
      return;
    }
    if (!this.place.last) return;
    this.plays = true;
    if (this.place.at === this.place.last) this.send("go", { position: 0 });
    else this.turn();
    this.paintPlay();
  }

  pause() {
    this.plays = false;
    this.life.cancel(this.timer);
    this.paintPlay();
  }

  turn() {
    this.life.cancel(this.timer);
    this.timer = this.life.after(TURN * Number(this.speed.value), () => {
      if (this.plays) this.send("go", { position: this.place.at + 1 });
    });
  }

  paintPlay() {
    this.play.textContent = this.plays ? "pause" : "\u25b6 play";
    off(this.play, !this.plays && !this.place?.last, "there is no path yet: take steps below, or press a bar");
  }

  paint(place, rows) {
    this.place = place;
    const enabled = rows.flatMap((row) => row.steps);
    this.slider.max = place.last;
    this.slider.value = place.at;
    this.slider.disabled = !place.last;
    this.slider.setAttribute("aria-valuetext", `step ${place.at} of ${place.last}: ${place.text}`);
    off(this.first, !place.at);
    off(this.back, !place.at);
    off(this.last, place.at === place.last);
    const only = enabled.length === 1 && !enabled[0].fault;
    const choice = place.at === place.last && !only;
    off(this.step, choice, enabled.length ? "choose a step below" : "");
    off(this.chance, !enabled.length);
    this.count.textContent = `step ${place.at} of ${place.last}`;
    this.text.replaceChildren(...(place.step ? [h("code", {}, place.step), " "] : []), place.text,
      ...place.anomalies.map((name) => h("span", { class: "anomaly" }, `\u2691 ${name}`)));
    if (this.plays && place.at === place.last) this.pause();
    else if (this.plays) this.turn();
    this.paintPlay();
  }
}

/** Switch a button off without taking the focus from it. */
function off(made, on, why = "") {
  made.setAttribute("aria-disabled", String(Boolean(on)));
  made.title = on ? why : made.getAttribute("aria-label") || "";
}

// --- the scheduler --------------------------------------------------------------------------

class Scheduler {
  /** `chance` is the button that leaves the choice to chance. */
  constructor(send, chance) {
    this.send = send;
    this.body = h("tbody");
    this.left = h("p", { class: "budgets" });
    this.element = h("section", { class: "scheduler", "aria-label": "what happens next" },
      h("div", { class: "title-row" }, h("h4", {}, "You are the scheduler: what happens next?"), chance),
      h("table", { class: "rows" },
        h("thead", { class: "unseen" }, h("tr", {}, ...["message", "what may happen"].map((name) => h("th", { scope: "col" }, name)))),
        this.body),
      this.left,
      h("p", { class: "hint" }, "Keys: 1 to 9 press these buttons in order; \u2190 and \u2192 go back and forward."));
  }

  paint(rows, budgets) {
    const held = this.body.contains(document.activeElement) ? document.activeElement.dataset : null;
    let number = 0;
    this.buttons = [];
    this.body.replaceChildren(...rows.map((row) => {
      const steps = row.steps.map((step) => {
        number += 1;
        return this.step(step, row.message, number);
      });
      return h("tr", { class: row.changed ? "changed" : "" },
        h("th", { scope: "row" }, pill(row.message, row.name), h("div", { class: "status" }, row.status, " ", changed(row.changed))),
        h("td", {}, h("div", { class: "steps" }, ...steps, row.blocked ? this.barred(row) : null,
          steps.length || row.blocked ? null : h("span", { class: "hint" }, "nothing"))));
    }));
    this.left.replaceChildren(...faults(budgets));
    if (held) this.focus(held);
  }

  step(step, message, number) {
    const act = () => this.send("take", { step: step.name });
    const made = button("", act, { class: step.fault ? "step fault" : "step", "aria-label": step.label });
    made.append(h("code", {}, step.name), ` ${step.fault ? "\u26a1 " : ""}${step.words}`);
    if (number < 10) made.setAttribute("aria-keyshortcuts", String(number));
    Object.assign(made.dataset, { step: step.name, message });
    this.buttons.push(made);
    return made;
  }

  barred(row) {
    const { name, words, why } = row.blocked;
    const made = button("", () => this.send("take", { step: name }), {
      class: "step", "aria-disabled": "true", "aria-label": `${row.name}: ${words}, step ${name}: ${why}`,
    });
    made.append(h("code", {}, name), ` ${words}`);
    Object.assign(made.dataset, { step: name, message: row.message });
    return h("span", { class: "barred" }, made, h("span", { class: "why" }, why));
  }

  /** Give the focus to the same step, or the next of the same message, or the next at all. */
  focus({ step, message }) {
    const all = [...this.body.querySelectorAll("button")];
    const able = all.filter((each) => each.getAttribute("aria-disabled") !== "true");
    const found = all.find((each) => each.dataset.step === step)
      || able.find((each) => each.dataset.message === message) || able[0] || all[0];
    if (found) found.focus();
    else this.fallback?.focus();
  }

  press(number) {
    const made = this.buttons[number - 1];
    if (!made) return false;
    made.focus();
    made.click();
    return true;
  }
}

function pill(message, name) {
  return h("span", { class: "message", style: tint(message), title: name }, `${message} ${name}`);
}

function faults(budgets) {
  if (!budgets.length) return [h("span", { class: "hint" }, "No faults happen in this scenario.")];
  return budgets.map((each) => h("span", { class: "budget" },
    h("strong", {}, each.name), ` ${each.left} of ${each.whole} left`, each.why ? h("span", { class: "why" }, each.why) : null));
}

// --- the store, the world, and the workers --------------------------------------------------

function storeList(store) {
  return store.map((each) => h("div", { class: "instance" }, h("h5", {}, each.key),
    h("dl", {},
      fact("state", each.state, "strong"),
      fact("revision", each.revision),
      ...each.context.map((field) => fact(field.name, field, "code")))));
}

function fact(name, field, tag = "span") {
  return h("div", { class: field.changed ? "fact changed" : "fact" },
    h("dt", {}, name), h("dd", {}, h(tag, {}, field.value), " ", changed(field.changed)));
}

/** The effects, which cannot be undone, per instance and in order. */
function effectList(effects) {
  return effects.map((each) => h("div", { class: "instance" }, h("h5", {}, each.key),
    each.calls.length ? h("ol", { class: "calls" }, ...each.calls.map(effect))
      : h("span", { class: "hint" }, "no effect yet")));
}

function effect({ service, message, name, changed: isNew }) {
  return h("li", { class: isNew ? "call changed" : "call" },
    h("strong", {}, service), " of ", h("span", { class: "message", style: tint(message), title: `${message} ${name}` }, message), isNew ? h("span", { class: "mark" }, "new") : null);
}

function workerRow(each) {
  const name = h("th", { scope: "row" }, each.title);
  if (each.message === null) {
    return h("tr", { class: each.changed ? "changed" : "" }, name, h("td", { class: "hint", colSpan: 3 }, "idle ", changed(each.changed)));
  }
  const stale = each.stale ? h("span", { class: "why" }, "no longer what the store has") : null;
  const zombie = each.good ? null : h("span", { class: "why" }, "its receipt is no longer valid");
  return h("tr", { class: each.changed ? "changed" : "" }, name,
    h("td", {}, pill(each.message, each.name), zombie),
    h("td", {}, each.loaded || h("span", { class: "hint" }, "nothing yet"), stale),
    h("td", {}, each.doing, each.holds && each.doing.includes("save") ? h("strong", {}, ` ${each.holds}`) : "", " ", changed(each.changed)));
}

function workerTable(workers) {
  return h("table", { class: "facts workers" },
    h("thead", {}, h("tr", {}, ...["", "works on", "has loaded", "now"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, ...workers.map(workerRow)));
}

// --- charts ---------------------------------------------------------------------------------

class Charts {
  constructor() {
    this.list = h("div", { class: "minis" });
    this.title = h("summary", {});
    this.element = h("details", { class: "charts" }, this.title, this.list);
    this.minis = [];
  }

  about({ hands }) {
    this.title.textContent = `The chart in the store, and as each ${hands} has loaded it`;
    this.element.setAttribute("aria-label", `the chart in the store, and as each ${hands} sees it`);
  }

  picture(data) {
    this.data = data;
    this.minis = [];
    this.list.replaceChildren();
  }

  paint(charts) {
    while (this.minis.length > charts.length) this.minis.pop().element.remove();
    while (this.minis.length < charts.length) this.minis.push(this.make());
    this.element.hidden = !charts.length;
    charts.forEach((each, index) => this.update(this.minis[index], each));
  }

  make() {
    const caption = h("figcaption", {});
    const element = h("figure", { class: "mini" }, caption);
    const byId = new Map();
    if (this.data) {
      const svg = drawing(this.data.svg);
      svg.setAttribute("role", "img");
      for (const each of svg.querySelectorAll("[data-id]")) byId.set(each.dataset.id, each);
      element.append(svg);
      this.list.append(element);
      return { element, caption, byId, svg, lit: [] };
    }
    this.list.append(element);
    return { element, caption, byId, lit: [] };
  }

  update(mini, { title, words, active, idle }) {
    mini.caption.replaceChildren(h("strong", {}, title), ` ${words}`);
    mini.element.classList.toggle("idle", idle);
    if (mini.svg) mini.svg.setAttribute("aria-label", `${title}: ${words}`);
    for (const each of mini.lit) each.classList.remove("active");
    const ids = this.data ? active.map((name) => this.data.nodes[name]) : [];
    mini.lit = ids.flatMap((id) => [mini.byId.get(id), mini.byId.get(`${id}_halo`)]).filter(Boolean);
    for (const each of mini.lit) each.classList.add("active");
  }
}

// --- the path -------------------------------------------------------------------------------

class Path {
  constructor(send) {
    this.field = h("input", { class: "mono path", type: "text", spellcheck: false, autocomplete: "off", "aria-label": "the path, as replay takes it",
      placeholder: "no step yet; paste a path such as r1 l1 r2" });
    this.told = h("span", { class: "hint", role: "status" });
    const go = () => send("paste", { text: this.field.value });
    this.field.addEventListener("keydown", (pressed) => { if (pressed.key === "Enter") go(); });
    this.element = h("section", { class: "path-box", "aria-label": "the path" },
      h("h4", {}, "The path, for replay(scenario, \u2026)"), h("div", { class: "row" }, this.field, button("copy", () => this.copy()), button("go there", go), this.told));
  }

  paint(path) {
    this.field.value = path.shown;
    this.told.textContent = "";
  }

  async copy() {
    this.field.select();
    try {
      await navigator.clipboard.writeText(this.field.value);
    } catch {
      document.execCommand("copy"); // where the page may not use the clipboard
    }
    this.told.textContent = "copied";
  }
}

// --- everything together --------------------------------------------------------------------

function verdictLine(verdict) {
  const signs = { right: "\u2713", serial: "\u21c4", wrong: "\u2717", unknown: "!", open: "\u2026" };
  return [h("span", { class: `verdict-word ${verdict.sort}` }, h("span", { "aria-hidden": "true" }, `${signs[verdict.sort]} `), verdict.word), ` ${verdict.text}`];
}

function head(send) {
  const title = h("strong", { class: "title" });
  const words = h("span", { class: "conditions" });
  const choice = h("select", { "aria-label": "queue discipline" });
  choice.addEventListener("change", () => send("queue", { name: choice.value }));
  const element = h("div", { class: "head" }, title, words, h("label", {}, "the same under ", choice));
  const paint = (about) => {
    title.textContent = about.events;
    words.textContent = about.conditions;
    choice.replaceChildren(...about.disciplines.map((each) =>
      h("option", { value: each.name, disabled: Boolean(each.problem), title: each.problem || each.meaning }, `${each.name}${each.problem ? ": makes no sense here" : ""}`)));
    choice.value = about.queue;
    choice.title = about.disciplines.find((each) => each.name === about.queue).meaning;
  };
  return { element, paint };
}

const LANES = "Bars: from receive to the end, dark from load to save. Dotted: not handled yet. Struck out: overwritten by a handler that had not seen it.";

function paintLanes(box, svg, send, { at, last }) {
  const made = drawing(svg);
  for (const each of made.querySelectorAll("g.column")) {
    each.addEventListener("click", () => send("go", { position: Number(each.dataset.id.split("-")[1]) }));
  }
  const [, , width, high] = made.getAttribute("viewBox").split(" ").map(Number);
  made.style.minWidth = `${Math.ceil(LEAST_SCALE * width)}px`; // words stay legible; the box scrolls
  made.style.minHeight = `${Math.ceil(LEAST_SCALE * high)}px`;
  box.replaceChildren(made);
  box.scrollLeft = box.scrollWidth * at / Math.max(last, 1) - box.clientWidth / 2; // keeps the current step in sight
  box.style.minHeight = "";
  const height = at === 0 ? 0 : Math.max(Number(box.dataset.height || 0), box.offsetHeight);
  box.dataset.height = height;
  if (height) box.style.minHeight = `${height}px`; // what stands below does not jump
}

function listenToKeys(root, life, scheduler, send) {
  life.listen(root, "keydown", (pressed) => {
    if (pressed.altKey || pressed.ctrlKey || pressed.metaKey) return;
    if (/^(INPUT|SELECT|TEXTAREA)$/.test(pressed.target.tagName)) return;
    let used = true;
    if (pressed.key === "ArrowLeft") send("back");
    else if (pressed.key === "ArrowRight") send("step");
    else if (/^[1-9]$/.test(pressed.key)) used = scheduler.press(Number(pressed.key));
    else used = false;
    if (used) pressed.preventDefault();
  });
}

const render = panel("race", "race: you are the scheduler", (model, root, life, send) => {
  const top = head(send);
  const transport = new Transport(life, send);
  const scheduler = new Scheduler(send, transport.chance);
  const charts = new Charts();
  const bars = new EndingList(life, send);
  const properties = new Properties(send);
  const path = new Path(send);
  const verdict = h("p", { class: "verdict" });
  const note = h("p", { class: "remark", hidden: true });
  const store = h("div", { class: "store" });
  const effects = h("div", { class: "effects" });
  const story = h("p", { class: "story" });
  const hands = h("h4", {});
  const workers = h("div", {});
  const lanes = h("div", { class: "lanes-box" });
  scheduler.fallback = transport.back;
  root.tabIndex = -1;
  root.append(top.element, verdict, transport.element, note,
    h("div", { class: "sides" }, h("div", { class: "tables" }, scheduler.element, path.element),
      h("div", { class: "tables" },
        h("section", { "aria-label": "the store" }, h("h4", {}, "The store"), store),
        h("section", { "aria-label": "the effects" }, h("h4", {}, "Effects: what the world has seen"), effects),
        h("section", { "aria-label": "the workers" }, hands, workers))),
    h("div", { class: "sides lower" },
      h("section", { "aria-label": "the lanes" }, lanes, story, h("p", { class: "hint" }, LANES)),
      h("div", { class: "tables" }, bars.element, properties.element)),
    charts.element);
  life.parts(["about"], (about) => { top.paint(about); charts.about(about); hands.textContent = `The ${about.hands}s`; lanes.style.minHeight = ""; lanes.dataset.height = 0; });
  life.parts(["rows", "budgets"], (rows, budgets) => scheduler.paint(rows, budgets));
  life.parts(["place", "rows"], (place, rows) => transport.paint(place, rows));
  life.parts(["note"], (text) => { note.textContent = text || ""; note.hidden = !text; });
  life.parts(["store"], (found) => store.replaceChildren(...storeList(found)));
  life.parts(["effects"], (found) => effects.replaceChildren(...effectList(found)));
  life.parts(["workers"], (found) => workers.replaceChildren(workerTable(found)));
  life.parts(["lanes"], (svg) => paintLanes(lanes, svg, send, model.get("place")));
  life.parts(["chart"], (data) => charts.picture(data));
  life.parts(["charts", "chart"], (found) => charts.paint(found));
  life.parts(["search"], (state) => bars.search(state));
  life.parts(["bars"], (found) => bars.paint(found));
  life.parts(["properties"], (found) => properties.paint(found || []));
  life.parts(["verdict", "bars"], (found) => { verdict.replaceChildren(...verdictLine(found)); story.textContent = found.story; bars.here(found.bar); });
  life.parts(["path"], (found) => path.paint(found));
  listenToKeys(root, life, scheduler, send);
});

export default seated(render);
