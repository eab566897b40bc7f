/* One instance of a chart, live. */

function buildChartPanel(model, root, life, send) {
  const said = (what) => model.get(what);
  const data = new Map(); // JSON text by event
  const fire = (event) => send("send", { event, data: data.get(event) ?? "", forced: forced.checked });

  // --- the bar ---------------------------------------------------------------------------

  const title = h("strong", { class: "title" });
  const instance = h("select", { "aria-label": "instance", onchange: () => send("instance", { key: instance.value }) });
  const who = h("select", { onchange: () => send("manual", { manual: who.value === "me" }) },
    h("option", { value: "run" }, "run by themselves"), h("option", { value: "me" }, "wait for me"));
  const services = h("span", {});
  const speed = h("select", { onchange: () => send("speed", { speed: Number(speed.value) || speed.value }) });
  const zoom = button("actual size", () => chart.zoom(chart.kind === "full" ? "fit" : "full"), { class: "quiet" });
  const speedLabel = h("label", {}, "speed ", speed);
  const bar = h("div", { class: "bar" }, title, h("label", {}, "instance ", instance),
    h("label", {}, services, who), speedLabel, zoom);
  const unbound = h("p", { class: "hint" });

  // --- the state -------------------------------------------------------------------------

  const status = h("div", { class: "status" });

  // --- events ----------------------------------------------------------------------------

  const forced = h("input", { type: "checkbox", onchange: () => enable() });
  const buttons = h("div", { class: "events", role: "toolbar", "aria-label": "events" });
  const form = h("div", {});
  const known = new Map();

  const openForm = (event) => {
    const close = () => { form.replaceChildren(); form.dataset.event = ""; known.get(event)?.data.focus(); };
    if (form.dataset.event === event) { close(); return; }
    form.dataset.event = event;
    form.replaceChildren(dataForm(event, data.get(event) ?? "", (text) => { data.set(event, text); mark(event); }, close));
    form.querySelector("input, textarea")?.focus();
  };
  const mark = (event) => {
    const text = data.get(event) ?? "";
    const has = text.trim() !== "";
    const each = known.get(event);
    each.data.classList.toggle("has-data", has);
    each.data.textContent = has ? short(text.trim(), 24) : "data";
    each.data.title = has ? `${event} brings ${short(text, 300)}` : `${event} brings no data`;
  };
  const makeEvents = (events) => {
    if ([...known.keys()].join("\n") === events.join("\n")) return;
    known.clear();
    buttons.replaceChildren(...events.map((event) => {
      const act = button(event, () => { if (act.getAttribute("aria-disabled") !== "true") fire(event); }, { class: "event" });
      const open = button("data", () => openForm(event), { class: "open-data", "aria-label": `data of ${event}` });
      known.set(event, { act, data: open });
      return h("span", { class: "event-pair" }, act, open);
    }));
  };
  const enable = () => {
    const now = said("now");
    for (const [event, { act }] of known) {
      const takes = now.enabled.some(([each]) => each === event);
      const may = takes || (forced.checked && now.status === "rest");
      act.setAttribute("aria-disabled", String(!may));
      act.classList.toggle("main", takes);
      act.classList.toggle("forced", may && !takes);
      act.title = takes ? `send ${event}` : may ? `send ${event} although it is not accepted here; it will be ignored` : `${event} is not accepted here`;
    }
  };

  // --- lists -----------------------------------------------------------------------------

  const context = h("table", { class: "context" });
  const settlements = h("ol", { class: "settlements" });
  const record = h("pre", { class: "record", tabIndex: 0, "aria-label": "the record in the store" });
  const recordWhere = h("p", { class: "hint" });
  const items = new Map();
  const errors = h("div", {});
  const cards = new ServiceCards(life, send);

  const picturePart = said("picture");
  const chart = new LiveChart(life, picturePart, fire);
  chart.zoomed = (kind) => { zoom.textContent = kind === "full" ? "fit" : "actual size"; };
  title.textContent = picturePart.name;
  zoom.hidden = !chart.wide;

  root.append(bar, unbound, status, chart.element,
    h("div", { class: "send" }, buttons, h("label", { class: "forced-label" }, forced, " also send events that are not accepted")),
    form, cards.element, errors,
    h("div", { class: "columns" },
      h("section", { class: "column" }, h("h4", {}, "Context"), context),
      h("section", { class: "column" }, h("h4", {}, "What happened"), settlements),
      h("section", { class: "column" }, h("details", { open: true }, h("summary", {}, h("strong", {}, "Record in the store")), recordWhere, record))));

  // --- updates ---------------------------------------------------------------------------

  life.parts(["options"], (options) => {
    fill(instance, options.keys, options.key);
    fill(speed, options.speeds.map(String), String(options.speed), (each) => each === "at once" ? each : `${each}\u00d7`);
    speedLabel.hidden = !options.speeds.length || options.manual;
    who.value = options.manual ? "me" : "run";
    who.disabled = options.unbound.length > 0;
    unbound.textContent = options.unbound.length ? `Not bound, so you are the service: ${options.unbound.join(", ")}` : "";
    unbound.hidden = !options.unbound.length;
    makeEvents(options.events);
    for (const [event, text] of options.data) {
      if (!data.has(event)) data.set(event, text);
    }
    options.events.forEach(mark);
  });
  life.parts(["now"], (now) => {
    chart.paint(now);
    enable();
    cards.paint(now, new Map(said("options").answers));
    showStatus(status, now, send);
  });
  life.parts(["now", "options"], (now, options) => { // another panel may have sent the event
    const later = now.status === (options.manual ? "running" : "manual");
    services.textContent = later ? "services, from the next event on " : "services ";
  });
  life.parts(["context"], (rows) => showContext(context, rows));
  life.parts(["entries"], (entries) => showEntries(settlements, items, entries, send));
  life.parts(["entries", "now"], (entries, now) => markEntry(items, now.entry));
  life.parts(["record"], (what) => {
    record.textContent = what.text;
    record.hidden = !what.saved;
    recordWhere.textContent = what.saved ? `in ${what.where}` : "Not saved yet: a new instance is in the store after its first settlement.";
  });
  if (said("now").status === "running") send("hello"); // the page was loaded again meanwhile
  return errors;
}

