/* What a person types where a value is wanted: JSON is taken as such, everything else as text. */

const TAKEN_AS = "numbers, true, null and JSON are values; anything else is text";

function parses(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function valueOf(text) {
  return parses(text) ? JSON.parse(text) : text;
}

/** Return JSON for what was typed; empty text stays empty. */
function jsonOf(text) {
  if (text.trim() === "") return "";
  return parses(text) ? text : JSON.stringify(text);
}

/** Say what a text is taken as: 4242 is a number, "4242" is text. */
function takenAs(text) {
  if (text.trim() === "") return "";
  if (!parses(text)) return /^\s*[[{"]/.test(text) ? "text: not valid JSON yet" : "text";
  const value = JSON.parse(text);
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return { string: "text", number: "a number", boolean: "true or false", object: "an object" }[typeof value];
}

/** Return words to stand beside a field: what its text is taken as. */
function takenWords(field) {
  const words = h("span", { class: "hint taken", role: "status" });
  const say = () => { words.textContent = takenAs(field.value); };
  field.addEventListener("input", say);
  field.title = TAKEN_AS;
  say();
  return words;
}
