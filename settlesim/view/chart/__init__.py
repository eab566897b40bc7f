"""Pictures of a chart, with the active states of an instance and the path of an event."""
