// One settlement of `count` as users of XState v5 write it: an actor from the snapshot that was
// persisted, the event, the wait until it has settled, the snapshot that is persisted next.
// Prints the least CPU time of many rounds, in microseconds.
import { assign, createActor, fromPromise, setup, waitFor } from "xstate";

const ROUNDS = 60;
const REPEATS = 100;

const machine = setup({
  actors: { wait: fromPromise(async () => undefined) },
  actions: { addOne: assign({ count: ({ context }) => context.count + 1 }) },
}).createMachine({
  id: "count",
  context: { count: 0 },
  initial: "even",
  states: {
    even: { tags: "settled", on: { COUNT: "countingEven" } },
    countingEven: { invoke: { src: "wait", onDone: { target: "odd", actions: "addOne" } } },
    odd: { invoke: { src: "wait", onDone: { target: "even", actions: "addOne" } } },
  },
});

const first = createActor(machine);
first.start();
let stored = first.getPersistedSnapshot();
first.stop();

async function settle() {
  const actor = createActor(machine, { snapshot: stored });
  actor.start();
  actor.send({ type: "COUNT" });
  await waitFor(actor, (snapshot) => snapshot.hasTag("settled"));
  stored = actor.getPersistedSnapshot();
  actor.stop();
}

let best = Infinity;
for (let round = 0; round < ROUNDS; round += 1) {
  const began = process.cpuUsage();
  for (let index = 0; index < REPEATS; index += 1) {
    await settle();
  }
  const used = process.cpuUsage(began);
  best = Math.min(best, (used.user + used.system) / REPEATS);
}
if (stored.context.count !== 2 * ROUNDS * REPEATS) {
  throw new Error(`counted ${stored.context.count}, not ${2 * ROUNDS * REPEATS}`);
}
console.log(best);
