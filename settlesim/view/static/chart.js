/* A chart that lights up: one picture, of which only classes change. */

const STEP_MILLISECONDS = 320;
const LEAST_SCALE = 0.9; // below it the smallest text, of 10 px, has less than 9

class LiveChart {
  /** `data` is the picture part; `fire(event, id)` is called when an arrow is clicked. */
  constructor(life, data, fire) {
    this.life = life;
    this.data = data;
    this.shown = { flight: null, steps: 0 };
    this.queue = [];
    this.marked = [];
    this.enabled = new Map();
    this.tags = new Map();
    this.nodes = new Map(data.nodes); // names of users are never keys of an object
    this.element = h("div", { class: "chart-box" });
    if (!data.svg) {
      this.element.append(h("p", { class: "why" }, data.why));
      return;
    }
    this.svg = picture(data.svg);
    this.byId = new Map();
    for (const each of this.svg.querySelectorAll("[id]")) {
      this.byId.set(each.id, each);
      each.dataset.id = each.id;
      each.removeAttribute("id"); // the same chart may be on the page twice
    }
    this.element.append(this.svg);
    for (const id of Object.keys(data.edges)) this.makeEdge(id, fire);
    this.size();
  }

  makeEdge(id, fire) {
    const { event, source, dest } = this.data.edges[id];
    const edge = this.byId.get(id);
    if (!edge) return;
    const line = edge.querySelector("path");
    if (line && !edge.classList.contains("internal")) {
      edge.append(s("path", { class: "hit", d: line.getAttribute("d") }));
    }
    edge.setAttribute("role", "button");
    edge.setAttribute("aria-label", `send ${event}: ${source} to ${dest ?? "itself"}`);
    const act = (happened) => {
      if (!this.enabled.has(id)) return;
      happened.preventDefault();
      fire(event, id);
    };
    for (const each of [edge, this.byId.get(`${id}_label`)]) if (each) each.addEventListener("click", act);
    edge.addEventListener("keydown", (pressed) => {
      if (pressed.key === "Enter" || pressed.key === " ") act(pressed);
    });
  }

  /** A chart that would be too small to read is shown in its own size, to be scrolled. */
  size() {
    const width = Number(this.svg.getAttribute("width"));
    this.wide = width > 700 || Number(this.svg.getAttribute("height")) > 620;
    this.life.sights(this.element, () => { // out of sight a browser may not measure text
      if (!this.kind) this.zoom(this.element.clientWidth / width < LEAST_SCALE ? "full" : "fit");
      this.fitTags();
    });
  }

  zoom(kind) {
    this.kind = kind;
    this.element.classList.toggle("full", kind === "full");
    if (this.zoomed) this.zoomed(kind);
    if (kind === "full") this.reveal();
  }

  /** Scroll to what is active. */
  reveal() {
    const name = this.active && this.active[this.active.length - 1];
    const box = name && this.data.boxes[this.nodes.get(name)];
    if (!box || this.kind !== "full") return;
    this.element.scrollTo({
      left: box[0] + box[2] / 2 - this.element.clientWidth / 2,
      top: box[1] + box[3] / 2 - this.element.clientHeight / 2,
      behavior: isCalm() ? "auto" : "smooth",
    });
  }

  /** Show `now`: new steps of an event are played one after another, the rest is shown at once. */
  paint(now) {
    if (!this.svg) return;
    this.hurry();
    const name = `${now.key}/${now.flight}`;
    const again = this.shown.flight === name;
    const first = this.shown.flight === null || now.status === "past" || (!again && this.past);
    const from = first ? now.steps.length : again ? this.shown.steps : 0;
    this.past = now.status === "past";
    this.shown = { flight: name, steps: now.steps.length };
    if (!again && !first) this.mark([], []);
    const fresh = now.steps.slice(from);
    const end = () => this.rest(now, fresh.length > 0 && now.status === "rest");
    this.play(now.steps, from, end);
  }

  play(steps, from, end) {
    const many = steps.length - from;
    const gap = isCalm() || many < 2 ? 0 : Math.min(STEP_MILLISECONDS, 2400 / many);
    for (let at = from; at < steps.length; at += 1) {
      const act = () => {
        this.mark(steps[at].active, steps.slice(0, at + 1).flatMap((step) => step.edges));
        this.run(steps[at].edges, Math.max(gap, 240));
      };
      const wait = (at - from) * gap;
      if (wait === 0) act();
      else this.queue.push({ act, timer: this.life.after(wait, () => { this.queue.shift(); act(); }) });
    }
    if (many * gap === 0) end();
    else this.queue.push({ act: end, timer: this.life.after(many * gap, () => { this.queue.shift(); end(); }) });
  }

  /** Finish immediately what is still to be played. */
  hurry() {
    const left = this.queue;
    this.queue = [];
    for (const { act, timer } of left) {
      this.life.cancel(timer);
      act();
    }
  }

