"""The mutants: each takes one piece of the product's safety away."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MUTANTS", "Mutant"]

Pieces = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Mutant:
    """The product with a piece of one module replaced."""

    name: str
    module: str
    pieces: Pieces
    """Pieces of the module's source that are there once, each with what takes its place."""
    tests: tuple[str, ...]
    """Those that should notice, below ``tests``; the suite has them as they are."""

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


CRASH = ("crash/test_every_point.py::test_so_does_every_crash_point_of_the_first_steps",)
NAMED = (
    "crash/test_corruption.py::test_named_damage_is_reported_with_its_place_and_nothing_is_written",
)
OLDER = (
    "store/test_replaced.py"
    "::test_older_snapshot_is_noticed_at_once_or_a_moment_later_and_nothing_is_lost",
)
REPLACED = ("store/test_replaced.py::test_files_that_are_removed_and_made_anew_are_read_anew",)
RIVALS = ("chaos/test_contention.py::test_rivals_for_one_instance_lose_no_update_and_all_get_on",)
TAIL = (
    "crash/test_corruption.py::"
    "test_record_that_was_cut_never_comes_back_behind_the_one_in_its_place",
)
STALE = ("contracts/test_store.py::test_stale_save_is_refused_and_writes_nothing",)
CONTENTION = (
    "chaos/test_contention.py::test_rivals_with_instances_of_their_own_lose_no_update_and_never_conflict",
)


def queue(*tests: str) -> tuple[str, ...]:
    """Return tests of the contract of queues."""
    return tuple(f"contracts/test_queue.py::{test}" for test in tests)


def names(*tests: str) -> tuple[str, ...]:
    """Return tests of whether open files still have their names."""
    return tuple(f"store/test_names.py::{test}" for test in tests)


def loads(*tests: str) -> tuple[str, ...]:
    """Return tests of loading without a lock."""
    return tuple(f"store/test_loads.py::{test}" for test in tests)


def worker(*tests: str) -> tuple[str, ...]:
    """Return tests of the worker."""
    return tuple(f"runtime/test_worker.py::{test}" for test in tests)


RULES = (
    Mutant(
        "no compare-and-set",
        "settlesim.store.rules.instances",
        (("        if actual != expected or changed:\n", "        if False:\n"),),
        STALE,
    ),
    Mutant(
        "blind get and put, as in the seed",
        "settlesim.store.base",
        (
            (
                "instances.compare(changes, key, transaction.expected, transaction.before)\n",
                "instances.find(changes, key)[0]\n",
            ),
            (
                "message = mail.consume(read_receipt(transaction.consumed), fires=saves)\n",
                "receipt = read_receipt(transaction.consumed)\n"
                "            changes.remove('messages', receipt.message)\n",
            ),
            ("        indexes.marks.add(changes, transaction, now, digest)\n", ""),
        ),
        (*STALE, *queue("test_a_commit_with_an_expired_receipt_changes_nothing")),
    ),
    Mutant(
        "a settlement in two writes",
        "settlesim.store.base",
        (
            (
                "        with self.database.writing() as changes:\n"
                "            self._apply(changes, transaction)\n",
                "        from dataclasses import replace\n"
                "        if transaction.consumed is not None:\n"
                "            with self.database.writing() as changes:\n"
                "                mail = Mail(self.indexes, changes, self.database.now())\n"
                "                mail.consume(read_receipt(transaction.consumed))\n"
                "        with self.database.writing() as changes:\n"
                "            self._apply(changes, replace(transaction, consumed=None))\n",
            ),
        ),
        CRASH,
    ),
    Mutant(
        "no mark of a settled event",
        "settlesim.store.rules.marks",
        (("        if transaction.mark is None:\n", "        if True:\n"),),
        ("contracts/test_transaction.py::test_an_event_that_was_marked_is_not_applied_again",),
    ),
    Mutant(
        "no deduplication of sends",
        "settlesim.store.queues.messages",
        (
            (
                "        if known is not None:\n            if known.digest",
                "        if False:\n            if known.digest",
            ),
        ),
        queue("test_a_repeated_send_is_accepted_once"),
    ),
    Mutant(
        "a receipt is not checked",
        "settlesim.store.queues.messages",
        (
            (
                "    raise ReceiptExpiredError(queue=receipt.queue, receipt=str(receipt), "
                "reason=reason)\n",
                "    return message\n",
            ),
        ),
        queue("test_only_the_last_receipt_is_good"),
    ),
    Mutant(
        "a group is not blocked by its message in flight",
        "settlesim.store.queues.lanes",
        (
            (
                "            if place is not None and place.lane == lane:\n",
                "            if place and place.lane == lane and not place.in_flight:\n",
            ),
            ("for number in (head, *flying))", "for number in (head,))"),
        ),
        queue("test_the_messages_of_a_group_come_in_order_one_at_a_time"),
    ),
    Mutant(
        "a parked group goes on",
        "settlesim.store.queues.lanes",
        (
            ("        elif lane not in self.parked:\n", "        else:\n"),
            ("        self._up.discard(lane)\n\n    def release", "\n    def release"),
        ),
        queue("test_halt_parks_the_group_until_it_is_resumed"),
    ),
    Mutant(
        "a dead letter is thrown away",
        "settlesim.store.queues.messages",
        (("        self._changes.put(DEAD_LETTERS, number, letter)\n", ""),),
        queue("test_a_message_that_failed_too_often_goes_to_the_dead_letters"),
    ),
    Mutant(
        "a timer is sent again and again",
        "settlesim.store.queues.upkeep",
        (('"state": "sent"', '"state": "running"'),),
        queue("test_a_timer_sends_its_message_when_it_is_due_and_once"),
    ),
    Mutant(
        "a send that waits for no disk",
        "settlesim.store.queues.queue",
        (
            (
                "        with self._database.writing() as changes:\n"
                "            mail = Mail(self._indexes, changes, self._database.now())\n"
                "            return tuple(",
                "        with self._database.writing(durable=False) as changes:\n"
                "            mail = Mail(self._indexes, changes, self._database.now())\n"
                "            return tuple(",
            ),
        ),
        CRASH,
    ),
)

