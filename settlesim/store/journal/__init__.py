"""A database that survives its process: a snapshot, a journal beside it, and one lock.

`database` is what the stores use; `blocks` are what it reads and writes in. `replica` follows
the files in memory, `replica_writing` adds to them; `records` and `snapshot_file` are what the
bytes mean, `files` and `lock` the calls of the system. `tinydb_form` shows it as a TinyDB.
"""
