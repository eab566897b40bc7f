// Runs machines in XState, one event after another, and prints where each step ended.
//
// Standard input is {"path": ..., "cases": [{"config": ..., "script": [...]}]}, where path is the
// folder that has xstate in its node_modules. Only the pure functions of XState are used: this
// script answers services and lets delays pass, as the script of each case says.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const given = JSON.parse(readFileSync(0, "utf8"));
const require = createRequire(`${given.path}/package.json`);
const { assign, createMachine, fromPromise, initialTransition, transition } = require("xstate");

const note = assign(({ context, event }, { word }) => {
  const result = event.type.startsWith("xstate.done.actor.") ? ` ${event.output}` : "";
  return { log: [...context.log, word + result] };
});
const guards = {
  yes: () => true,
  no: () => false,
  even: (context) => context.n % 2 === 0,
  few: (context) => context.n < 4,
};
const implementations = {
  guards: {
    all: ({ context }, { wanted, refused }) =>
      wanted.every((name) => guards[name](context)) &&
      !refused.some((name) => guards[name](context)),
  },
  actions: {
    note,
    count: assign(({ context }) => ({ n: context.n + 1 })),
    reset: assign(() => ({ n: 0 })),
  },
  actors: { work: fromPromise(async () => null) },
};

// xstate.after.60000.s0.a is the delay of state s0.a
const nodeOf = (id) => id.split(".").slice(3).join(".");

class Run {
  constructor(config) {
    this.services = [];
    this.delays = [];
    this.machine = createMachine(config, implementations);
    this.take(initialTransition(this.machine));
  }

  take([snapshot, actions]) {
    this.snapshot = snapshot;
    for (const { type, params } of actions) {
      if (type === "xstate.spawnChild") {
        this.services = [...this.services.filter((id) => id !== params.id), params.id];
      } else if (type === "xstate.raise" && params.delay !== undefined) {
        this.delays = [...this.delays.filter((id) => id !== params.id), params.id];
      }
    }
    const active = new Set(snapshot._nodes.map((node) => node.id));
    const isActive = (id) => active.has(id.slice(0, id.lastIndexOf(".")));
    this.services = this.services.filter(isActive);
    this.delays = this.delays.filter((id) => active.has(nodeOf(id)));
  }

  send(event) {
    this.take(transition(this.machine, this.snapshot, event));
  }

  can(name) {
    if (this.snapshot.status !== "active") return false;
    if (/^(done \d+|error)$/.test(name)) return this.services.length > 0;
    return !name.startsWith("after ") || this.delays.some((id) => nodeOf(id) === name.slice(6));
  }

  step(name) {
    const [kind, result] = name.split(" ");
    if (kind === "done" || kind === "error") {
      const id = this.services.shift();
      const output = Number(result);
      this.send({ type: `xstate.${kind}.actor.${id}`, actorId: id, output, error: null });
    } else if (name.startsWith("after ")) {
      const id = this.delays.find((each) => nodeOf(each) === name.slice(6));
      this.delays = this.delays.filter((each) => each !== id);
      this.send({ type: id });
    } else {
      this.send({ type: name });
    }
  }

  told() {
    const leaves = this.snapshot._nodes.filter((node) => !Object.keys(node.states).length);
    return {
      leaves: leaves.sort((one, other) => one.order - other.order).map((node) => node.id),
      context: this.snapshot.context,
      services: [...this.services],
      delays: this.delays.map(nodeOf).sort(),
      done: this.snapshot.status !== "active",
    };
  }
}

const found = given.cases.map(({ config, script }) => {
  const run = new Run(config);
  const steps = [run.told()];
  for (const name of script) {
    if (!run.can(name)) break; // it has gone another way before
    run.step(name);
    steps.push(run.told());
  }
  return steps;
});
process.stdout.write(JSON.stringify(found));
