/* The live page of `settlesim serve`: instances as a table, one of them as a chart. */

const LISTED = 100;
const KEPT_EVENTS = 50;
const AGAIN_MILLISECONDS = 1500;
const LOOK_MILLISECONDS = 4000;
const WAIT_SECONDS = 20;
const HIGHLIGHT_MILLISECONDS = 2500;

const place = (...parts) => parts.map(encodeURIComponent).join("/");
const sleep = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

/** Return an id for an event that no other one has. */
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");
}

/** Ask the server; a problem document is thrown as an error with its words. */
async function ask(url, options = {}) {
  const answer = await fetch(url, { cache: "no-store", ...options });
  const body = await answer.json();
  if (answer.ok) return body;
  throw Object.assign(new Error(body.detail ?? answer.statusText), { title: body.title, status: answer.status });
}

const post = (url, body, headers = {}) => ask(url, {
  method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: body === undefined ? undefined : JSON.stringify(body),
});

/** Follow a stream of events for as long as nobody stops it, also across restarts of the server. */
function follow(url, handlers, connected) {
  let source = null;
  let timer = 0;
  const open = () => {
    source = new EventSource(url);
    source.onopen = () => connected(true);
    source.onerror = () => {
      connected(false);
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      clearTimeout(timer);
      timer = setTimeout(open, AGAIN_MILLISECONDS);
    };
    for (const [kind, act] of Object.entries(handlers)) {
      source.addEventListener(kind, (event) => act(JSON.parse(event.data), Number(event.lastEventId)));
    }
  };
  open();
  return () => { clearTimeout(timer); source.close(); };
}

const valueText = (value) => (typeof value === "string" ? value
  : Object.entries(value).map(([name, inside]) => (typeof inside === "object" && !Object.keys(inside).length ? name : `${name}.${valueText(inside)}`)).join(" + "));

const timeText = (seconds) => new Date(seconds * 1000).toLocaleTimeString();

class LivePage {
  constructor(root, about) {
    this.about = about;
    this.life = new Life(null);
    this.parents = new Map(about.parents);
    this.rows = new Map();
    this.root = root;
    this.said = h("div", { class: "said", "aria-live": "polite", role: "status" });
    this.pill = h("span", { class: "pill" });
    this.counts = h("span", { class: "hint" });
    this.attention = h("section", { class: "attention", "aria-label": "what needs a look", hidden: true });
    this.makeList();
    this.side = h("section", { class: "instance", "aria-label": "one instance" });
    root.append(
      h("header", { class: "bar" }, h("h1", { class: "title" }, about.name), h("span", { class: "hint" }, `version ${about.version}, engine ${about.engine}`), this.pill, this.counts),
      this.attention,
      h("main", { class: "two" }, this.list, this.side),
      this.said,
    );
    this.connected(false);
    window.addEventListener("hashchange", () => this.choose());
    this.start();
  }

  start() {
    this.reload();
    if (this.about.follows_all) {
      follow("settlements", { settled: (past) => this.changed(past) }, (up) => {
        if (up && this.down) this.reload(); // what happened meanwhile
        this.connected(up);
      });
    } else {
      const look = async () => { await this.reload(); setTimeout(look, LOOK_MILLISECONDS); };
      setTimeout(look, LOOK_MILLISECONDS);
    }
    const watch = async () => { await this.look(); setTimeout(watch, LOOK_MILLISECONDS); };
    watch();
    this.choose();
  }

  connected(up) {
    this.down = !up;
    this.pill.className = `pill ${up ? "resolved" : "manual"}`;
    this.pill.textContent = up ? "live" : "connecting\u2026";
  }

  // --- the list ----------------------------------------------------------------------------

