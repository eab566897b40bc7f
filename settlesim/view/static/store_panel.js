/* A store while others work on it: instances, queues, and one instance as a chart. */

function buildStorePanel(model, root, life, send) {
  const body = h("tbody", {});
  const rows = new Map();
  const more = h("p", { class: "hint" });
  const queues = h("div", { class: "queues" });
  const title = h("strong", { class: "title" });
  const where = h("span", { class: "headline" });
  const place = h("div", {});
  const context = h("table", { class: "context" });
  const happened = h("ol", { class: "settlements" });
  const errors = h("div", {});
  let chart = null;

  root.append(queues, errors, h("div", { class: "store-columns" },
    h("section", { class: "column" }, h("h4", {}, "Instances"), h("div", { class: "table-box" },
      h("table", { class: "instances" }, h("thead", {}, h("tr", {}, ["instance", "chart", "state", "revision"]
        .map((name) => h("th", { scope: "col" }, name)))), body)), more),
    h("section", { class: "column" }, h("div", { class: "status" }, title, where), place,
      h("div", { class: "columns" },
        h("section", { class: "column" }, h("h4", {}, "Context"), context),
        h("section", { class: "column" }, h("h4", {}, "What happened"), happened)))));

  const makeRow = (key) => {
    const cells = [h("td", {}), h("td", {}), h("td", { class: "number" })];
    const open = button(key, () => send("choose", { key }), { class: "quiet" });
    return { open, cells, element: h("tr", {}, h("th", { scope: "row" }, open), cells) };
  };
  life.parts(["instances", "chosen"], (listed, chosen) => {
    const wanted = listed.rows.map((row) => row.key);
    for (const [key, row] of rows) {
      if (wanted.includes(key)) continue;
      row.element.remove();
      rows.delete(key);
    }
    listed.rows.forEach((each, at) => {
      const row = rows.get(each.key) ?? makeRow(each.key);
      rows.set(each.key, row);
      [each.chart, each.where, String(each.revision)].forEach((text, cell) => { row.cells[cell].textContent = text; });
      row.element.classList.toggle("chosen", each.key === chosen?.key);
      row.open.setAttribute("aria-pressed", String(each.key === chosen?.key));
      if (body.children[at] !== row.element) body.insertBefore(row.element, body.children[at] ?? null);
    });
    more.textContent = listed.more ? `the first ${listed.rows.length} of them` : listed.rows.length ? "" : "no instance yet";
  });
  life.parts(["queues"], (found) => {
    queues.replaceChildren(...(found.length ? found.map((queue) => showQueue(queue, send)) : [h("p", { class: "hint" }, "No message waits in a queue.")]));
  });
  life.parts(["picture"], (picturePart) => {
    chart = picturePart.svg ? new LiveChart(life, picturePart, () => {}) : null;
    place.replaceChildren(chart ? chart.element : h("p", { class: "hint" }, picturePart.why));
  });
  life.parts(["chosen", "picture"], (chosen) => {
    title.textContent = chosen ? chosen.key : "";
    where.textContent = chosen ? `in ${chosen.where}, revision ${chosen.revision}` : "";
    if (chart && chosen) chart.paint({ ...chosen, status: "rest", enabled: [], running: [], rate: 0 });
    showContext(context, chosen ? chosen.context : []);
    happened.replaceChildren(...(chosen ? chosen.happened : []).map((each) => h("li", {},
      h("strong", {}, `${each.event} ${each.outcome}`), h("div", { class: "hint" }, `${each.where || "as it was"}, revision ${each.revision}`))));
  });
  return errors;
}

/** Return what one queue holds. */
function showQueue(queue, send) {
  const counts = [["waiting", "waiting", ""], ["in flight", "in_flight", ""], ["timer", "timers", "s"], ["dead letter", "dead_letters", "s"]];
  const words = counts.map(([name, part, more]) => `${queue[part]} ${name}${queue[part] === 1 ? "" : more}`).join(", ");
  const letters = queue.letters.map((letter) => h("li", {}, `${letter.key}: `, h("code", {}, letter.body), " ",
    h("span", { class: "problem" }, letter.error), " ",
    button("redrive", () => send("retry", { queue: queue.name, letter: letter.id }), { "aria-label": `redrive ${letter.body} of ${letter.key}` })));
  const parked = queue.parked.map((each) => h("li", {}, `${each.group_id} is parked, ${each.waiting} waiting `,
    button("resume", () => send("resume", { queue: queue.name, key: each.group_id }), { "aria-label": `resume ${each.group_id}` })));
  return h("section", {}, h("strong", {}, queue.name), ` ${words}`, letters.length || parked.length ? h("ul", {}, letters, parked) : null);
}

export default seated(panel("store-panel", "store panel", buildStorePanel));
