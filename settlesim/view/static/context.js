/* The context as a table, with what has changed marked. */

function showContext(table, rows) {
  const line = (row) => h("tr", { class: row.kind },
    h("th", { scope: "row" }, row.key),
    h("td", {}, h("code", {}, row.value), row.was === null ? null : h("div", { class: "was" }, "was ", h("code", {}, row.was))),
    h("td", { class: "mark" }, row.kind === "same" ? "" : row.kind));
  table.replaceChildren(...(rows.length ? rows.map(line) : [h("tr", {}, h("td", { class: "hint" }, "empty"))]));
}
