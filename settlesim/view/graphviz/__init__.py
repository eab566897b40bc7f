"""Layout by Graphviz in a process of its own, and SVG to PNG."""