function short(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}\u2026` : text;
}

/** Put options into a select without losing what is open. */
function fill(select, values, chosen, words = (each) => each) {
  if ([...select.options].map((each) => each.value).join("\n") !== values.join("\n")) {
    select.replaceChildren(...values.map((value) => h("option", { value }, words(value))));
  }
  select.value = chosen;
}

function showStatus(place, now, send) {
  const parts = [h("span", { class: `pill ${now.outcome || now.status}` }, pillText(now)), h("span", { class: "headline" }, now.headline)];
  if (now.status === "past") {
    parts.push(button("back to now", () => send("look"), { class: "main" }));
  }
  if (now.status === "rest" && !now.saved) {
    parts.push(button("start", () => send("start"), { class: "quiet", title: "start the instance without an event" }));
  }
  if (now.status === "rest" && now.saved) {
    const over = !now.enabled.length; // nothing else is left to press
    parts.push(button("new instance", () => send("new"), { class: over ? "main" : "quiet" }));
  }
  if (now.status === "past" || (now.status === "rest" && now.saved)) {
    parts.push(button("fork from here", () => send("fork"), {
      class: "quiet", "aria-label": "start a new instance from here",
    }));
  }
  const focused = place.contains(document.activeElement);
  place.replaceChildren(...parts);
  if (focused) place.querySelector("button")?.focus();
}

function pillText(now) {
  if (now.status === "past") return "earlier";
  if (now.status === "manual") return "you are the service";
  if (now.status === "running") return "running";
  return ["resolved", "rejected", "done", "ignored", "failed"].includes(now.outcome) ? now.outcome
    : now.saved ? "settled" : "new, not saved yet";
}

function showEntries(list, items, entries, send) {
  const wanted = new Set(entries.map((each) => each.number));
  for (const [number, item] of items) {
    if (wanted.has(number) && item.text === JSON.stringify(entries.find((each) => each.number === number))) continue;
    item.element.remove();
    items.delete(number);
  }
  for (const each of entries) {
    if (items.has(each.number)) continue;
    const look = button("", () => send("look", { number: each.number }), { class: `entry ${each.kind}` });
    look.append(h("span", { class: "sign", "aria-hidden": "true" }, each.sign), " ",
      h("strong", {}, each.event ? `${each.event} ${each.outcome}` : each.text));
    if (each.data) look.append(h("code", { class: "with" }, each.data));
    look.append(h("div", { class: "hint" }, each.event ? each.text : `in ${each.where}`));
    const element = h("li", { value: each.number }, look);
    list.prepend(element);
    items.set(each.number, { element, look, text: JSON.stringify(each) });
  }
}

function markEntry(items, shown) {
  for (const [number, { look }] of items) {
    if (number === shown) look.setAttribute("aria-current", "true");
    else look.removeAttribute("aria-current");
  }
}

export default seated(panel("chart-panel", "chart panel", buildChartPanel));
