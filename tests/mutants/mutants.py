"""The mutants: each takes one piece of the product's safety away."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MUTANTS", "Mutant"]

Pieces = tuple[tuple[str, str], ...]

CONTRACTS = (
    "testing/test_stores.py",
    "testing/test_queues.py",
    "store/test_transactions.py",
    "store/test_queues.py",
    "store/test_lists.py",
)
SYNCS = ("store/test_sqlite_syncs.py",)
FORKS = ("store/test_sqlite_forks.py",)
DAMAGE = ("store/test_sqlite_damage.py",)
LIFETIME = ("store/test_sqlite_lifetime.py",)
SHARING = ("store/test_sqlite_sharing.py",)
INTERRUPTS = ("store/test_sqlite_interrupts.py",)
TINY = ("store/test_tinydb_store.py", "store/test_whole_file.py")


@dataclass(frozen=True)
class Mutant:
    """The product with a piece of one module replaced."""

    name: str
    module: str
    pieces: Pieces
    """Pieces of the module's source that are there once, each with what takes its place."""
    names: str
    """Which tests should notice, as pytest's option ``-k`` has it."""
    where: tuple[str, ...] = CONTRACTS
    """Where these are, below ``tests``."""

    def apply(self, source: str) -> str:
        """Return the source with the pieces replaced.

        Raises
        ------
        ValueError
            A piece is not there once: the mutant has to follow what the product became.
        """
        for old, new in self.pieces:
            if source.count(old) != 1:
                raise ValueError(
                    f"mutant {self.name!r} replaces a piece that is {source.count(old)} times in "
                    f"{self.module}:\n{old}"
                )
            source = source.replace(old, new)
        return source


SQL = "settlesim.store.sql"
MESSAGES = "settlesim.store.messages"
SQL_QUEUE = "settlesim.store.sql_queue"
DATABASE = "settlesim.store.database"

STORE = (
    Mutant(
        "no compare-and-set",
        SQL,
        (
            (
                "        if actual == expected:\n            if before",
                "        if True:\n            if before",
            ),
        ),
        "stale_save or racing_saves",
    ),
    Mutant(
        "only the revision is compared, not the state",
        SQL,
        (
            (
                "            if before is None or row is None or tuple(row)",
                "            if True or before is None or row is None or tuple(row)",
            ),
        ),
        "created_anew",
    ),
    Mutant(
        "a mark is written and not looked at",
        SQL,
        (
            (
                "        if known is not None:\n            assert",
                "        if False:\n            assert",
            ),
        ),
        "was_marked",
    ),
    Mutant(
        "no mark of a settled event",
        SQL,
        (
            (
                "        if transaction.mark is not None:\n            self",
                "        if False:\n            self",
            ),
        ),
        "was_marked",
    ),
    Mutant(
        "a commit that consumes nothing",
        SQL,
        (
            (
                "            message = mailbox.consume(receipt, fires=snapshot is not None)\n",
                "            message = mailbox.get(receipt.message)\n",
            ),
        ),
        "consumes_the_message or expired_receipt",
    ),
    Mutant(
        "a commit that sends nothing",
        SQL,
        (("        for send in transaction.sends:\n", "        for send in ():\n"),),
        "sends_others_in_one or whole_transaction",
    ),
    Mutant(
        "marks that are never forgotten",
        SQL,
        (
            (
                "(now, _PRUNED_EACH),\n        )\n        outcome",
                "(0.0, _PRUNED_EACH),\n        )\n        outcome",
            ),
        ),
        "old_marks",
    ),
    Mutant(
        "a pruned instance leaves its marks",
        SQL,
        (
            (
                'for table in ("instances", "settlements", "timers", "marks"):',
                'for table in ("instances", "settlements", "timers"):',
            ),
        ),
        "pruned",
    ),
    Mutant(
        "a deleted instance takes its marks with it",
        SQL,
        (
            (
                'for table in ("instances", "settlements", "timers"):',
                'for table in ("instances", "settlements", "timers", "marks"):',
            ),
        ),
        "deleted_instance_takes",
    ),
    Mutant(
        "timers that are not kept run on",
        SQL,
        (("AND hex(delay) NOT IN (SELECT", "AND 0 AND hex(delay) NOT IN (SELECT"),),
        "not_kept",
    ),
)

