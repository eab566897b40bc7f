/* Requests to the server, and streams of events from it. */

const AGAIN_MILLISECONDS = 1500;

const place = (...parts) => parts.map(encodeURIComponent).join("/");
const sleep = (milliseconds) => new Promise((done) => { setTimeout(done, milliseconds); });

/** Return an id for an event that no other one has. */
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((each) => each.toString(16).padStart(2, "0")).join("");
}

/** Send a request; a problem document is thrown as an error with its title and detail. */
async function ask(url, options = {}) {
  const answer = await fetch(url, { cache: "no-store", ...options });
  const body = await answer.json();
  if (answer.ok) return body;
  throw Object.assign(new Error(body.detail ?? answer.statusText), { title: body.title, status: answer.status });
}

const post = (url, body, headers = {}) => ask(url, {
  method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: body === undefined ? undefined : JSON.stringify(body),
});

/** Follow a stream of events, also across restarts of the server; the returned function stops it. */
function follow(url, handlers, connected) {
  let source = null;
  let timer = 0;
  const open = () => {
    source = new EventSource(url);
    source.onopen = () => connected(true);
    source.onerror = () => {
      connected(false);
      if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
      clearTimeout(timer);
      timer = setTimeout(open, AGAIN_MILLISECONDS);
    };
    for (const [kind, act] of Object.entries(handlers)) {
      source.addEventListener(kind, (event) => act(JSON.parse(event.data), Number(event.lastEventId)));
    }
  };
  open();
  return () => { clearTimeout(timer); source.close(); };
}

const valueText = (value) => (typeof value === "string" ? value
  : Object.entries(value).map(([name, inside]) => (typeof inside === "object" && !Object.keys(inside).length ? name : `${name}.${valueText(inside)}`)).join(" + "));

const timeText = (at) => new Date(at * 1000).toLocaleTimeString();

function short(text, length) {
  return text.length > length ? `${text.slice(0, length - 1)}\u2026` : text;
}
