"""Weight files: layouts, matching report, transfer, conversion, export."""
