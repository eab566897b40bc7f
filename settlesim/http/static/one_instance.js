/* One instance of the live page: its chart, its events, its context, and what happened. */

const KEPT_EVENTS = 50;
const READABLE = 0.75; // at this scale the smallest text of a chart has nine pixels
const WAIT_SECONDS = 20;

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
    const zoom = this.zoom = button("actual size", () => this.chart.zoom(this.chart.kind === "full" ? "fit" : "full"), { class: "quiet" });
    this.chart.zoomed = (kind) => { zoom.textContent = kind === "full" ? "fit" : "actual size"; };
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

  /** Show a chart that is much wider than the page in its own size, with a scroll bar. */
  fit() {
    const part = this.chart.element.clientWidth / Number(this.chart.svg?.getAttribute("width"));
    this.zoom.hidden = !(part < 1);
    if (part < READABLE) this.chart.zoom("full");
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
    if (number <= this.latest) return; // part of the state that came first
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
    const words = machine?.final && !this.sending ? `${where}; it has finished` : where;
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

  /** Send an event; repeat it with the same id while the server cannot be reached. */
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
        this.again = true; // the id makes a duplicate harmless
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