  makeList() {
    this.body = h("tbody", {});
    this.empty = h("p", { class: "hint" });
    this.more = button("more", () => this.load(), { hidden: true });
    this.states = h("select", { "aria-label": "state", onchange: () => this.reload() },
      h("option", { value: "" }, "in any state"), this.about.parents.map(([name]) => h("option", { value: name }, `in ${name}`)));
    const key = h("input", { placeholder: "key, such as order-1", "aria-label": "key of an instance", maxLength: 1000, spellcheck: false, autocomplete: "off" });
    const open = h("form", { class: "open", onsubmit: (event) => {
      event.preventDefault();
      if (key.value) location.hash = `#/${encodeURIComponent(key.value)}`;
      key.value = "";
    } }, key, h("button", { type: "submit" }, "open or create"));
    const head = h("thead", {}, h("tr", {}, ["instance", "state", "revision", "saved"].map((name) => h("th", { scope: "col" }, name))));
    this.list = h("section", { class: "list", "aria-label": "instances" },
      h("div", { class: "bar" }, h("h2", {}, "Instances"), this.states), open,
      h("div", { class: "table-box" }, h("table", { class: "instances" }, head, this.body)), this.empty, this.more);
  }

  async reload() {
    this.after = null;
    const found = await this.page();
    if (!found) return;
    this.rows.clear();
    this.body.replaceChildren();
    this.show(found);
  }

  async load() {
    const found = await this.page();
    if (found) this.show(found);
  }

  async page() {
    const query = new URLSearchParams({ limit: LISTED });
    if (this.after !== null) query.set("after", this.after);
    if (this.states.value) query.set("state", this.states.value);
    try {
      const found = await ask(`machines?${query}`);
      if (!this.about.follows_all) this.connected(true);
      return found;
    } catch {
      this.connected(false);
      return null;
    }
  }

  show(found) {
    this.after = found.next;
    this.more.hidden = found.next === null;
    for (const machine of found.machines) this.row(machine);
    this.empty.textContent = this.rows.size ? "" : "No instance yet. Open one by its key, and send it an event.";
    if (this.states.value && !this.rows.size) this.empty.textContent = "No instance is in this state.";
  }

  /** Show an instance in the table, in the order of keys. */
  row(machine) {
    let row = this.rows.get(machine.key);
    if (!row) {
      const link = h("a", { href: `#/${encodeURIComponent(machine.key)}` }, machine.key);
      const cells = [h("td", {}), h("td", { class: "number" }), h("td", { class: "number" })];
      row = { key: machine.key, cells, element: h("tr", {}, h("th", { scope: "row" }, link), cells) };
      const later = [...this.rows.values()].filter((each) => each.key > machine.key).sort((a, b) => (a.key < b.key ? -1 : 1))[0];
      this.body.insertBefore(row.element, later?.element ?? null);
      this.rows.set(machine.key, row);
    }
    const texts = [valueText(machine.value), machine.revision, timeText(machine.saved_at)];
    row.cells.forEach((cell, at) => { cell.textContent = texts[at]; });
    row.element.classList.toggle("chosen", machine.key === this.key);
    return row;
  }

  changed(past) {
    const beyond = this.after !== null && past.key > this.after && !this.rows.has(past.key);
    const active = past.state && this.activeIn(past.state);
    const wanted = !this.states.value || (active ?? []).includes(this.states.value);
    if (past.state && !beyond) {
      if (wanted) {
        const row = this.row({ ...past.state, key: past.key, saved_at: past.at });
        row.element.classList.add("fresh");
        setTimeout(() => row.element.classList.remove("fresh"), HIGHLIGHT_MILLISECONDS);
        this.empty.textContent = "";
      } else if (this.rows.has(past.key)) {
        this.rows.get(past.key).element.remove();
        this.rows.delete(past.key);
      }
    }
  }

  activeIn(state) {
    return [...new Set(state.configuration.flatMap((leaf) => this.parents.get(leaf) ?? [leaf]))];
  }

  // --- what waits, and what could not be settled -------------------------------------------

