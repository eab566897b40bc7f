"""What a hand does with a panel, and what it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator

__all__ = [
    "active",
    "happened",
    "path_of",
    "press",
    "press_disabled",
    "step",
    "verdict_is",
    "wait_for",
    "wait_for_path",
]


def press(panel: Locator, name: str) -> None:
    """Press a button."""
    panel.get_by_role("button", name=name, exact=True).click()


def press_disabled(panel: Locator, name: str) -> None:
    """Press what says that it is disabled; Playwright would wait for it."""
    button = panel.get_by_role("button", name=name, exact=True)
    assert button.get_attribute("aria-disabled") == "true"
    button.dispatch_event("click")


# --- charts -------------------------------------------------------------------------------


def active(panel: Locator) -> list[str]:
    """Return the titles of the active nodes."""
    found: list[str] = panel.evaluate(
        "panel => [...panel.querySelectorAll('g.node.active')]"
        ".map(node => node.querySelector('title').textContent.split(':')[0])"
    )
    return found


def wait_for(panel: Locator, *nodes: str) -> None:
    """Wait until exactly these nodes are active."""
    panel.page.wait_for_function(
        """([panel, nodes]) => JSON.stringify([...panel.querySelectorAll('g.node.active')]
            .map(node => node.querySelector('title').textContent.split(':')[0])) === nodes""",
        arg=[
            panel.element_handle(),
            f"[{','.join(f'{chr(34)}{node}{chr(34)}' for node in nodes)}]",
        ],
    )


# --- races --------------------------------------------------------------------------------


def step(race: Locator, name: str) -> None:
    """Press the button of a step, and wait until it has happened."""
    race.locator(f'button.step[data-step="{name}"]').click()
    happened(race, name)


def happened(race: Locator, name: str) -> None:
    """Wait until a step is the last that has happened."""
    race.locator(".happened code", has_text=name).wait_for()


def path_of(race: Locator) -> str:
    """Return the path that a race shows."""
    return race.get_by_label("the path, as replay takes it").input_value()


def wait_for_path(race: Locator, path: str) -> None:
    """Wait until a race shows a path."""
    race.page.wait_for_function(
        "([field, path]) => field.value === path",
        arg=[race.get_by_label("the path, as replay takes it").element_handle(), path],
    )


def verdict_is(lab: Locator, word: str) -> None:
    """Wait for the verdict of a search."""
    lab.locator(".search-verdict", has_text=word).wait_for()