JOURNAL = (
    Mutant(
        "no sync of the journal",
        "settlesim.store.journal.journal_file",
        (
            (
                "                self._files.sync(self.descriptor)\n            except",
                "                pass\n            except",
            ),
        ),
        CRASH,
    ),
    Mutant(
        "no sync of a new file before it gets its name",
        "settlesim.store.journal.files",
        (("        if sync:\n            files.sync(descriptor)\n", ""),),
        CRASH,
    ),
    Mutant(
        "no sync of the folder",
        "settlesim.store.journal.replica_writing",
        (
            (
                "            self._files.sync_folder(self._folder)\n"
                "            self.durable = self.seq\n",
                "            self.durable = self.seq\n",
            ),
            (
                "            self._files.sync_folder(self._folder)\n"
                "        new.name_synced = True\n",
                "            pass\n        new.name_synced = True\n",
            ),
        ),
        CRASH,
    ),
    Mutant(
        "a snapshot is written in place",
        "settlesim.store.journal.files",
        (('    temporary = os.path.join(folder, f".{name}.tmp")\n', "    temporary = path\n"),),
        CRASH,
    ),
    Mutant(
        "a new journal before the snapshot that it continues",
        "settlesim.store.journal.replica_writing",
        (
            (
                "        self._write_snapshot()\n        self._write_journal()\n",
                "        self._write_journal()\n        self._write_snapshot()\n",
            ),
        ),
        CRASH,
    ),
    Mutant(
        "a torn tail is not cut",
        "settlesim.store.journal.replica_writing",
        (("        if self._tail:\n", "        if False:\n"),),
        TAIL,
    ),
    Mutant(
        "the cut of a torn tail is not synced",
        "settlesim.store.journal.journal_file",
        (("            self.sync()\n\n    def sync", "            pass\n\n    def sync"),),
        TAIL,
    ),
    Mutant(
        "a journal that lost its name is written on",
        "settlesim.store.journal.names",
        (("        if self._files.is_at(descriptor, path):\n", "        if True:\n"),),
        REPLACED,
    ),
    Mutant(
        "a folder that was just changed is taken for unchanged",
        "settlesim.store.journal.files",
        (("return stamp if 0 <= changed < 1e9 * (wall_clock() - tick) else None", "return stamp"),),
        names("test_folder_that_was_just_changed_has_no_stamp"),
    ),
    Mutant(
        "what others wrote into the blanks is not seen",
        "settlesim.store.journal.journal_file",
        (
            (
                '        return "more" if around.startswith(b"\\n") else "other"\n',
                '        return "same" if around.startswith(b"\\n") else "other"\n',
            ),
        ),
        RIVALS,
    ),
    Mutant(
        "a load looks at no file",
        "settlesim.store.journal.replica",
        (
            (
                '            return known and journal.look() == "same"\n',
                "            return known\n",
            ),
        ),
        loads("test_load_sees_at_once_what_another_process_kept"),
    ),
    Mutant(
        "a load looks at no name",
        "settlesim.store.journal.names",
        (("self._files.names_stamp(self._descriptor, stamp) == stamp\n            and ", ""),),
        loads(
            "test_load_sees_at_once_what_another_process_kept",
            "test_load_tells_that_the_journal_is_gone",
        ),
    ),
    Mutant(
        "a load believes what it read while another thread made changes",
        "settlesim.store.tiny",
        (("            if replica.version == version:\n", "            if True:\n"),),
        loads("test_what_was_read_while_another_thread_kept_a_change_is_read_again"),
    ),
    Mutant(
        "a folder that was moved is taken for the one at its path",
        "settlesim.store.journal.names",
        (("self._descriptor < 0 or not self._are_in_place():", "self._descriptor < 0:"),),
        names("test_path_of_the_folder_is_followed_again_after_a_while"),
    ),
    Mutant(
        "the path of a moved folder is not followed before a store is folded",
        "settlesim.store.journal.lock",
        (("                    if anew:\n", "                    if False:\n"),),
        names("test_store_at_the_path_of_a_folder_that_was_moved_keeps_what_it_has"),
    ),
    Mutant(
        "a journal is opened for writing in another folder",
        "settlesim.store.journal.replica_writing",
        (("        if self.names.have_moved():\n", "        if False:\n"),),
        names("test_journal_that_was_taken_over_is_not_written_in_a_folder_that_was_moved"),
    ),
    Mutant(
        "a second document with one key is written before it is refused",
        "settlesim.store.journal.blocks",
        (("        self._frozen = False  # as an index", "        # as an index"),),
        (
            "store/test_journal.py::test_second_document_with_one_key_is_refused_before_it_is_written",
        ),
    ),
    Mutant(
        "what JSON has no number for is written as null",
        "settlesim.store.journal.records",
        (('    if not frozen and b"null" in body:', "    if False:"),),
        ("store/test_texts.py::test_line_of_what_json_can_not_carry_is_refused",),
    ),
    Mutant(
        "an older snapshot is written behind when it came under its name",
        "settlesim.store.journal.replica_writing",
        (("stand is not None and stand.looks != looks", "stand is not None and stand.looks < 0"),),
        OLDER,
    ),
    Mutant(
        "an older snapshot is written behind when it was copied into the file",
        "settlesim.store.journal.names",
        (("if 0 <= wall_clock() - self._looked_at < PATIENCE:", "if self._looked_at > 0:"),),
        OLDER,
    ),
    Mutant(
        "the error of a sync is passed over",
        "settlesim.store.journal.database",
        (("            self._write_anew(seq, error, interrupts)\n", "            pass\n"),),
        CRASH,
    ),
    Mutant(
        "what a failed sync has dropped is believed",
        "settlesim.store.journal.replica_writing",
        (("        if not journal.trusted and journal.position > ", "        if False and "),),
        CRASH,
    ),
    Mutant(
        "no checksum of a record",
        "settlesim.store.journal.records",
        ((' or line[:9] != b"%08x " % crc32(line[9:]):', ":"),),
        NAMED,
    ),
    Mutant(
        "damage of a record is taken for a torn tail",
        "settlesim.store.journal.records",
        (("            if record.durable > seq:\n", "            if False:\n"),),
        NAMED,
    ),
    Mutant(
        "damage of a snapshot is passed over",
        "settlesim.store.journal.opening",
        (("    if layout.flaws:\n", "    if False:\n"),),
        NAMED,
    ),
    Mutant(
        "no lock between processes",
        "settlesim.store.journal.lock",
        (("                if files.try_lock(self._descriptor):\n", "                if True:\n"),),
        CONTENTION,
    ),
    Mutant(
        "ids are given again after a snapshot",
        "settlesim.store.journal.snapshot_file",
        (
            (
                '        "ids": tables.counters(),\n',
                '        "ids": dict.fromkeys(tables.counters(), 0),\n',
            ),
        ),
        CRASH,
    ),
)

