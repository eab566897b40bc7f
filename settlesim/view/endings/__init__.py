"""Pictures of all endings: bars, grids, growth, and the graph of states."""
