"""Groups of statistics, as tables and figures show them."""

GROUPS = {
    "published": "Published statistics of spikes",
    "population": "Population statistics: what neurons do together",
    "trace": "Statistics of single neurons",
    "window": "Whole windows: can they be told from held-out ones?",
}
"""Parts of the table, in order, and their headings."""
