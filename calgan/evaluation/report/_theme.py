"""The style sheet of the report: light and dark, wide and narrow, screen and paper."""

from __future__ import annotations

STYLE_SHEET = """
:root {
  color-scheme: light dark;
  --page: #fbfbfa; --card: #ffffff; --ink: #1c1e21; --soft: #5a6068; --line: #dcdfe3;
  --accent: #0b5a8f; --tint: #eef4f8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15181c; --card: #1e2227; --ink: #e8eaed; --soft: #a8b0b9; --line: #363c44;
    --accent: #7cc0f0; --tint: #1c2a36;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial,
    "DejaVu Sans", sans-serif;
}
main { max-width: 960px; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0.4rem 0 0.3rem; }
h2 {
  font-size: 1.25rem; line-height: 1.3; margin: 2.6rem 0 0.8rem; padding-top: 0.7rem;
  border-top: 2px solid var(--line);
}
h3 { font-size: 1rem; margin: 1.6rem 0 0.5rem; }
p { margin: 0.5rem 0; }
a { color: var(--accent); }
.facts, .note, figcaption { color: var(--soft); font-size: 0.9rem; }
.verdict {
  background: var(--tint); border-left: 4px solid var(--accent); border-radius: 4px;
  padding: 0.7rem 1rem; margin: 1.2rem 0;
}
.verdict p { font-size: 1.05rem; }
nav { font-size: 0.9rem; margin: 1rem 0; }
nav a { display: inline-block; margin: 0.1rem 1rem 0.1rem 0; }
.key { list-style: none; padding: 0; margin: 1rem 0; font-size: 0.9rem; }
.key li { margin: 0.25rem 0; padding-left: 1.6rem; text-indent: -1.6rem; }
.key i {
  display: inline-block; width: 0.95rem; height: 0.95rem; border-radius: 3px;
  margin-right: 0.65rem; vertical-align: -0.12rem; print-color-adjust: exact;
  -webkit-print-color-adjust: exact;
}
.scroll { overflow-x: auto; -webkit-overflow-scrolling: touch; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
.statistics { width: 100%; min-width: 640px; }
th, td { padding: 0.32rem 0.6rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid var(--line); vertical-align: bottom; }
tbody th { font-weight: normal; }
tr.group th { font-weight: 600; padding-top: 0.9rem; text-align: left; }
td.missing { color: var(--soft); font-style: italic; text-align: center; }
td small { color: var(--soft); white-space: nowrap; }
.statistics td small { display: block; }
td b { font-size: 1.02em; }
.plain { width: 100%; }
.plain th, .plain td { text-align: left; vertical-align: top; font-weight: normal; }
.plain th { width: 15rem; color: var(--soft); }
.plain td { overflow-wrap: anywhere; }
.badge {
  display: inline-block; font-size: 0.72rem; line-height: 1.3; padding: 0 0.4rem;
  border: 1px solid currentColor; border-radius: 0.7rem; color: var(--soft); white-space: nowrap;
}
figure {
  margin: 1.2rem 0 2rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; overflow: hidden;
}
figure .scroll { background: #ffffff; text-align: center; padding: 0.7rem; }
figure img { display: inline-block; max-width: 100%; height: auto; vertical-align: top; }
figcaption { padding: 0.7rem 1rem 0.85rem; }
figcaption b { color: var(--ink); }
.swipe { display: none; }
@media (max-width: 640px) {
  main { padding: 0.8rem 0.7rem 3rem; }
  h1 { font-size: 1.4rem; }
  figure .scroll { padding: 0.35rem; }
  figure img.wide { max-width: none; width: 620px; }
  .swipe { display: inline; }
  .plain th { width: 9rem; }
  .statistics th:first-child {
    position: sticky; left: 0; background: var(--page); max-width: 11rem;
  }
}
@media print {
  :root { --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --tint: #fff; }
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  nav, .swipe { display: none; }
  .scroll { overflow: visible; }
  .statistics { min-width: 0; font-size: 8.5pt; }
  th, td { padding: 0.2rem 0.35rem; }
  h2, h3 { break-after: avoid; }
  figure, table, tr, .verdict { break-inside: avoid; }
  a { color: inherit; text-decoration: none; }
}
"""
