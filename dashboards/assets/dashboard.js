'use strict';
// What the browser does by itself: themes, the address, files.
window.dash_clientside = window.dash_clientside || {};

(function () {
  function runs(ids) {
    const sorted = Array.from(new Set(ids)).sort((a, b) => a - b);
    const parts = [];
    for (const id of sorted) {
      const last = parts[parts.length - 1];
      if (last && id === last[1] + 1) last[1] = id;
      else parts.push([id, id]);
    }
    return parts.slice(0, 500).map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(',');
  }

  window.dash_clientside.edge = {
    // Which theme the page is in; the table follows an attribute of the body.
    theme(theme) {
      const scheme = theme === 'dark' ? 'dark' : 'light';
      document.body.dataset.agThemeMode = scheme;
      return [scheme, scheme === 'dark' ? 'Light theme' : 'Dark theme'];
    },

    otherTheme(clicks, theme) {
      if (!clicks) return window.dash_clientside.no_update;
      return theme === 'dark' ? 'light' : 'dark';
    },

    // The address names run, selection and design, so that it can be kept and sent.
    address(path, run, selected, design) {
      for (const link of document.querySelectorAll('.tabs a')) {
        if (link.getAttribute('href') === path) link.setAttribute('aria-current', 'page');
        else link.removeAttribute('aria-current');
      }
      const query = new URLSearchParams();
      if (run) query.set('run', run);
      if (selected && selected.run === run && selected.ids && selected.ids.length) {
        query.set('select', runs(selected.ids));
      }
      if (design && design.run === run && Number.isInteger(design.id)) {
        query.set('design', String(design.id));
      }
      const text = query.toString().replace(/%2C/g, ',').replace(/%2F/g, '/');
      const next = window.location.pathname + (text ? '?' + text : '');
      if (next !== window.location.pathname + window.location.search) {
        window.history.replaceState(window.history.state, '', next);
      }
    },

    // A design that is clicked is opened: as a link of the frame would, without a new page.
    openDesign(click, run) {
      const point = click && click.points && click.points[0];
      if (!point || !Number.isInteger(point.customdata)) return;
      window.dash_clientside.set_props('design', {data: {run, id: point.customdata}});
      window.history.pushState({}, '', '/design');
      window.dispatchEvent(new CustomEvent('_dashprivate_pushstate'));
      window.scrollTo(0, 0);
    },

    saveFigure(clicks, id) {
      const graph = clicks && document.getElementById(id.figure);
      const plot = graph && graph.querySelector('.js-plotly-plot');
      if (!plot) return;
      const dark = document.body.dataset.agThemeMode === 'dark';
      const layout = {...plot.layout, paper_bgcolor: dark ? '#1e2227' : '#ffffff'};
      window.Plotly.downloadImage({data: plot.data, layout}, {
        format: id.kind, filename: id.figure, width: plot.clientWidth, height: plot.clientHeight,
        scale: id.kind === 'png' ? 2 : 1,
      });
    },
  };
})();