  async look() {
    let found;
    try {
      found = await ask("status");
    } catch {
      return;
    }
    const told = [["waiting", "waiting"], ["timers", "timers"], ["dead_letters", "dead letters"], ["parked", "parked"]]
      .filter(([name]) => found[name] !== null).map(([name, words]) => `${found[name]} ${words}`);
    this.counts.textContent = told.join(", ");
    const trouble = Boolean(found.dead_letters || found.parked || found.dead_letters === null);
    if (trouble || !this.attention.hidden) await this.showAttention();
  }

  async showAttention() {
    let letters;
    let parked;
    try {
      letters = (await ask("dead-letters?limit=20")).dead_letters;
      parked = (await ask("parked?limit=20")).parked;
    } catch {
      return;
    }
    const text = JSON.stringify([letters, parked]);
    if (text === this.attentionText) return;
    this.attentionText = text;
    this.attention.hidden = !letters.length && !parked.length;
    const link = (key) => h("a", { href: `#/${encodeURIComponent(key)}` }, key);
    this.attention.replaceChildren(h("h2", {}, "What needs a look"), h("ul", {},
      letters.map((letter) => h("li", {}, link(letter.key), ` could not settle ${letter.event ?? "a message"}: `,
        h("span", { class: "why" }, letter.errors.at(-1) ?? letter.reason), " ",
        button("retry", () => this.act(`dead-letters/${place(letter.id)}/retry`), { "aria-label": `retry ${letter.event} of ${letter.key}` }))),
      parked.map((each) => h("li", {}, link(each.key), ` is parked, ${each.waiting} waiting `,
        button("resume", () => this.act(`machines/${place(each.key)}/resume`), { "aria-label": `resume ${each.key}` })))));
  }

  async act(url) {
    try {
      await post(url);
    } catch (error) {
      this.say(error.message);
    }
    this.look();
  }

  say(text) {
    this.said.textContent = text;
  }

  // --- one instance --------------------------------------------------------------------------

  choose() {
    const hash = location.hash.match(/^#\/(.+)$/s);
    let key = null;
    try {
      key = hash ? decodeURIComponent(hash[1]) : null;
    } catch {
      key = null; // no text of ours
    }
    if (this.shown && this.key === key) return;
    this.shown?.end();
    this.key = key;
    for (const row of this.rows.values()) row.element.classList.toggle("chosen", row.key === key);
    this.root.classList.toggle("has-key", key !== null);
    this.shown = new OneInstance(this, key);
    this.side.replaceChildren(...this.shown.elements);
    this.shown.follow();
  }
}

/** The part of the page that shows one instance; without a key, the chart alone. */
class OneInstance {
  constructor(page, key) {
    this.page = page;
    this.key = key;
    this.life = new Life(null);
    this.data = new Map();
    this.known = new Map();
    this.sending = 0;
    this.flight = 0;
    this.chart = new LiveChart(this.life, page.about.picture, (event) => this.send(event));
    this.status = h("div", { class: "status" });
    this.buttons = h("div", { class: "events", role: "toolbar", "aria-label": "events" });
    this.form = h("div", {});
    this.errors = h("div", { class: "errors" });
    this.context = h("table", { class: "context" });
    this.happened = h("ol", { class: "happened" });
    const zoom = button("actual size", () => this.chart.zoom(this.chart.kind === "full" ? "fit" : "full"), { class: "quiet" });
    this.chart.zoomed = (kind) => { zoom.textContent = kind === "full" ? "fit" : "actual size"; };
    zoom.hidden = !this.chart.wide;
    if (key === null) {
      this.elements = [h("div", { class: "bar" }, h("h2", {}, "The chart"), zoom), this.chart.element,
        h("p", { class: "hint" }, "Choose an instance from the list, or open one by its key.")];
      return;
    }
    this.elements = [
      h("div", { class: "bar" }, h("h2", { class: "key" }, key), zoom), this.status, this.chart.element,
      this.buttons, this.form, this.errors,
      h("div", { class: "columns" },
        h("section", { class: "column" }, h("h3", {}, "Context"), this.context),
        h("section", { class: "column" }, h("h3", {}, "What happened"), this.happened)),
    ];
    this.paint(null, []);
  }

