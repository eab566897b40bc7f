"""All commands of the command line, in one group.

The module of a command is imported when the command is run, or when help lists all of them.
"""

from __future__ import annotations

import click

from settlesim.cli.command_group import CommandGroup

__all__ = ["program"]

program = CommandGroup(
    "settlesim",
    places={
        "backup": "backup:backup",
        "check": "check:check",
        "convert": "convert:convert",
        "dead-letters": "dead_letters:dead_letters",
        "deploy": "deploy:deploy",
        "diff": "diff:diff",
        "draw": "draw:draw_command",
        "find": "find:find_command",
        "freeze": "freeze:freeze_command",
        "gallery": "gallery:gallery",
        "lab": "lab:lab",
        "log": "log:log",
        "migrate": "migrate:migrate_command",
        "prune": "prune:prune",
        "redrive": "dead_letters:redrive",
        "rehearse": "rehearse:rehearse_command",
        "resume": "dead_letters:resume_command",
        "send": "send:send",
        "serve": "serve:serve_command",
        "settle": "settle:settle_command",
        "show": "show:show",
        "simulate": "simulate:simulate",
        "start": "settle:start_command",
        "status": "status:status",
        "verify": "verify:verify",
        "work": "work:work_command",
    },
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
click.version_option(package_name="settlesim", prog_name="settlesim")(program)
