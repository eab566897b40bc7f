/* The services that run. In manual mode the person answers for them: done, error, or time passes. */

class ServiceCards {
  constructor(life, send) {
    this.life = life;
    this.send = send;
    this.cards = new Map();
    this.list = h("div", { class: "cards" });
    this.time = h("div", { class: "time" });
    this.element = h("section", { class: "services", "aria-label": "what runs now", hidden: true }, this.list, this.time);
  }

  paint(now, answers) {
    const wanted = new Set();
    const manual = now.status === "manual";
    for (const each of now.running) {
      const name = `${now.flight}/${each.id}/${manual}`;
      wanted.add(name);
      if (!this.cards.has(name)) {
        const card = this.card(each, manual, answers);
        this.cards.set(name, card);
        this.list.append(card.element);
      }
      Object.assign(this.cards.get(name), { each });
    }
    for (const [name, card] of this.cards) {
      if (wanted.has(name)) continue;
      card.element.remove();
      this.cards.delete(name);
    }
    this.timed = !manual || now.time !== null;
    this.clock = { at: performance.now(), rate: now.rate };
    this.controls(now, manual);
    this.element.hidden = !["running", "manual"].includes(now.status);
    this.tick();
  }

  card(each, manual, answers) {
    const clock = h("span", { class: "clock" });
    const head = h("div", { class: "card-head" },
      h("strong", {}, each.name), each.service ? " runs on " : " in ", h("code", {}, each.node), " ", clock);
    const element = h("div", { class: "card", role: "group", "aria-label": `${each.name} on ${each.node}` }, head);
    if (each.input) element.append(h("div", { class: "hint" }, "input ", h("code", {}, each.input)));
    if (manual && each.service) element.append(this.answer(each, answers.get(each.name) ?? ""));
    if (manual && !each.service) {
      const pass = button("let it pass", () => this.send("out", { id: each.id }), { class: "main", "aria-label": `the ${each.name} passes` });
      element.append(h("div", { class: "answers" }, pass));
    }
    return { element, clock, each };
  }

  answer(each, known) {
    const value = h("input", {
      class: "mono", value: known, placeholder: "value", spellcheck: false, "aria-label": `what ${each.name} returns`,
    });
    const message = h("input", { value: "", placeholder: "message", "aria-label": `what ${each.name} fails with` });
    const done = () => this.send("done", { id: each.id, value: jsonOf(value.value) });
    const failed = () => this.send("error", { id: each.id, message: message.value });
    const enter = (act) => (pressed) => { if (pressed.key === "Enter") act(); };
    value.addEventListener("keydown", enter(done));
    message.addEventListener("keydown", enter(failed));
    return h("div", { class: "answers" },
      h("span", { class: "answer" }, button("done", done, { class: "main", "aria-label": `${each.name} is done` }), value, takenWords(value)),
      h("span", { class: "answer" }, button("error", failed, { "aria-label": `${each.name} fails` }), message),
      button(`time out (${each.limit} s)`, () => this.send("out", { id: each.id }), { "aria-label": `${each.name} runs out of time` }));
  }

  controls(now, manual) {
    const kind = `${now.status}/${now.flight}`;
    if (this.kind !== kind) {
      this.kind = kind;
      const stop = button("cancel", () => this.send("stop"), { "aria-label": "cancel this event; nothing is saved" });
      this.next = button("time passes", () => this.send("wait"));
      const amount = h("input", { type: "number", min: 0, step: "any", value: 1, "aria-label": "seconds to let pass" });
      const some = button("let pass", () => this.send("wait", { seconds: Math.max(0, Number(amount.value) || 0) }));
      this.told = h("span", { class: "hint", role: "status" });
      this.time.replaceChildren(...(manual ? [this.next, h("span", { class: "answer" }, some, amount, " s"), this.told] : []), stop);
    }
    this.time.hidden = now.time === null && manual;
    if (!manual || now.time === null) return;
    const due = Math.min(...now.running.map((each) => each.limit - each.elapsed));
    const first = now.running.find((each) => each.limit - each.elapsed === due);
    this.next.textContent = first
      ? `time passes: ${seconds(due)}, then ${first.service ? `${first.name} is out of time` : `the ${first.name} is over`}`
      : "time passes";
    this.told.textContent = `simulated time: ${seconds(now.time)}`;
  }

  tick() {
    for (const { clock, each } of this.cards.values()) {
      const most = each.service ? `at most ${each.limit} s` : "";
      clock.textContent = this.timed ? `${seconds(elapsed(each, this.clock))} of ${each.limit} s` : most;
    }
    this.life.cancel(this.ticking);
    if (this.cards.size && this.clock.rate > 0) this.ticking = this.life.after(100, () => this.tick());
  }
}
