"""What may never happen on a page, what text may never become, and what cannot be read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from settlesim.view.svg.page import STYLES

if TYPE_CHECKING:
    from playwright.sync_api import Dialog, Error, Locator, Page, Request

__all__ = ["HARMFUL", "low_contrasts", "watch_for_problems"]

OURS = re.compile(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:|file:|about:")


def watch_for_problems(
    page: Page, ignore: Callable[[Error], bool] = lambda error: False
) -> list[str]:
    """Return a list that collects what may never happen: errors, dialogs, foreign requests.

    Parameters
    ----------
    ignore : whether an error is somebody else's
    """
    found: list[str] = []

    def failed(error: Error) -> None:
        if not ignore(error):
            found.append(f"error: {error}")

    def dialog(shown: Dialog) -> None:
        found.append(f"dialog: {shown.message}")
        shown.dismiss()

    def request(sent: Request) -> None:
        if not OURS.match(sent.url):
            found.append(f"request: {sent.url}")

    page.on("pageerror", failed)
    page.on("dialog", dialog)
    page.on("request", request)
    return found


HARMFUL = (
    f"() => {{\n    const STYLES = {json.dumps(STYLES)};"
    + """
    const outputs = [...document.querySelectorAll('.jp-OutputArea-output')];
    const found = outputs.length ? [] : ['there is no output'];
    for (const each of outputs.flatMap(output => [...output.querySelectorAll('*')])) {
        if (/^(script|iframe|object|embed|link|meta|base|foreignobject|use|image|video)$/i
            .test(each.localName)) found.push(each.outerHTML.slice(0, 200));
        if (each.localName === 'style' && each.textContent !== STYLES) found.push(each.textContent);
        if (each.localName === 'img' && !/^data:image\\/svg/.test(each.src)) found.push(each.src);
        for (const { name, value } of each.attributes) {
            const link = /^(xlink:)?href$|^src$/i.test(name) && !/^data:image/.test(value);
            if (link || /^on/i.test(name)) found.push(`${each.localName} ${name}=${value}`);
        }
    }
    return found;
}"""
)
"""Returns every element and attribute of the outputs that could load or run something."""


def low_contrasts(panel: Locator) -> list[str]:
    """Return every visible text, and field, whose contrast is below 4.5 to 1 (WCAG 2.1, 1.4.3)."""
    found: list[str] = panel.evaluate(LOW_CONTRASTS)
    return found


LOW_CONTRASTS = """panel => {
    const channels = colour => colour.match(/[\\d.]+/g).map(Number);
    const over = (top, below) => {
        const alpha = top.length > 3 ? top[3] : 1;
        return [0, 1, 2].map(at => top[at] * alpha + below[at] * (1 - alpha));
    };
    const light = colour => {
        const linear = colour.slice(0, 3).map(each => each / 255)
            .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const paper = element => {
        const layers = [];
        for (let each = element; each; each = each.parentElement) {
            layers.push(channels(getComputedStyle(each).backgroundColor));
        }
        return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
    };
    const poor = [];
    for (const each of panel.querySelectorAll('*:not(svg, svg *, option)')) {
        const own = [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        const field = ['INPUT', 'TEXTAREA', 'SELECT'].includes(each.tagName);
        if (!(own || field) || !each.checkVisibility() || each.closest('.said')) continue;
        const below = paper(each);
        const ink = over(channels(getComputedStyle(each).color), below);
        const [high, low] = [light(ink), light(below)].sort((a, b) => b - a);
        const ratio = (high + 0.05) / (low + 0.05);
        if (ratio < 4.5) poor.push(`${each.className} ${each.textContent.slice(0, 30)}: ${ratio}`);
    }
    return poor;
}"""