  follow() {
    if (this.key === null) {
      this.paintChart([], [], []);
      return;
    }
    this.stop = follow(`machines/${place(this.key)}/settlements?cursor=0`, {
      state: (found) => {
        this.latest = found.latest;
        this.paint(found.machine, []);
      },
      settled: (past, number) => this.settled(past, number),
    }, (up) => { this.lost = !up; this.tell(); });
  }

  end() {
    this.over = true;
    this.stop?.();
    this.life.end();
  }

  settled(past, number) {
    if (this.seen !== undefined && number <= this.seen) return; // sent again after a restart
    this.seen = number;
    this.note(past);
    if (number <= this.latest) return; // the state that came first has it
    const machine = past.state ? { ...past.state, accepts: past.accepts ?? {}, key: this.key } : this.machine;
    this.flight = number;
    this.paint(machine, past.steps, past);
    const where = machine ? valueText(machine.value) : "not saved";
    this.page.say(`${past.event.type} ${past.outcome}, in ${where}`);
  }

  paint(machine, steps, past = null) {
    const { about } = this.page;
    const before = this.machine?.context ?? {};
    this.machine = machine;
    this.outcome = past?.outcome ?? null;
    const state = machine ?? { configuration: about.start.configuration, accepts: about.start.accepts, context: {} };
    const events = Object.entries(state.accepts);
    this.paintChart(this.page.activeIn(state), steps, events);
    this.makeEvents(events.map(([name]) => name));
    this.showContext(machine ? state.context : null, past ? before : null);
    this.tell();
  }

  paintChart(active, steps, enabled) {
    this.chart.paint({ key: this.key, flight: this.flight, status: "rest", active, steps, enabled, running: [], rate: 0 });
  }

  // --- what is said ----------------------------------------------------------------------------

  tell() {
    if (this.key === null) return;
    const { machine } = this;
    let kind = this.outcome ?? "";
    let pill = this.outcome ?? (machine ? "at rest" : "new, not saved yet");
    if (this.sending) [kind, pill] = ["running", this.again ? "sending again\u2026" : "settling\u2026"];
    else if (this.lost) [kind, pill] = ["manual", "connecting\u2026"];
    const where = machine ? `in ${valueText(machine.value)}, revision ${machine.revision}` : `will start in ${this.page.about.start.configuration.join(" + ")}`;
    const words = machine?.final && !this.sending ? `${where}; it has come to its end` : where;
    this.status.replaceChildren(h("span", { class: `pill ${kind}` }, pill), h("span", { class: "headline" }, words));
  }

  showContext(context, before) {
    const rows = Object.entries(context ?? {}).map(([name, value]) => {
      const text = JSON.stringify(value);
      const differs = before !== null && text !== JSON.stringify(before[name]);
      return h("tr", { class: differs ? "changed" : "" }, h("th", { scope: "row" }, name),
        h("td", {}, h("code", {}, text), differs ? h("span", { class: "mark" }, " changed") : null));
    });
    this.context.replaceChildren(...(rows.length ? rows : [h("tr", {}, h("td", { class: "hint" }, context ? "empty" : "none yet"))]));
  }

  note(past) {
    const where = past.state ? valueText(past.state.value) : "as it was";
    const data = past.event.data === null ? "" : ` ${short(JSON.stringify(past.event.data), 60)}`;
    const path = past.steps.map((step) => step.active.at(-1)).join(" \u2192 ");
    const item = h("li", { class: past.outcome }, h("strong", {}, `${past.event.type} ${past.outcome}`), data ? h("code", {}, data) : null,
      h("div", { class: "hint" }, `${timeText(past.at)}, ${past.state ? path || where : where}, revision ${past.revision}`));
    this.happened.prepend(item);
    while (this.happened.children.length > KEPT_EVENTS) this.happened.lastChild.remove();
  }

