"""Queues of messages that belong to a store, so that one commit covers both.

`fifo` and `standard` are the two kinds; `queue` is what they share, `messages` what may become
of one message, `lanes` and `queueing` in which order they come up, `upkeep` what an operator
does.
"""