QUEUE = (
    Mutant(
        "no deduplication of sends",
        MESSAGES,
        (
            (
                "            if known is not None:\n                digest",
                "            if False:\n                digest",
            ),
        ),
        "repeated_send",
    ),
    Mutant(
        "an id is forgotten while its message waits",
        MESSAGES,
        (('(until > ? OR EXISTS"', '(until > ? OR 0 AND EXISTS"'),),
        "while_its_message_waits",
    ),
    Mutant(
        "the scope of deduplication is not looked at",
        MESSAGES,
        (('return group_id if self.per_group else ""', "return group_id"),),
        "whole_queue",
    ),
    Mutant(
        "a receipt is not checked",
        MESSAGES,
        (
            ("        elif message.receives != receipt.receives:\n", "        elif False:\n"),
            ("        elif not message.in_flight:\n", "        elif False:\n"),
        ),
        "last_receipt or until_somebody_receives",
    ),
    Mutant(
        "a released message can still be consumed",
        MESSAGES,
        (("        elif not message.in_flight:\n", "        elif False:\n"),),
        "last_receipt or receipt",
    ),
    Mutant(
        "a group is not blocked by a later message in flight",
        MESSAGES,
        (("max(visible_at, held or 0.0)\n", "visible_at\n"),),
        "blocks_with_one_that_is_in_flight",
    ),
    Mutant(
        "heads are not written anew when a message leaves",
        MESSAGES,
        (
            (
                '        self._execute("DELETE FROM messages WHERE id = ?", (message.id,))\n'
                "        self._update_head(",
                '        self._execute("DELETE FROM messages WHERE id = ?", (message.id,))\n'
                "        (lambda *_, **__: None)(",
            ),
        ),
        "in_order_one_at_a_time",
    ),
    Mutant(
        "a parked group goes on",
        MESSAGES,
        (('AND ordered = 1 AND NOT EXISTS"', 'AND ordered = 1 AND 1 OR 0 AND NOT EXISTS"'),),
        "halt_parks",
    ),
    Mutant(
        "a dead letter is thrown away",
        MESSAGES,
        (
            (
                'f"INSERT INTO dead_letters({_COLUMNS}, died_at, reason) VALUES({marks})",',
                'f"SELECT {marks}",',
            ),
        ),
        "failed_too_often",
    ),
    Mutant(
        "a redriven letter forgets its receptions in its old place",
        MESSAGES,
        (
            (
                "message._replace(answered=letter.receives)",
                "message._replace(answered=0, receives=0)",
            ),
        ),
        "old_receipt_good_again",
    ),
    Mutant(
        "a timer is sent again and again",
        SQL_QUEUE,
        (("UPDATE timers SET sent = 1 WHERE", "UPDATE timers SET sent = 0 WHERE"),),
        "when_it_is_due_and_once",
    ),
    Mutant(
        "what a clock step has hidden stays hidden",
        SQL_QUEUE,
        (
            (
                "        if self._has_clock_step(execute, now):\n            mailbox",
                "        if False:\n            mailbox",
            ),
        ),
        "clock_that_was_ahead",
    ),
    Mutant(
        "receptions without a result are not counted",
        SQL_QUEUE,
        (("unanswered >= self.max_receives:", "unanswered < 0:"),),
        "ten_receptions or received_too_often",
    ),
    Mutant(
        "a release counts as a reception without a result",
        SQL_QUEUE,
        (
            (
                "                answered = message.answered + 1\n",
                "                answered = message.answered\n",
            ),
        ),
        "released_or_failed_had_a_result",
    ),
    Mutant(
        "groups of another chart version are received",
        SQL_QUEUE,
        (
            (
                'return "" if chart_version is None else f" AND NOT {_foreign(chart_version)}"',
                'return "" if chart_version is None else f" AND (1 OR {_foreign(chart_version)})"',
            ),
        ),
        "another_chart_version",
    ),
)

