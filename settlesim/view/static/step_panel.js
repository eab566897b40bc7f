/* One event, microstep by microstep. */

function buildStepPanel(model, root, life, send) {
  const go = (to) => send("go", { to });
  const at = () => model.get("at");
  const last = () => model.get("frames").length - 1;

  const title = h("strong", { class: "title" }, model.get("picture").name);
  const first = button("first", () => go(0));
  const back = button("back", () => go(at() - 1));
  const forward = button("forward", () => go(at() + 1), { class: "main" });
  const end = button("last", () => go(last()));
  const slider = h("input", { type: "range", min: 0, step: 1, "aria-label": "step", oninput: () => go(Number(slider.value)) });
  const where = h("span", { class: "hint" });
  const bar = h("div", { class: "bar" }, title, h("div", { class: "steps", role: "toolbar", "aria-label": "steps" }, first, back, forward, end), slider, where);

  const headline = h("div", { class: "status" });
  const chart = new LiveChart(life, model.get("picture"), () => {});
  const list = h("ol", { class: "settlements frames", start: 0 });
  const detail = h("div", { class: "detail" });
  const context = h("table", { class: "context" });
  const cards = new ServiceCards(life, send);
  const errors = h("div", {});
  root.append(bar, headline, chart.element, cards.element, errors, h("div", { class: "columns" },
    h("section", { class: "column" }, h("h4", {}, "Steps"), list),
    h("section", { class: "column wide" }, h("h4", {}, "Guards that were asked, functions that ran"), detail),
    h("section", { class: "column" }, h("h4", {}, "Context"), context)));

  root.addEventListener("keydown", (pressed) => {
    if (["INPUT", "TEXTAREA", "SELECT"].includes(pressed.target.tagName)) return;
    const to = { ArrowRight: at() + 1, ArrowLeft: at() - 1, Home: 0, End: last() }[pressed.key];
    if (to === undefined) return;
    pressed.preventDefault();
    go(to);
  });

  let looks = [];
  let before = null;
  life.parts(["frames"], (frames) => {
    slider.max = frames.length - 1;
    looks = frames.map((frame, number) => button("", () => go(number), { class: `entry ${frame.kind}` }));
    list.replaceChildren(...looks.map((look, number) => {
      look.append(h("strong", {}, frames[number].title), h("div", { class: "hint" }, `in ${frames[number].where}`));
      return h("li", {}, look);
    }));
  });
  life.parts(["now"], (now) => cards.paint(now, new Map(model.get("answers"))));
  life.parts(["at", "frames"], (number, frames) => {
    if (number === null || !frames[number]) return;
    const frame = frames[number];
    slider.value = number;
    where.textContent = `${number} of ${frames.length - 1}`;
    looks.forEach((look, each) => {
      if (each === number) look.setAttribute("aria-current", "step");
      else look.removeAttribute("aria-current");
    });
    const list_ = looks[number].closest("ol"); // only the list scrolls, never the page
    list_.scrollTop = looks[number].offsetTop - list_.offsetTop - 60;
    for (const [each, off] of [[first, number === 0], [back, number === 0], [forward, number === frames.length - 1], [end, number === frames.length - 1]]) {
      each.setAttribute("aria-disabled", String(off));
    }
    headline.replaceChildren(h("span", { class: `pill ${frame.kind}` }, frame.title), h("span", { class: "headline" }, frame.note || `then in ${frame.where}`));
    showFrame(chart, frame, before !== null && number === before + 1);
    showDetail(detail, frame);
    showContext(context, frame.context);
    before = number;
  });
  return errors;
}

function showFrame(chart, frame, forward) {
  if (!chart.svg) return;
  chart.mark(frame.active, frame.edges);
  for (const each of frame.candidates) {
    if (each.verdict !== "fires") {
      chart.put(each.edge, "considered");
      chart.put(`${each.edge}_label`, "considered");
    }
  }
  chart.svg.classList.toggle("has-path", frame.candidates.length > 0);
  if (forward) chart.run(frame.edges, 280);
  chart.reveal();
}

function showDetail(place, frame) {
  const parts = [];
  if (frame.data !== null) parts.push(h("p", {}, "event data ", h("code", {}, frame.data)));
  if (frame.candidates.length) {
    parts.push(h("table", { class: "context" }, ...frame.candidates.map((each) => h("tr", { class: each.verdict === "fires" ? "changed" : "same" },
      h("td", {}, each.text, ...each.guards.map((guard) => h("div", { class: "guard" },
        guard.wanted ? "" : "not ", h("code", {}, guard.name), " is ", h("strong", {}, guard.answer)))),
      h("td", { class: "mark" }, each.verdict)))));
  }
  for (const each of frame.ran) {
    parts.push(h("p", {}, "ran ", h("code", {}, each.name), each.place ? ` (${each.place})` : "", ": ", h("code", {}, each.result)));
  }
  for (const each of frame.starts) parts.push(h("p", {}, "starts the service ", h("code", {}, each)));
  if (!parts.length) parts.push(h("p", { class: "hint" }, frame.note || "nothing"));
  place.replaceChildren(...parts);
}

export default seated(panel("step-panel", "steps of an event", buildStepPanel));
