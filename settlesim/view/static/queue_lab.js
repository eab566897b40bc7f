/* Choose how events are handled; the bars and the verdict follow. */

/** A choice with its words and, if it makes no sense, the reason below it. */
class Choice {
  constructor(name, label, control, words = "") {
    this.name = name;
    this.control = control;
    this.why = h("span", { class: "problem", hidden: true, id: unique("ss-why") });
    const text = h("span", {}, label, words ? h("span", { class: "hint" }, ` ${words}`) : null);
    const box = control.type === "checkbox" || control.type === "radio";
    this.element = h("div", { class: "choice" }, h("label", {}, ...(box ? [control, text] : [text, control])), this.why);
    control.setAttribute("aria-describedby", this.why.id);
  }

  tell(problems) {
    const why = problems[this.name] || "";
    this.why.textContent = why;
    this.why.hidden = !why;
    this.control.setAttribute("aria-invalid", String(Boolean(why)));
  }
}

function number(min, max, change) {
  const made = h("input", { type: "number", min, max, step: 1 });
  const read = () => (made.value === "" ? null : Number(made.value));
  made.addEventListener("change", () => change(read()));
  return made;
}

function select(pairs, change) {
  const made = h("select", {}, ...pairs.map(([value, text]) => h("option", { value }, text)));
  made.addEventListener("change", () => change(made.value));
  return made;
}

/** Return the pairs of a select: each name, and that name with its meaning. */
function namedOptions(list) {
  return list.map((each) => [each.name, `${each.name}: ${each.words}`]);
}

function set(control, value) {
  if (control.type === "checkbox") control.checked = Boolean(value);
  else if (document.activeElement !== control || control.tagName === "SELECT") control.value = value ?? "";
}

// --- the events -----------------------------------------------------------------------------

class Events {
  constructor(send) {
    this.send = send;
    this.list = h("ol", { class: "chips" });
    this.more = h("div", { class: "row" });
    this.choice = new Choice("events", "", h("span", {}));
    this.element = h("fieldset", {}, h("legend", {}, "Events, in arrival order"), this.list, this.more, this.choice.why);
  }

  offer(options) {
    this.most = options.most;
    this.adders = options.events.map((event) => button(`+ ${event}`, () => this.add(event), { "aria-label": `add ${event}` }));
    this.more.replaceChildren(...this.adders);
  }

  add(event) {
    if (this.count < this.most) this.send("add", { event });
  }

  paint(events) {
    const held = this.list.contains(document.activeElement) ? document.activeElement.dataset : null;
    this.count = events.length;
    this.list.replaceChildren(...events.map((event, index) => this.chip(event, index)));
    for (const each of this.adders) off(each, this.count >= this.most);
    if (!held) return;
    const same = [...this.list.querySelectorAll(`[data-act="${held.act}"]`)];
    (same[Math.min(Number(held.index), same.length - 1)] || this.adders[0])?.focus();
  }

  chip(event, index) {
    const first = button("\u25c0", () => this.send("earlier", { index }), { class: "quiet", "aria-label": `${event} one place earlier` });
    const out = button("\u00d7", () => this.send("drop", { index }), { class: "quiet", "aria-label": `remove ${event}` });
    Object.assign(first.dataset, { act: "earlier", index });
    Object.assign(out.dataset, { act: "drop", index });
    off(first, index === 0);
    return h("li", { class: "chip", style: `--tint: var(--ss-series-${index % 6 + 1})` }, first, h("span", { class: "chip-name" }, `${index + 1} ${event}`), out);
  }
}

function off(made, on) {
  made.setAttribute("aria-disabled", String(Boolean(on)));
}

// --- everything that is chosen --------------------------------------------------------------

class Controls {
  constructor(send) {
    this.send = send;
    this.events = new Events(send);
    this.element = h("div", { class: "controls" });
    this.all = h("p", { class: "problem", hidden: true, role: "status" });
  }