FILE = (
    Mutant(
        "a send that waits for no disk",
        SQL_QUEUE,
        (
            (
                "            return tuple(self._accept(mailbox, *each) for each in found)\n\n"
                "        return self.store.database.write(send)\n",
                "            return tuple(self._accept(mailbox, *each) for each in found)\n\n"
                "        return self.store.database.write(send, durable=False)\n",
            ),
        ),
        "synced",
        SYNCS,
    ),
    Mutant(
        "a settlement that waits for no disk",
        SQL,
        (
            (
                "self.database.write(lambda execute: self._apply(execute, transaction))",
                "self.database.write("
                "lambda execute: self._apply(execute, transaction), durable=False)",
            ),
        ),
        "synced",
        SYNCS,
    ),
    Mutant(
        "the first reception after opening is not synced",
        DATABASE,
        (('"FULL" if durable or not self._synced else', '"FULL" if durable else'),),
        "first_reception",
        SYNCS,
    ),
    Mutant(
        "a write of nothing is taken for a sync",
        DATABASE,
        (("self._connection.total_changes > before\n", "True\n"),),
        "first_reception",
        SYNCS,
    ),
    Mutant(
        "an interrupt leaves a level that is not known",
        DATABASE,
        (('                self._level = ""  #', "                #"),),
        "interrupt_while_the_level",
        SYNCS,
    ),
    Mutant(
        "no rollback",
        DATABASE,
        (
            (
                "                        self._connection.rollback()\n",
                "                        pass\n",
            ),
        ),
        "error_in_the_middle",
        SHARING,
    ),
    Mutant(
        "a fork waits for nobody",
        DATABASE,
        (('if hasattr(os, "register_at_fork"):', 'if hasattr(os, "no"):'),),
        "inside_transactions",
        FORKS,
    ),
    Mutant(
        "a connection that crosses a fork",
        DATABASE,
        (
            (
                "            self._connection = self._open()\n        self._opened()",
                "            pass\n        self._opened()",
            ),
        ),
        "both_go_on",
        FORKS,
    ),
    Mutant(
        "a file that was replaced is written on",
        DATABASE,
        (("if not self._in_memory and _identity(self.path) != self._identity:", "if False:"),),
        "goes_away",
        LIFETIME,
    ),
    Mutant(
        "a log without its store is left to itself",
        DATABASE,
        (('        if os.path.exists(f"{path}-wal"):\n', "        if False:\n"),),
        "log_without_its_store",
        LIFETIME,
    ),
    Mutant(
        "another program's database is taken for a store",
        DATABASE,
        (("        if application != APPLICATION_ID:\n", "        if False:\n"),),
        "none_of_ours",
        DAMAGE,
    ),
)

TINYDB = (
    Mutant(
        "a TinyStore that compares nothing",
        "settlesim.store.tinydb",
        (
            (
                "            content.compare(key, expected, transaction.before)\n",
                "            pass\n",
            ),
        ),
        "lose_no_update",
        TINY,
    ),
    Mutant(
        "no sync of the content before it gets its name",
        "settlesim.store.whole_file",
        (("        _sync(descriptor)\n    finally", "        pass\n    finally"),),
        "synced_before",
        TINY,
    ),
    Mutant(
        "no sync of the folder",
        "settlesim.store.whole_file",
        (("        _sync_folder(folder)\n    except OSError", "        pass\n    except OSError"),),
        "synced_before",
        TINY,
    ),
    Mutant(
        "a file that is written in place",
        "settlesim.store.whole_file",
        (('    temporary = os.path.join(folder, f".{name}.tmp")\n', "    temporary = path\n"),),
        "killed_at_any or that_fails",
        TINY,
    ),
)

RUNTIME = (
    Mutant(
        "a settlement leaves its message in the queue",
        "settlesim.runtime.message_handler",
        (
            (
                "            consumed=case.message.receipt,\n            mark=case",
                "            consumed=None,\n            mark=case",
            ),
        ),
        "settled",
        ("runtime/test_worker.py",),
    ),
    Mutant(
        "another idempotency key at each reception",
        "settlesim.runtime.message_handler",
        (
            (
                "self.interpreter.driver(key, case.event_id, ",
                "self.interpreter.driver(key, case.message.receipt, ",
            ),
        ),
        "settled or extended or keys",
        ("runtime/test_worker.py",),
    ),
)

MUTANTS = (*STORE, *QUEUE, *FILE, *TINYDB, *RUNTIME)
