"""The look of the HTML report: one style sheet, light and dark, wide and narrow."""

from __future__ import annotations

__all__ = ["CSS"]

CSS = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --card: #f6f8fa; --ink: #1f2328; --soft: #59636e; --line: #d6dce2;
  --x: #2168a3; --y: #b84d06; --bad: #b42318; --warn: #8a5a00; --best: #e7f3ea; --best-ink: #14632c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --card: #1c2025; --ink: #e4e8ec; --soft: #9aa4af; --line: #343b43;
    --x: #6db3ea; --y: #f39a5b; --bad: #ff8a7a; --warn: #e3b341; --best: #16301f; --best-ink: #7ddb98;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif;
}
main, body > header, body > footer { max-width: 1180px; margin: 0 auto; padding: 0 1.25rem; }
body > header { padding-top: 2rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .75rem; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 0 0 .5rem; }
p { margin: .25rem 0 .75rem; max-width: 46rem; }
code { font: .9em ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.x, .y { font-weight: 600; overflow-wrap: anywhere; }
.x { color: var(--x); } .y { color: var(--y); }
.facts { display: flex; flex-wrap: wrap; gap: .35rem 1.75rem; margin: 0 0 1rem; }
.facts dt { color: var(--soft); font-size: .8rem; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
.facts > div { min-width: 0; }
table { border-collapse: collapse; width: 100%; font-size: .925rem; }
th, td {
  text-align: left; vertical-align: top; padding: .5rem .75rem .5rem 0; border-bottom: 1px solid var(--line);
}
thead th { color: var(--soft); font-weight: 500; font-size: .8rem; vertical-align: bottom; }
tbody th { font-weight: 600; overflow-wrap: anywhere; max-width: 18rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead .number { text-align: right; }
.number b { font-weight: 600; }
.number small { display: block; }
small, .soft { color: var(--soft); font-size: .82rem; }
.better { white-space: nowrap; }
.told { width: 54%; }
.told details { font-size: .82rem; color: var(--soft); }
.told summary { cursor: pointer; }
.note { margin: .25rem 0 0; font-size: .85rem; max-width: none; overflow-wrap: anywhere; }
.failed { color: var(--bad); font-weight: 600; } .note.failed { font-weight: 400; }
.warned { color: var(--warn); }
.left { color: var(--soft); font-weight: 400; }
.best { background: var(--best); color: var(--best-ink); border-radius: .3rem; padding: .05rem .35rem; }
.scroll, .plain { overflow-x: auto; }
.scroll tbody th { min-width: 8rem; }
.scroll .number, .plain .number { padding-left: .75rem; }
.measures .number { padding-right: 1.5rem; }
.measures .time { padding-right: 0; }
.measures tbody th { min-width: 11rem; }
.panels {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 0 2.5rem;
}
.panels section { min-width: 0; }
.panels tbody th { overflow-wrap: normal; }
main > section .plain tbody th { min-width: 7rem; }
.panels th, .panels td { padding-top: .3rem; padding-bottom: .3rem; }
.panels p { margin-bottom: .25rem; }
.pictures { columns: 2 26rem; column-gap: 1.25rem; margin-top: 1.5rem; orphans: 1; widows: 1; }
figure {
  display: inline-block; width: 100%; break-inside: avoid; margin: 0 0 1.25rem; padding: 1rem;
  background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
}
figure img { display: block; width: 100%; height: auto; }
figcaption { margin-top: .6rem; font-size: .85rem; color: var(--soft); overflow-wrap: anywhere; }
body > footer { color: var(--soft); font-size: .82rem; padding-top: 2rem; padding-bottom: 2rem; }
@media (max-width: 640px) {
  main, body > header, body > footer { padding-left: .9rem; padding-right: .9rem; }
  table.measures thead {
    position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  }
  table.measures, table.measures tbody { display: block; }
  table.measures tr {
    display: grid; grid-template-columns: 1fr auto; column-gap: 1rem;
    padding: .7rem 0; border-bottom: 1px solid var(--line);
  }
  table.measures th, table.measures td { border: 0; padding: 0; max-width: none; width: auto; }
  table.measures .number { padding: 0; }
  table.measures .better { grid-area: 2 / 1; }
  table.measures .time { grid-area: 2 / 2; }
  table.measures .told { grid-area: 3 / 1 / 3 / -1; padding: .2rem 0; }
  table.measures .time::after { content: " s"; }
  table.measures .better, table.measures .time { color: var(--soft); font-size: .82rem; }
  .scroll .better, .scroll thead th:nth-child(2) { display: none; }
  figure { padding: .7rem; }
}
"""
