"""Style sheet and script of the report page: plain text without any data in it."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { --ink: #1c2530; --muted: #5a6673; --line: #dde2e8; --soft: #f5f7f9; --accent: #0072b2; }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 56px; }
body { margin: 0; color: var(--ink); background: #fff; line-height: 1.5; font-size: 15px;
  font-family: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; }
nav { position: sticky; top: 0; z-index: 5; background: rgba(255, 255, 255, .96);
  border-bottom: 1px solid var(--line); }
nav div { max-width: 1240px; margin: 0 auto; padding: 9px 24px; display: flex; gap: 4px 20px;
  flex-wrap: wrap; font-size: 14px; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
main { max-width: 1240px; margin: 0 auto; padding: 12px 24px 72px; }
h1 { font-size: 28px; line-height: 1.25; margin: 22px 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 20px; margin: 46px 0 4px; padding-top: 18px; border-top: 1px solid var(--line); }
h3 { font-size: 15px; margin: 22px 0 0; }
p { margin: 6px 0; max-width: 960px; }
.found { font-size: 17px; }
.note { color: var(--muted); font-size: 14px; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 16px;
  margin-top: 18px; }
.card { background: var(--soft); border-radius: 8px; padding: 12px 16px 14px; }
.card h3 { margin: 0 0 6px; }
dl { display: grid; grid-template-columns: fit-content(42%) 1fr; gap: 3px 14px; margin: 0;
  font-size: 13.5px; }
dt { color: var(--muted); overflow-wrap: anywhere; }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.menus { display: flex; flex-wrap: wrap; gap: 6px 20px; margin: 10px 0 4px; font-size: 14px; }
.menus label { color: var(--muted); }
select, .plain { font: inherit; color: var(--ink); background: #fff; border: 1px solid #aab4bf;
  border-radius: 5px; padding: 4px 8px; margin-left: 6px; max-width: 100%; }
.plain { cursor: pointer; }
select:focus-visible, button:focus-visible { outline: 2px solid var(--accent); }
.figure { width: 100%; }
.wide { overflow-x: auto; position: relative; left: 50%; width: calc(100vw - 56px);
  transform: translateX(-50%); }
.parcoords .axis .tick text { paint-order: stroke; stroke: #fff; stroke-width: 3px;
  stroke-linejoin: round; text-shadow: none !important; }
.empty { background: var(--soft); border-radius: 8px; padding: 14px 16px; color: var(--muted);
  max-width: none; }
.scroll { overflow: auto; max-height: 620px; border: 1px solid var(--line); border-radius: 6px;
  margin-top: 10px; }
table { border-collapse: separate; border-spacing: 0; font-size: 13px; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th { position: sticky; top: 0; z-index: 1; background: var(--soft);
  border-bottom: 1px solid #aab4bf; padding: 0; text-align: left; vertical-align: bottom; }
th button { all: unset; cursor: pointer; padding: 6px 11px; font-weight: 600; white-space: normal;
  min-width: 62px; max-width: 150px; display: inline-block; line-height: 1.3; }
th button:hover { color: var(--accent); }
th[aria-sort=ascending] button::after { content: ' \\25B2'; font-size: 10px; }
th[aria-sort=descending] button::after { content: ' \\25BC'; font-size: 10px; }
td { padding: 4px 11px; border-bottom: 1px solid #eef1f4; }
td.n { text-align: right; }
th.n { text-align: right; }
th:first-child, td:first-child { position: sticky; left: 0; background: #fff; z-index: 1; }
th:first-child { background: var(--soft); z-index: 2; }
tbody tr:hover td { background: #eef5fa; }
tbody tr.picked td { background: #fdf1d6; }
.beside { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 4px 28px;
  align-items: start; }
@media (max-width: 860px) { .beside { grid-template-columns: minmax(0, 1fr); } }
.plain-table { overflow-x: auto; margin-top: 10px; }
.plain-table table { white-space: normal; }
.plain-table th { position: static; padding: 6px 11px; font-weight: 600; }
.plain-table td { vertical-align: top; }
.plain-table td:first-child, .plain-table th:first-child { position: static; white-space: nowrap; }
.parts { margin-top: 22px; }
.parts caption { text-align: left; font-weight: 600; padding: 0 0 6px; white-space: normal; }
.parts th { position: static; padding: 4px 9px; background: none; font-weight: 600; }
.parts td { padding: 3px 9px; }
.parts td:first-child, .parts th:first-child { position: static; background: none;
  padding-left: 0; }
.parts tfoot td { border-top: 1px solid #aab4bf; border-bottom: 0; font-weight: 600; }
@media print { nav { display: none; } .scroll { max-height: none; } }
"""

