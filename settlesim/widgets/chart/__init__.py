"""`ChartPanel`: one instance of a chart, live."""
