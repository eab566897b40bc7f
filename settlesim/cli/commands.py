"""All commands of the command line, in one group.

Slow imports are inside the functions of the commands, which keeps ``--help`` and shell
completion fast.
"""

from __future__ import annotations

import click

import settlesim
from settlesim.cli.backup import backup
from settlesim.cli.check import check
from settlesim.cli.command_group import CommandGroup
from settlesim.cli.convert import convert
from settlesim.cli.dead_letters import dead_letters, redrive, resume_command
from settlesim.cli.deploy import deploy
from settlesim.cli.diff import diff
from settlesim.cli.draw import draw_command
from settlesim.cli.find import find_command
from settlesim.cli.freeze import freeze_command
from settlesim.cli.gallery import gallery
from settlesim.cli.lab import lab
from settlesim.cli.log import log
from settlesim.cli.migrate import migrate_command
from settlesim.cli.prune import prune
from settlesim.cli.rehearse import rehearse_command
from settlesim.cli.send import send
from settlesim.cli.serve import serve_command
from settlesim.cli.settle import settle_command, start_command
from settlesim.cli.show import show
from settlesim.cli.simulate import simulate
from settlesim.cli.status import status
from settlesim.cli.verify import verify
from settlesim.cli.work import work_command

__all__ = ["program"]

program = CommandGroup(
    "settlesim",
    help="""Durable statecharts that run until they settle in a tagged state.

    \b
    Begin with
      settlesim gallery
      settlesim draw count -o count.svg
      settlesim settle count c1 COUNT --store counts.json
      settlesim send count c1 COUNT --store counts.db
      settlesim work count --store counts.db --until-empty
      settlesim simulate order PAY SHIP
      settlesim lab""",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
    },
)
click.version_option(settlesim.__version__, prog_name="settlesim")(program)
for _command in (
    gallery, draw_command, diff, check, convert, settle_command, start_command, send, work_command,
    serve_command, show, find_command, log, status, dead_letters, redrive, resume_command,
    freeze_command, rehearse_command, migrate_command, verify, backup, prune, simulate, deploy, lab,
):  # fmt: skip
    program.add_command(_command)