SCRIPT: Final = r"""
'use strict';
(function () {
  const config = {responsive: true, displaylogo: false, showSendToCloud: false,
    plotlyServerURL: '', doubleClick: 'autosize',
    modeBarButtonsToRemove: ['lasso2d', 'select2d', 'resetScale2d']};
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const all = (selector) => Array.from(document.querySelectorAll(selector));

  // Set `value` at a dotted path such as 'marker.color', making the objects on the way.
  function put(target, path, value) {
    const keys = path.split('.');
    const last = keys.pop();
    for (const key of keys) {
      if (typeof target[key] !== 'object' || target[key] === null) target[key] = {};
      target = target[key];
    }
    target[last] = value;
  }

  const figures = {};
  const pages = [];
  const webgl = Boolean(document.createElement('canvas').getContext('webgl'));
  for (const div of all('.figure')) {
    if (div.dataset.webgl && !webgl) {
      div.className = 'empty';
      div.removeAttribute('style');
      div.textContent = 'This browser has no WebGL, which parallel coordinates are drawn with: '
        + 'every value is in the table below.';
      continue;
    }
    const figure = read(div.id + '-data');
    figures[div.id] = figure;
    pages.push(Plotly.newPlot(div, figure.data, figure.layout, config).then(() => listen(div)));
  }

  // A choice is put into the figure, which is then drawn anew: the view fits the new axis. A menu
  // that keeps the window hands the axes over as they are.
  for (const select of all('select[data-figure]')) {
    select.addEventListener('change', () => {
      const figure = figures[select.dataset.figure];
      const menu = figure.menus[Number(select.dataset.menu)];
      const choice = menu.choices[Number(select.value)];
      const div = document.getElementById(select.dataset.figure);
      for (const [path, values] of Object.entries(choice.traces)) {
        menu.trace_indices.forEach((trace, i) => put(figure.data[trace], path, values[i]));
      }
      for (const [path, value] of Object.entries(choice.layout)) put(figure.layout, path, value);
      if (menu.keeps_window) {
        for (const axis of ['xaxis', 'yaxis']) {
          put(figure.layout, axis + '.range', div.layout[axis].range.slice());
          put(figure.layout, axis + '.autorange', false);
        }
      } else {
        put(figure.layout, 'xaxis.autorange', undefined);
      }
      Plotly.react(div, figure.data, figure.layout, config);
    });
  }

  const body = document.querySelector('#table tbody');
  const rows = body ? Array.from(body.rows) : [];

  // Clicking a point picks its row; brushing parallel axes keeps the rows and points inside.
  function listen(div) {
    if (div.id === 'front') {
      div.on('plotly_click', (event) => {
        const id = String(event.points[0].customdata);
        for (const row of rows) row.classList.toggle('picked', row.dataset.id === id);
        const row = rows.find((r) => r.dataset.id === id);
        if (row) row.scrollIntoView({block: 'center'});
      });
    }
    if (div.id === 'parallel') div.on('plotly_restyle', () => brush(div));
  }

  function brush(div) {
    const trace = div.data[0];
    const limits = trace.dimensions.filter((d) => d.constraintrange && d.constraintrange.length)
      .map((d) => [d.values, Array.isArray(d.constraintrange[0])
        ? d.constraintrange : [d.constraintrange]]);
    const inside = (i) => limits.every(([values, ranges]) =>
      ranges.some(([low, high]) => values[i] >= low && values[i] <= high));
    const kept = trace.ids.map((_, i) => i).filter(inside);
    const ids = new Set(kept.map((i) => String(trace.ids[i])));
    for (const row of rows) row.hidden = limits.length > 0 && !ids.has(row.dataset.id);
    const note = document.getElementById('brushed');
    if (note) {
      note.textContent = limits.length
        ? `Brushed: ${kept.length} of ${trace.ids.length} lines, also in the front and the table.`
        : '';
    }
    const front = document.getElementById('front');
    if (front && figures.front) {
      const places = figures.front.data[1].customdata.map((id, i) => [String(id), i])
        .filter(([id]) => ids.has(id)).map(([, i]) => i);
      const selected = limits.length ? places : null;
      figures.front.data[1].selectedpoints = selected;
      Plotly.restyle(front, {selectedpoints: [selected]}, [1]);
    }
  }

  all('#table th button').forEach((button, column) => {
    button.addEventListener('click', () => {
      const head = button.parentElement;
      const up = head.getAttribute('aria-sort') !== 'ascending';
      all('#table th').forEach((th) => th.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const key = (row) => {
        const cell = row.cells[column];
        return head.classList.contains('n') ? Number(cell.dataset.v) : cell.textContent;
      };
      const keyed = rows.map((row) => [key(row), row]);
      keyed.sort(([a], [b]) => (up ? 1 : -1) * (typeof a === 'number'
        ? a - b : a.localeCompare(b, 'en', {numeric: true})));
      body.append(...keyed.map(([, row]) => row));
    });
  });

  Promise.all(pages).then(() => document.documentElement.setAttribute('data-drawn', 'yes'));
})();
"""
