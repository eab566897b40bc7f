"""Random XState configurations, each with the transitions that it was made to have."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Generated", "generate"]

_EVENTS = ("GO", "go on", "video.ended", "RETRY")
_GUARDS = ("isReady", "hasItems", "isLate")


@dataclass
class Generated:
    """A configuration and the lines of its chart's transitions, in any order."""

    config: dict[str, Any]
    version: int
    edges: list[str] = field(default_factory=list)


@dataclass
class _State:
    path: str
    record: dict[str, Any]
    children: list[_State] = field(default_factory=list)
    parent: _State | None = None
    id: str | None = None

    def every(self) -> list[_State]:
        return [self, *(each for child in self.children for each in child.every())]

    @property
    def key(self) -> str:
        return self.path.rpartition(".")[2]


def generate(seed: int) -> Generated:
    """Return the configuration of this number; the same number gives the same one."""
    return _Generator(random.Random(seed)).generated()


class _Generator:
    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.version = dice.choice([4, 5])
        self.root = _State("", {"id": "m"})
        self.edges: list[str] = []

    def generated(self) -> Generated:
        self._children(self.root, 0)
        states = self.root.every()[1:]
        for state in states:
            if self.dice.random() < 0.3:
                state.id = state.record["id"] = f"id{len(state.path)}{state.path.replace('.', '')}"
        for state in states:
            if state.record.get("type") != "final":
                self._routes(state, states)
        config = self.root.record
        if self.version == 4:
            config["predictableActionArguments"] = True
        return Generated(config, self.version, self.edges)

    def _children(self, parent: _State, depth: int) -> None:
        keys = "abcd"[: self.dice.randint(2, 4)]
        parent.record["states"] = {}
        if depth and self.dice.random() < 0.3:
            parent.record["type"] = "parallel"
        else:
            parent.record["initial"] = keys[0]
        for key in keys:
            path = f"{parent.path}.{key}" if parent.path else key
            child = _State(path, {}, parent=parent)
            parent.children.append(child)
            parent.record["states"][key] = child.record
            if depth < 2 and self.dice.random() < 0.3:
                self._children(child, depth + 1)
            elif key != keys[0] and self.dice.random() < 0.2:
                child.record["type"] = "final"

    # --- transitions ----------------------------------------------------------------------

    def _routes(self, state: _State, states: list[_State]) -> None:
        record = state.record
        for event in self.dice.sample(_EVENTS, self.dice.randint(0, 3)):
            many = [self._route(state, states, event) for _ in range(self.dice.choice([1, 1, 2]))]
            record.setdefault("on", {})[event] = many if len(many) > 1 else many[0]
        if self.dice.random() < 0.2:
            record["after"] = {"1500": self._route(state, states, f"after.{state.path}.0")}
        if self.dice.random() < 0.2:
            record["invoke"] = {
                "src": f"service{state.path.replace('.', '')}",
                "onDone": self._route(state, states, f"done.invoke.{state.path}.0"),
                "onError": self._route(state, states, f"error.invoke.{state.path}.0"),
            }
        elif self.dice.random() < 0.2:
            record["always"] = self._route(state, states, "", guarded=True)
        if state.children and self.dice.random() < 0.5:
            record["onDone"] = self._route(state, states, f"done.state.{state.path}")

    def _route(
        self, state: _State, states: list[_State], trigger: str, *, guarded: bool = False
    ) -> Any:
        target = self.dice.choice(states)
        text = self._written(state, target)
        record: dict[str, Any] = {"target": text}
        words = ""
        if guarded or self.dice.random() < 0.4:
            guard = self.dice.choice(_GUARDS)
            key = "cond" if self.version == 4 else "guard"
            record[key] = self.dice.choice([guard, {"type": guard}])
            words = f"[{guard}]"
        actions = self.dice.sample(["note", "count"], self.dice.choice([0, 0, 1, 2]))
        if actions:
            record["actions"] = [self.dice.choice([each, {"type": each}]) for each in actions]
        reenter = self._reenters(record, text)
        inside = target is state or target.path.startswith(f"{state.path}.")
        arrow, dest = "->", target.path
        if inside and not reenter:
            arrow, dest = ("~>", dest) if state.children else ("->", "None")
        done = f" / {', '.join(actions)}" if actions else ""
        self.edges.append(f"{state.path} -{trigger}{words}{arrow} {dest}{done}")
        return text if len(record) == 1 and self.dice.random() < 0.5 else record

    def _reenters(self, record: dict[str, Any], text: str) -> bool:
        """Say whether the source is left, and write it down where it is not by default."""
        wanted = self.dice.random() < 0.3
        if self.version == 5:
            if wanted:
                record["reenter"] = True
            return wanted
        if wanted:
            record["internal"] = False
            return True
        return not text.startswith(".")

    def _written(self, state: _State, target: _State) -> str:
        """Return a target as one of the texts that mean it."""
        texts = [f"#m.{target.path}"]
        if target.id is not None:
            texts.append(f"#{target.id}")
        if target.parent is not None and target.parent.id is not None:
            texts.append(f"#{target.parent.id}.{target.key}")
        around = state.parent
        assert around is not None
        if around is self.root or target.path.startswith(f"{around.path}."):
            below = target.path.removeprefix(f"{around.path}.") if around.path else target.path
            texts.append(below)
        if target.path.startswith(f"{state.path}."):
            texts.append(target.path.removeprefix(state.path))
        return self.dice.choice(texts)