RUNTIME = (
    Mutant(
        "a message is deleted before it is settled",
        "settlesim.runtime.message_handler",
        (
            (
                "                settlement, run = await self._run(case, event, look.snapshot)\n",
                "                await self.calls(self.queue.delete, case.message.receipt)\n"
                "                settlement, run = await self._run(case, event, look.snapshot)\n",
            ),
            (
                "            consumed=case.message.receipt,\n",
                "            consumed=None,\n",
            ),
        ),
        worker("test_stop_gives_back_what_does_not_end_in_time"),
    ),
    Mutant(
        "another idempotency key at each reception",
        "settlesim.runtime.message_handler",
        (
            (
                "self.interpreter.key_prefix(key, case.event_id)",
                "self.interpreter.key_prefix(key, case.message.receipt)",
            ),
        ),
        worker(
            "test_visibility_is_extended_while_services_run",
            "test_an_event_that_was_settled_is_consumed_without_being_applied",
        ),
    ),
    Mutant(
        "a fault of the store counts against the message",
        "settlesim.runtime.message_handler",
        (
            (
                "            except (StoreError, _LeaseLostError, _GivenBackError):\n"
                "                raise\n",
                "            except (_LeaseLostError, _GivenBackError):\n                raise\n",
            ),
        ),
        worker("test_an_instance_of_another_version_waits_for_a_worker_that_knows_it"),
    ),
)

MUTANTS = (*RULES, *JOURNAL, *RUNTIME)