  /** Show the active states, what may be sent, and what runs. */
  rest(now, arrived) {
    const last = now.steps[now.steps.length - 1];
    this.mark(now.active, now.steps.flatMap((step) => step.edges));
    for (const name of last && now.status !== "running" && now.status !== "manual" ? last.active : []) {
      if (!now.active.includes(name)) this.put(this.nodes.get(name), "ended"); // rejected: not saved
    }
    this.enable(now.enabled);
    this.element.classList.toggle("past", this.past);
    for (const each of this.svg.querySelectorAll(".now text")) each.textContent = this.past ? "then" : "now";
    if (arrived) {
      for (const name of now.active) this.put(`${this.nodes.get(name)}_halo`, "arrived");
    }
    this.watch(now);
    this.reveal();
  }

  put(id, word) {
    const found = this.byId.get(id);
    if (!found) return;
    found.classList.add(word);
    this.marked.push([found, word]);
  }

  mark(active, taken) {
    for (const [each, word] of this.marked) each.classList.remove(word);
    this.marked = [];
    this.active = active;
    for (const name of active) {
      this.put(this.nodes.get(name), "active");
      this.put(`${this.nodes.get(name)}_halo`, "active");
    }
    for (const id of new Set(taken)) {
      this.put(id, "taken");
      this.put(`${id}_label`, "taken");
      const edge = this.byId.get(id);
      if (edge && !edge.classList.contains("internal")) edge.parentNode.insertBefore(edge, this.firstNode());
    }
    this.svg.classList.toggle("has-path", taken.length > 0);
  }

  /** The first node. Arrows that were taken are moved to just before it, on top of all others. */
  firstNode() {
    this.nodeMark = this.nodeMark || this.svg.querySelector("g.chart > g.node");
    return this.nodeMark;
  }

  enable(events) {
    for (const id of Object.keys(this.data.edges)) {
      const edge = this.byId.get(id);
      if (!edge) continue;
      const on = events.some(([, ids]) => ids.includes(id));
      for (const each of [edge, this.byId.get(`${id}_label`)]) if (each) each.classList.toggle("enabled", on);
      edge.setAttribute("aria-disabled", String(!on));
      if (on) edge.setAttribute("tabindex", "0");
      else if (document.activeElement === edge) edge.setAttribute("tabindex", "-1"); // keeps the focus
      else edge.removeAttribute("tabindex");
    }
    this.enabled = new Map(events.flatMap(([event, ids]) => ids.map((id) => [id, event])));
  }

  /** Let a dot run along arrows, one after another. */
  run(ids, milliseconds) {
    if (isCalm()) return;
    const lines = ids.map((id) => this.byId.get(id)?.querySelector("path:not(.hit)"))
      .filter((line) => line && !line.closest(".internal"));
    if (!lines.length) return;
    const dot = s("circle", { class: "dot", r: 6 });
    this.svg.querySelector("g.chart").append(dot);
    const began = performance.now();
    const turn = milliseconds / lines.length;
    this.life.frames((now) => {
      const at = Math.max(0, Math.floor((now - began) / turn)); // the frame may have begun before `began`
      if (at >= lines.length || this.life.over) {
        dot.remove();
        return false;
      }
      const part = Math.max(0, (now - began) / turn - at);
      const point = lines[at].getPointAtLength(part * lines[at].getTotalLength());
      dot.setAttribute("cx", point.x);
      dot.setAttribute("cy", point.y);
      return true;
    });
  }

  /** Name the services that run on their nodes, and count their time. */
  watch(now) {
    for (const tag of this.tags.values()) tag.group.remove();
    this.tags.clear();
    const rows = new Map();
    for (const each of now.running) {
      const box = this.data.boxes[this.nodes.get(each.node)];
      if (!box) continue;
      const row = rows.get(each.node) ?? 0;
      rows.set(each.node, row + 1);
      const covers = box[3] > 44; // the tag covers the line in a tall node that names the service
      const y = box[1] + box[3] + (covers ? -23 : 8) + row * 22;
      const group = s("g", { class: "tag", transform: `translate(${box[0] + box[2] / 2} ${y})` });
      const text = s("text", { y: 14, "text-anchor": "middle" });
      const back = s("rect", { rx: 9, height: 20 });
      group.append(back, text);
      this.svg.append(group);
      this.tags.set(each.id, { group, text, back, each });
    }
    this.clock = { at: performance.now(), rate: now.rate };
    this.tick();
  }

  tick() {
    for (const { text, each } of this.tags.values()) {
      text.textContent = `${each.name} ${this.time(each)}`;
    }
    this.fitTags();
    this.life.cancel(this.ticking);
    if (this.tags.size && this.clock.rate > 0) this.ticking = this.life.after(100, () => this.tick());
  }

  /** Make the tags as wide as their text. */
  fitTags() {
    for (const { text, back } of this.tags.values()) {
      const width = text.getComputedTextLength() + 18;
      back.setAttribute("width", width);
      back.setAttribute("x", -width / 2);
    }
  }

  time(each) {
    return seconds(elapsed(each, this.clock));
  }
}

/** How long something has run, on the clock of the run. */
function elapsed(each, clock) {
  return Math.min(each.limit, each.elapsed + (performance.now() - clock.at) / 1000 * clock.rate);
}

function seconds(value) {
  return `${value.toFixed(value < 100 ? 1 : 0)} s`;
}
