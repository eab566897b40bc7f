/* The data of an event: a small form of names and values, or JSON text. */

/** Return a form for the data of one event; `keep(text)` is given its JSON whenever it changes. */
function dataForm(event, text, keep, close) {
  const place = h("div", { class: "data-form", role: "group", "aria-label": `data of ${event}` });
  const problem = h("span", { class: "problem", role: "status" });
  const state = { rows: rowsOf(text), text, json: text.trim() !== "" && rowsOf(text) === null };

  const said = (words) => { problem.textContent = words; };
  const keepRows = () => {
    const given = state.rows.filter(([name]) => name !== "");
    const twice = given.find(([name], at) => given.findIndex((each) => each[0] === name) !== at);
    said(twice ? `the name "${twice[0]}" is there twice` : "");
    state.text = given.length ? JSON.stringify(Object.fromEntries(given.map(([name, value]) => [name, valueOf(value)]))) : "";
    keep(state.text);
  };
  const keepText = (value) => {
    state.text = value;
    said(value.trim() === "" || parses(value) ? "" : "not valid JSON yet");
    keep(value);
  };

  const draw = () => {
    const swap = button(state.json ? "as a form" : "as JSON", () => {
      if (state.json && rowsOf(state.text) === null) return said("only an object can be edited as a form");
      state.json = !state.json;
      state.rows = rowsOf(state.text) ?? [];
      return draw();
    }, { class: "quiet" });
    const head = h("div", { class: "form-head" }, h("strong", {}, `data of ${event}`), swap, problem,
      button("close", close, { class: "quiet", "aria-label": `close the data of ${event}` }));
    place.replaceChildren(head, state.json ? textArea() : rows());
  };
  const textArea = () => h("textarea", {
    class: "mono", rows: 3, value: state.text, spellcheck: false, "aria-label": `data of ${event} as JSON`,
    oninput: (changed) => keepText(changed.target.value),
  });
  const rows = () => {
    if (!state.rows) state.rows = [];
    if (!state.rows.length) state.rows.push(["", ""]);
    const list = state.rows.map((row, at) => h("div", { class: "row" },
      field(row, 0, "name", at), ...valueField(row, at),
      button("\u00d7", () => { state.rows.splice(at, 1); keepRows(); draw(); }, { "aria-label": `remove ${row[0] || "this row"}` })));
    const more = button("add a value", () => { state.rows.push(["", ""]); draw(); }, { class: "quiet" });
    return h("div", {}, ...list, more, h("span", { class: "hint" }, ` ${TAKEN_AS}`));
  };
  const valueField = (row, at) => {
    const made = field(row, 1, "value", at);
    return [made, takenWords(made)];
  };
  const field = (row, at, what, number) => h("input", {
    class: "mono", value: row[at], placeholder: what, "aria-label": `${what} ${number + 1}`, spellcheck: false,
    oninput: (changed) => { row[at] = changed.target.value; keepRows(); },
  });
  draw();
  return place;
}

/** Return the rows of a JSON object, null for anything else. */
function rowsOf(text) {
  if (text.trim() === "") return [];
  if (!parses(text)) return null;
  const value = JSON.parse(text);
  if (value === null || typeof value !== "object" || Array.isArray(value)) return null;
  return Object.entries(value).map(([name, each]) => [name, typeof each === "string" && !parses(each) ? each : JSON.stringify(each)]);
}
