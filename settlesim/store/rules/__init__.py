"""The rules of instances: settled states, their history, marks of events, timers.

Each is written once, on the tables of `settlesim.store.database`, for every kind of store.
"""