  offer(options) {
    const choose = (name) => (value) => this.send("choose", { name, value });
    const starts = [["", "new instance"], ...options.starts.map((name) => [name, name])];
    this.events.offer(options);
    this.plain = [
      new Choice("workers", "workers", number(1, 9, choose("workers"))),
      new Choice("keys", "instances", number(1, 4, choose("keys")), "each gets all the events"),
      new Choice("start", "start", select(starts, (value) => choose("start")(value || null))),
      new Choice("max_receives", "receives until dead letter", number(1, 9, choose("max_receives")), "empty: never"),
      new Choice("while_running", "an event that arrives while one is handled", select(namedOptions(options.policies), choose("while_running"))),
      new Choice("batch", "batch", number(1, 9, choose("batch")), "messages of one instance that are received together"),
      new Choice("batch_failures", "a failure in a batch", select(namedOptions(options.batch_failures), choose("batch_failures"))),
      new Choice("criterion", "right endings", select(options.criteria.map((each) => [each.name, each.words]), choose("criterion"))),
    ];
    const together = unique("ss-queue");
    this.queues = options.disciplines.map((each) => {
      const radio = h("input", { type: "radio", name: together, value: each.name });
      radio.addEventListener("change", () => choose("queue")(each.name));
      return new Choice(`queue-${each.name}`, h("code", {}, each.name), radio, each.words);
    });
    this.protections = options.protections.map((each) => {
      const box = h("input", { type: "checkbox" });
      box.addEventListener("change", () => this.send("protect", { name: each.name, on: box.checked }));
      return new Choice(each.name, h("code", {}, each.name), box, each.words);
    });
    this.faults = options.faults.map((each) =>
      new Choice(each.name, each.name.replace("_", " "), number(0, 9, (value) => this.send("fault", { name: each.name, value: value ?? 0 })), each.words));
    this.choices = [this.events.choice, ...this.plain, ...this.queues, ...this.protections, ...this.faults];
    const group = (title, list) => h("fieldset", {}, h("legend", {}, title), ...list.map((each) => each.element));
    this.element.replaceChildren(
      this.events.element, group("Queue discipline", this.queues), group("Faults, at most", this.faults),
      group("Protections of the handler", this.protections), group("Everything else", this.plain), this.all);
  }

  paint(choices) {
    this.events.paint(choices.events);
    for (const each of this.plain) set(each.control, choices[each.name]);
    for (const each of this.queues) each.control.checked = each.control.value === choices.queue;
    for (const each of this.protections) set(each.control, choices.protections.includes(each.name));
    for (const each of this.faults) set(each.control, choices.faults[each.name]);
  }

  tell(problems) {
    for (const each of this.choices) each.tell(problems);
    this.all.textContent = problems.all || "";
    this.all.hidden = !problems.all;
  }
}

// --- everything together --------------------------------------------------------------------

function paintSchedule(place, shortest) {
  place.replaceChildren();
  if (!shortest) return;
  place.append(h("h4", {}, "The shortest schedule: ", h("code", {}, shortest.path)), h("div", { class: "lanes-box" }, drawing(shortest.svg)));
}

const render = panel("queue-lab", "queue lab", (model, root, life, send) => {
  const controls = new Controls(send);
  const bars = new Bars(life, send);
  const properties = new Properties(send);
  const title = h("strong", { class: "title" });
  const code = h("code", { class: "code" });
  const none = h("p", { class: "nothing", hidden: true }, "These choices contradict each other, so there is nothing to show. The reason is beside each of them.");
  const way = h("section", { class: "way", "aria-label": "the shortest schedule" });
  root.append(h("div", { class: "head" }, title), controls.element, none, bars.element, properties.element, way,
    h("section", { class: "source", "aria-label": "the same as code" }, h("h4", {}, "The same as code"), code));
  life.parts(["options"], (options) => { title.textContent = `Queue lab: ${options.chart}`; controls.offer(options); });
  life.parts(["choices"], (choices) => controls.paint(choices));
  life.parts(["problems"], (problems) => {
    const senseless = Object.keys(problems).length > 0;
    controls.tell(problems);
    none.hidden = !senseless;
    bars.element.hidden = senseless;
    code.parentElement.hidden = senseless;
  });
  life.parts(["search"], (state) => bars.search(state));
  life.parts(["bars"], (found) => bars.paint(found));
  life.parts(["properties"], (found) => properties.paint(found || []));
  life.parts(["way"], (found) => paintSchedule(way, found));
  life.parts(["code"], (text) => { code.textContent = text || ""; });
});

export default seated(render);
