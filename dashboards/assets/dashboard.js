'use strict';
// What the browser does by itself: themes, the address, files.
window.dash_clientside = window.dash_clientside || {};

(function () {
  // Numbers as text, runs of them as first and last, at most so many parts.
  function runs(ids, most = Infinity) {
    const sorted = Array.from(new Set(ids)).sort((a, b) => a - b);
    const parts = [];
    for (const id of sorted) {
      const last = parts[parts.length - 1];
      if (last && id === last[1] + 1) last[1] = id;
      else parts.push([id, id]);
    }
    return parts.slice(0, most).map(([a, b]) => (a === b ? `${a}` : `${a}-${b}`)).join(',');
  }

  // The selected designs if they are of this run.
  function chosenOf(selected, run) {
    return selected && selected.run === run && Array.isArray(selected.ids) ? selected.ids : [];
  }

  let brushed = '';  // ids that the ranges on the parallel axes have selected, as text
  let brushes = 0;  // counts the times that something else was selected: then ranges are let go

  // Thousands of lines are drawn when they come into view, as without a graphics card they take
  // seconds, which whoever looks at the designs above need not wait for.
  const IN_VIEW_PX = 60;
  let watched = {place: null, observer: null};  // the figure of lines, and what watches it
  let linesDrawn = [];  // what they were drawn from

  // Say whenever the figure comes into view or leaves it.
  function watchLines(place) {
    if (watched.place === place) return;
    if (watched.observer) watched.observer.disconnect();
    linesDrawn = [];
    const observer = new IntersectionObserver(
      ([entry]) => window.dash_clientside.set_props('front-lines-seen',
        {data: entry.isIntersecting}),
      {rootMargin: `0px 0px -${IN_VIEW_PX}px 0px`});
    observer.observe(place);
    watched = {place, observer};
  }

  function isInView(place) {
    const {top, bottom} = place.getBoundingClientRect();
    return top < window.innerHeight - IN_VIEW_PX && bottom > 0;
  }

  // What the sliders were last asked with, and whether the answer is still to come.
  const question = {frame: '', number: 0, values: '', sent: -Infinity, open: false};
  const PATIENCE_MS = 3000;  // after which an answer is taken for lost
  const PAUSE_MS = 150;  // of the sliders, after which the curve is drawn anew
  let pause = 0, ranges = '';

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
        query.set('select', runs(selected.ids, 500));
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

    // The front's figure with the selected designs marked in it.
    marked(figure, selected, run) {
      if (!figure) return window.dash_clientside.no_update;
      const ids = new Set(chosenOf(selected, run));
      const data = figure.data.map((trace) => {
        if (trace.name !== 'front' || !ids.size) return trace;
        const shown = trace.customdata;
        if (trace.type === 'scatter3d') {  // which has no points that are not selected
          const size = shown.map((id) => (ids.has(id) ? 7 : 2.5));
          return {...trace, marker: {...trace.marker, size}};
        }
        const selectedpoints = [];
        shown.forEach((id, i) => { if (ids.has(id)) selectedpoints.push(i); });
        return {...trace, selectedpoints};
      });
      // What was drawn around designs goes once they are selected: a click there would not reach
      // them.
      const layout = {...figure.layout, selections: [], selectionrevision: runs(ids)};
      return {...figure, data, layout};
    },

    // The lines with the selected designs marked: by the server where there are few, else here.
    markedLines(figure, selected, _, run) {
      const none = window.dash_clientside.no_update;
      if (!figure) return none;
      const lines = figure.data[0];
      if (!lines || lines.type !== 'parcoords') return figure;
      const ids = chosenOf(selected, run), text = runs(ids);
      const place = document.getElementById('front-parallel');
      if (!place) return none;
      watchLines(place);
      if (!isInView(place) || (linesDrawn[0] === figure && linesDrawn[1] === text)) return none;
      linesDrawn = [figure, text];
      if (text !== brushed) {  // something else was selected: the ranges are let go
        brushed = text;
        brushes += 1;
        for (const axis of lines.dimensions) delete axis.constraintrange;
      }
      const layout = {...figure.layout, uirevision: `brushes ${brushes}`};
      if (!ids.length) return {...figure, layout};
      const own = new Set(ids), colours = lines.line.color;
      let low = Infinity, high = -Infinity;
      for (const value of colours) { low = Math.min(low, value); high = Math.max(high, value); }
      const foot = low - 0.08 * (high - low || 1), grey = lines.unselected.line.color;
      const scale = lines.line.colorscale.map(([at, colour]) => [0.08 + 0.92 * at, colour]);
      const line = {
        ...lines.line, cmin: foot, cmax: high,
        color: colours.map((value, i) => (own.has(Number(lines.ids[i])) ? value : foot)),
        colorscale: [[0, grey], [0.07, grey], [0.07, scale[0][1]], ...scale],
      };
      return {...figure, layout, data: [{...lines, line}]};
    },

    // Ranges that are dragged along parallel axes select the designs in all of them.
    brushedLines(change, run) {
      const plot = document.querySelector('#front-parallel .js-plotly-plot');
      const lines = plot && plot._fullData && plot._fullData[0];
      if (!change || !lines || lines.type !== 'parcoords') return;
      const tests = lines.dimensions.filter((axis) => axis.constraintrange).map((axis) => {
        const ranges = axis.constraintrange;
        const all = Array.isArray(ranges[0]) ? ranges : [ranges];
        return (i) => all.some(([a, b]) => a <= axis.values[i] && axis.values[i] <= b);
      });
      const ids = tests.length
        ? lines.ids.filter((_, i) => tests.every((test) => test(i))).map(Number) : [];
      brushed = runs(ids);
      window.dash_clientside.set_props('selected', {data: {run, ids}});
    },

    // A design that is clicked is opened: as a link of the frame would, without a new page. On
    // three axes a click selects.
    openDesign(click, run) {
      const point = click && click.points && click.points[0];
      if (!point || 'z' in point || !Number.isInteger(point.customdata)) return;
      window.dash_clientside.set_props('design', {data: {run, id: point.customdata}});
      window.history.pushState({}, '', '/design');
      window.dispatchEvent(new CustomEvent('_dashprivate_pushstate'));
      window.scrollTo(0, 0);
    },

    // One question is on its way at a time: what sliders pass through while it is answered is
    // never asked, and where they stand then is asked next.
    ask(threshold, deadline, volts, answer, frame) {
      const none = window.dash_clientside.no_update;
      if (threshold === undefined || !volts) return none;
      if (frame !== question.frame) {  // sliders of another design, or the same ones made anew
        Object.assign(question, {frame, values: '', open: false});
        ranges = '';
      }
      if (answer && answer.number === question.number) question.open = false;
      const text = JSON.stringify([threshold, deadline, volts]), now = performance.now();
      const lost = now - question.sent > PATIENCE_MS;
      if (text === question.values || (question.open && !lost)) return none;
      Object.assign(question, {number: question.number + 1, values: text, sent: now, open: true});
      return {number: question.number, values: [threshold, deadline, volts]};
    },

    // The answer as texts of the page; the curve follows when the sliders rest.
    answered(answer) {
      const none = window.dash_clientside.no_update, n = 6;
      if (!answer) return Array(2 * n + 2).fill(none);
      const [threshold, ...rest] = JSON.parse(question.values), wanted = JSON.stringify(rest);
      if (wanted !== ranges) {
        window.clearTimeout(pause);
        pause = window.setTimeout(() => {
          ranges = wanted;
          window.dash_clientside.set_props('what-if-ranges', {data: [threshold, ...rest]});
        }, PAUSE_MS);
      }
      const facts = answer.facts.length ? answer.facts : Array(n).fill(['–', none]);
      return [...facts.map(([value]) => value), ...facts.map(([, change]) => change),
        answer.reason, answer.told];
    },

    // The curve with its line where the threshold stands.
    standing(figure, threshold) {
      if (!figure) return window.dash_clientside.no_update;
      const shapes = (figure.layout.shapes || []).map(
        (shape) => ({...shape, x0: threshold, x1: threshold}));
      return {...figure, layout: {...figure.layout, shapes}};
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
