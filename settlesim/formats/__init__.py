"""Charts that others wrote: XState, SCXML, Step Functions, Mermaid, sismic; in and out.

A reader turns a document into drafts (`settlesim.formats.draft`), and one assembly makes a chart
of them. What a chart cannot carry is reported by kind and place, never dropped silently. Nothing
in a document is run.
"""

from settlesim.formats.exporting import ExportedChart, export_chart
from settlesim.formats.importing import ImportedChart, import_chart

__all__ = ["ExportedChart", "ImportedChart", "export_chart", "import_chart"]
