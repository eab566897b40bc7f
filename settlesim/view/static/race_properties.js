/* The properties of a scenario: a list with verdicts; each can show the schedule that decides it. */

class Properties {
  constructor(send) {
    this.send = send;
    this.list = h("ul", {});
    this.element = h("section", { class: "properties", "aria-label": "properties", hidden: true },
      h("h4", {}, "Properties"), this.list);
  }

  /** Show the list; hide it if the scenario has no properties. */
  paint(rows) {
    this.element.hidden = !rows.length;
    this.list.replaceChildren(...rows.map((row, index) => this.item(row, index)));
  }

  item(row, index) {
    const word = h("strong", { class: `word ${row.word.toLowerCase()}` }, row.word);
    const more = row.more ? h("span", { class: "hint" }, row.more) : null;
    const label = `show the shortest ${row.shows}`;
    const show = row.shows
      ? button(label, () => this.send("property", { index }), { "aria-label": `${label} of: ${row.text}` })
      : null;
    return h("li", {}, word, " ", h("span", { class: "asked" }, row.text), " ", more, " ", show);
  }
}
