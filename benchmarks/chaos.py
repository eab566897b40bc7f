"""Kill workers and senders with SIGKILL, any number of times; the tests do it sixty times.

    python -m benchmarks.chaos --kills 2000

Workers and senders are killed and frozen at random moments, in campaigns of a hundred kills, each
with a store of its own. A campaign prints what it counted. The exit status is 1 if an event was
lost, doubled or reordered, if a store could not be read, or if fewer than a third of the kills
were between load and commit. The seed and the folder of a campaign with faults are printed.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.campaign import Campaign, Outcome, Plan

EACH = 100


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Kill workers and senders, and check the rest.")
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--seed", type=int, help="of the first campaign; random by default")
    return parser.parse_args()


def campaign(seed: int, kills: int) -> Outcome:
    """Run one campaign; its folder is kept if something is wrong."""
    folder = Path(tempfile.mkdtemp(prefix="settlesim-chaos-"))
    plan = Plan(seed=seed, kills=kills, freezes=max(1, kills // 20), longest=0.3)
    outcome = Campaign(plan, folder).run()
    print(outcome, flush=True)
    if outcome.faults:
        print(f"FAILED, seed {seed}, {folder}: {outcome.faults}", flush=True)
    else:
        shutil.rmtree(folder)
    return outcome


def main() -> int:
    """Run campaigns until there were enough kills, and add them up."""
    options = arguments()
    seed = random.SystemRandom().randrange(1_000_000) if options.seed is None else options.seed
    began, phases, numbers = time.monotonic(), Counter[str](), Counter[str]()
    faults: list[str] = []
    between = 0
    while (left := options.kills - numbers["kills"]) > 0:
        outcome = campaign(seed, min(EACH, left))
        seed += 1
        phases += outcome.phases
        between += outcome.between
        faults += outcome.faults
        for name in ("kills", "freezes", "sent", "repeated_sends", "settled", "dead"):
            numbers[name] += getattr(outcome, name)
        for name in ("effects", "repeated_effects", "slow"):
            numbers[name] += getattr(outcome, name)
    print(f"\nin {time.monotonic() - began:,.0f} seconds:")
    for name, number in numbers.items():
        print(f"{name.replace('_', ' '):20} {number:10,}")
    for phase, number in phases.most_common():
        print(f"killed: {phase:12} {number:10,}")
    good = between >= numbers["kills"] / 3
    print(f"between load and commit {between:7,}, at least a third: {'met' if good else 'MISSED'}")
    print(f"faults {len(faults)}: {faults or 'met'}")
    return 0 if good and not faults else 1


if __name__ == "__main__":
    sys.exit(main())
