/* Shared by every panel: elements, messages, errors, and the end of a view.

   Text from Python is set by textContent, never as markup; pictures are parsed as XML and
   checked against a list of what a picture may hold. */

const SILENCE_MILLISECONDS = 4000;
const SVG = "http://www.w3.org/2000/svg";

/** Make an element. `props` are properties; those with a hyphen, and role, are attributes. */
function h(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.includes("-") || ["role", "for", "list"].includes(name)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat().filter((each) => each !== null && each !== undefined));
  return made;
}

/** Make an SVG element with attributes. */
function s(tag, attributes = {}, text = undefined) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Make a button that says what it does. */
function button(text, act, props = {}) {
  return h("button", { type: "button", onclick: act, ...props }, text);
}

const MODULE = crypto.getRandomValues(new Uint32Array(2)).join("-"); // each panel is a module of its own
const unlike = { count: 0 };

/** Return a name that nothing else on the page has. */
function unique(prefix) {
  unlike.count += 1;
  return `${prefix}-${MODULE}-${unlike.count}`;
}

const PICTURE_TAGS = new Set(["svg", "g", "title", "rect", "text", "tspan", "circle", "ellipse",
  "path", "polygon", "polyline", "line"]);

/** Return a picture from Python as an element; whatever a picture may not hold is refused. */
function picture(text) {
  const root = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  for (const each of [root, ...root.querySelectorAll("*")]) {
    if (!PICTURE_TAGS.has(each.localName) || each.namespaceURI !== SVG) {
      throw new Error(`a picture may not hold <${each.localName}>`);
    }
    for (const { name, value } of [...each.attributes]) {
      const words = name === "aria-label";
      if (/^on|href|^src$/i.test(name) || (!words && /url\(|javascript:/i.test(value))) each.removeAttribute(name);
    }
  }
  return document.importNode(root, true);
}

/** What lives as long as a view: listeners, timers, frames. `end` leaves nothing behind. */
class Life {
  constructor(model) {
    this.model = model;
    this.ends = [];
    this.timers = new Set();
  }

  /** Call `act` now and whenever one of the parts changes. */
  parts(names, act) {
    const guarded = () => { if (!this.over) act(...names.map((name) => this.model.get(name))); };
    for (const name of names) {
      this.model.on(`change:${name}`, guarded);
      this.ends.push(() => this.model.off(`change:${name}`, guarded));
    }
    guarded();
  }

  /** Listen to something outside of the view. */
  listen(target, kind, act, options) {
    target.addEventListener(kind, act, options);
    this.ends.push(() => target.removeEventListener(kind, act, options));
  }

  /** Call `act` once, after some milliseconds. */
  after(milliseconds, act) {
    const timer = setTimeout(() => { this.timers.delete(timer); act(); }, milliseconds);
    this.timers.add(timer);
    return timer;
  }

  cancel(timer) {
    clearTimeout(timer);
    this.timers.delete(timer);
  }

  /** Call `act` whenever an element gets another size, or comes into sight. */
  sights(element, act) {
    const look = () => { if (!this.over && element.clientWidth) act(); };
    for (const watcher of [new ResizeObserver(look), new IntersectionObserver(look)]) {
      watcher.observe(element);
      this.ends.push(() => watcher.disconnect());
    }
  }

  /** Call `act(milliseconds)` before every frame until it returns false. */
  frames(act) {
    let id = 0;
    const turn = (now) => { id = act(now) === false || this.over ? 0 : requestAnimationFrame(turn); };
    id = requestAnimationFrame(turn);
    const stop = () => { cancelAnimationFrame(id); };
    this.ends.push(stop);
    return stop;
  }

  end() {
    this.over = true;
    this.ends.forEach((each) => each());
    this.timers.forEach((timer) => clearTimeout(timer));
    this.ends = [];
    this.timers.clear();
  }
}

/** Whether the person asked for less motion. */
function isCalm() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Return the render function of a panel: `build(model, root, life, send)` fills the root. */
function panel(kind, label, build) {
  return ({ model, el }) => {
    const life = new Life(model);
    const silence = h("p", { class: "silence hint", role: "status" });
    const unheard = () => {
      silence.textContent = "No answer from the kernel. While a cell keeps it busy, this waits; after a restart, run the cell again.";
    };
    const send = (message, fields = {}) => {
      life.cancel(life.silence);
      life.silence = life.after(SILENCE_MILLISECONDS, unheard);
      try {
        model.send({ kind: message, ...fields });
      } catch { // the connection is closed
        unheard();
      }
    };
    const root = h("div", { class: `settlesim-panel ${kind}`, role: "group", "aria-label": label });
    const said = h("div", { class: "said", "aria-live": "polite", role: "status" });
    const errors = h("div", { class: "errors" });
    // Keys are the panel's own while it has the focus, not short cuts of the notebook.
    root.dataset.lmSuppressShortcuts = "true";
    root.addEventListener("keydown", (pressed) => pressed.stopPropagation());
    followTheme(root, life);
    el.append(root);
    (build(model, root, life, send) ?? root).append(silence, errors);
    root.append(said);
    life.parts(["error"], (error) => showError(errors, error, send));
    life.parts(["heard"], () => {
      life.cancel(life.silence);
      silence.textContent = "";
    });
    life.parts(["said"], (what) => { said.textContent = what ? what.text : ""; });
    return () => { life.end(); root.remove(); };
  };
}

/** Keep a class on the root that says whether the page is dark. */
function followTheme(root, life) {
  const look = () => {
    const named = document.body.dataset.jpThemeLight;
    const dark = named === undefined
      ? window.matchMedia("(prefers-color-scheme: dark)").matches && isDark()
      : named === "false";
    root.classList.toggle("dark", dark);
  };
  const watcher = new MutationObserver(look);
  watcher.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  life.ends.push(() => watcher.disconnect());
  look();
}

function isDark() {
  const found = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g);
  if (!found || (found.length > 3 && Number(found[3]) === 0)) return false;
  return found.slice(0, 3).reduce((sum, each) => sum + Number(each), 0) < 380;
}

/** Show an error with its traceback folded; the person may take it away. */
function showError(place, error, send) {
  place.replaceChildren();
  if (!error) return;
  const away = button("dismiss", () => send("forget"), { class: "quiet", "aria-label": "dismiss the error" });
  place.append(h("div", { class: "error", role: "alert" },
    h("div", { class: "error-head" },
      h("strong", {}, error.doing ? `${error.kind} in ${error.doing}` : error.kind), away),
    h("p", {}, error.text),
    h("details", {}, h("summary", {}, "traceback"), h("pre", { tabIndex: 0 }, error.traceback))));
}
