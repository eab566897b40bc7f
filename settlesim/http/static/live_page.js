/* The live page of `settlesim serve`: instances as a table, one of them as a chart. */

const LISTED = 100;
const LOOK_MILLISECONDS = 4000;
const HIGHLIGHT_MILLISECONDS = 2500;

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
        if (up && this.down) this.reload(); // for changes meanwhile
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
    const words = [["waiting", "waiting"], ["timers", "timer"], ["dead_letters", "dead letter"], ["parked", "parked"]];
    const told = words.filter(([name]) => found[name] !== null)
      .map(([name, word]) => `${found[name]} ${word}${found[name] === 1 || word === name ? "" : "s"}`);
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
      key = null; // not a valid key
    }
    if (this.shown && this.key === key) return;
    this.shown?.end();
    this.key = key;
    for (const row of this.rows.values()) row.element.classList.toggle("chosen", row.key === key);
    this.root.classList.toggle("has-key", key !== null);
    this.shown = new OneInstance(this, key);
    this.side.replaceChildren(...this.shown.elements);
    this.shown.fit();
    this.shown.follow();
  }
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
