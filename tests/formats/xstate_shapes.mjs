// Runs configurations in XState as they are written, and prints where each step ended.
//
// Standard input is {"path": ..., "cases": [{"config": ..., "script": [...]}]}, where path is the
// folder that has xstate in its node_modules. Every guard, action, delay and service that is named
// exists: guards and actions are the functions of the same name in xstate_shapes.py.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const given = JSON.parse(readFileSync(0, "utf8"));
const require = createRequire(`${given.path}/package.json`);
const { and, assign, createMachine, fromPromise, initialTransition, not, or, stateIn, transition } =
  require("xstate");

const resultOf = (event) => {
  if (event.type.startsWith("xstate.done.actor.")) return event.output;
  return event.type.startsWith("xstate.error.actor.") ? event.error : null;
};
const guard = (name) => ({ context }) => (context.n + name.length) % 3 !== 0;
const action = (name) =>
  assign(({ context, event }) => {
    const result = resultOf(event);
    return {
      n: context.n + 1 + (typeof result === "number" ? result : 0),
      log: [...context.log, [name, result]],
    };
  });
const named = (make) =>
  new Proxy({}, { get: (_, name) => (typeof name === "string" ? make(name) : undefined) });
const implementations = {
  guards: named(guard),
  actions: named(action),
  actors: named(() => fromPromise(async () => null)),
  delays: named(() => 1000),
};

// JSON has objects where a configuration in JavaScript calls not(), and(), or(), stateIn().
function guardOf(spec) {
  if (spec === null || typeof spec !== "object") return spec;
  const type = (spec.type ?? spec.name).replace(/^xstate\./, "");
  const params = spec.params ?? {};
  const inner = spec.guards ?? params.guards ?? [params.guard];
  if (type === "not") return not(guardOf(inner[0]));
  if (type === "and") return and(inner.map(guardOf));
  if (type === "or") return or(inner.map(guardOf));
  if (type === "stateIn") return stateIn(params.state);
  return spec;
}

// What forbids an event is undefined in JavaScript, and null in JSON.
function revived(value) {
  if (value === null) return undefined;
  if (Array.isArray(value)) return value.map(revived);
  if (typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === "guard" ? guardOf(inner) : revived(inner),
    ]),
  );
}

const milliseconds = (delay) =>
  Number.isNaN(Number(delay)) ? 1000 : Math.max(1, Number(delay));
const nameOf = (node) => node.path.join(".");

class Run {
  constructor(config) {
    this.services = [];
    this.machine = createMachine(revived(config), implementations);
    this.owners = new Map();
    for (const node of this.machine.idMap.values()) {
      node.invoke.forEach(({ id }, index) => this.owners.set(id, { node, index }));
    }
    this.take(initialTransition(this.machine));
  }

  take([snapshot, actions]) {
    this.snapshot = snapshot;
    for (const { type, params } of actions) {
      if (type === "xstate.spawnChild") {
        this.services = [...this.services.filter((id) => id !== params.id), params.id];
      }
    }
    const isActive = (id) => snapshot._nodes.includes(this.owners.get(id).node);
    this.services = this.services.filter(isActive);
  }

  // Returns false where the script goes where XState cannot follow.
  step([kind, first, second]) {
    if (this.snapshot.status !== "active") return false;
    let event = { type: first };
    if (kind === "done" || kind === "error") {
      const id = this.services.shift();
      if (id === undefined) return false;
      event = { type: `xstate.${kind}.actor.${id}`, actorId: id };
      event[kind === "done" ? "output" : "error"] = first;
    } else if (kind === "after") {
      const node = this.snapshot._nodes.find((each) => nameOf(each) === first);
      const found = node?.after.find(({ delay }) => milliseconds(delay) === second);
      if (found === undefined) return false;
      event = { type: found.eventType };
    }
    this.take(transition(this.machine, this.snapshot, event));
    return true;
  }

  told() {
    const nodes = this.snapshot._nodes;
    const leaves = nodes.filter((node) => !nodes.some((other) => other.parent === node));
    const service = ({ node, index }) => `${nameOf(node)}.${index}`;
    return {
      leaves: leaves.sort((one, other) => one.order - other.order).map(nameOf),
      context: this.snapshot.context,
      services: this.services.map((id) => service(this.owners.get(id))),
      failed: this.snapshot.status === "error",
    };
  }
}

const told = ({ config, script }) => {
  const run = new Run(config);
  const steps = [run.told()];
  for (const word of script) {
    if (!run.step(word)) break;
    steps.push(run.told());
  }
  return steps;
};
const found = given.cases.map((each) => {
  try {
    return { steps: told(each) };
  } catch (error) {
    return { refused: error.message };
  }
});
process.stdout.write(JSON.stringify(found));