  // --- events ----------------------------------------------------------------------------------

  makeEvents(names) {
    if ([...this.known.keys()].join("\n") === names.join("\n") && names.length) return;
    const focused = this.buttons.contains(document.activeElement) ? document.activeElement.textContent : null;
    this.known.clear();
    this.buttons.replaceChildren(...names.map((event) => {
      const act = button(event, () => this.send(event), { class: "event main", title: `send ${event}` });
      const open = button("data", () => this.openForm(event), { class: "open-data", "aria-label": `data of ${event}` });
      this.known.set(event, { act, open });
      this.mark(event);
      return h("span", { class: "event-pair" }, act, open);
    }));
    if (!names.length) this.buttons.append(h("span", { class: "hint" }, "It takes no event now."));
    if (focused !== null) ([...this.known.values()].find(({ act }) => act.textContent === focused) ?? [...this.known.values()][0])?.act.focus();
  }

  mark(event) {
    const text = this.data.get(event) ?? "";
    const { open } = this.known.get(event) ?? {};
    if (!open) return;
    open.textContent = text.trim() ? short(text.trim(), 24) : "data";
    open.classList.toggle("has-data", text.trim() !== "");
  }

  openForm(event) {
    const close = () => { this.form.replaceChildren(); this.form.dataset.event = ""; this.known.get(event)?.open.focus(); };
    if (this.form.dataset.event === event) { close(); return; }
    this.form.dataset.event = event;
    this.form.replaceChildren(dataForm(event, this.data.get(event) ?? "", (text) => { this.data.set(event, text); this.mark(event); }, close));
    this.form.querySelector("input, textarea")?.focus();
  }

  /** Send an event, again with the same id while the server cannot be reached. */
  async send(event) {
    const text = (this.data.get(event) ?? "").trim();
    this.errors.replaceChildren();
    let data;
    try {
      data = text ? JSON.parse(text) : undefined;
    } catch (error) {
      this.fail(`the data of ${event} is no JSON`, error.message);
      return;
    }
    this.sending += 1;
    this.tell();
    const id = newId();
    try {
      await this.until(`machines/${place(this.key)}/events?wait=${WAIT_SECONDS}`, { type: event, data }, id);
    } catch (error) {
      this.fail(error.title ?? error.name, error.message);
    }
    this.sending -= 1;
    this.again = false;
    this.tell();
    this.page.look();
  }

  async until(url, body, id) {
    while (!this.over) {
      try {
        const found = await post(url, body, { "Idempotency-Key": id });
        if (found.status === "settled") return;
      } catch (error) {
        if (error.status && error.status !== 503 && error.status !== 429) throw error;
        this.again = true; // the server is away: the id makes a repetition harmless
        this.tell();
        await sleep(AGAIN_MILLISECONDS);
      }
    }
  }

  fail(title, text) {
    this.errors.replaceChildren(h("div", { class: "error", role: "alert" }, h("div", { class: "error-head" }, h("strong", {}, title),
      button("dismiss", () => this.errors.replaceChildren(), { class: "quiet", "aria-label": "dismiss the error" })), h("p", {}, text)));
  }
}

function short(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}\u2026` : text;
}

async function begin() {
  const root = h("div", { class: "settlesim-panel live-page" });
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const look = () => root.classList.toggle("dark", dark.matches);
  dark.addEventListener("change", look);
  look();
  document.body.append(root);
  for (;;) {
    try {
      const about = await ask("page/chart.json");
      root.replaceChildren();
      return new LivePage(root, about);
    } catch (error) {
      root.replaceChildren(h("p", { role: "status" }, `The server cannot be reached (${error.message}). Trying again\u2026`));
      await sleep(AGAIN_MILLISECONDS);
    }
  }
}

begin();
