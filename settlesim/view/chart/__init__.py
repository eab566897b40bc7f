"""Pictures of a chart, of where an instance is, and of the path that an event took."""
