"use strict";
// Draws and filters what the payload holds. All numbers are computed before; nothing is computed here but places.
(() => {
  const content = JSON.parse(document.getElementById("payload").textContent);
  const hidden = { problem: new Set(), size: new Set(), arm: new Set() };
  const redraws = []; // of the charts that were drawn
  const refilters = []; // of everything that a filter can hide

  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value === true) element.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
  const few = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
  const number = (value) => (Math.abs(value) >= 1000 ? whole : few).format(value);
  const shown = (value) => (value === null ? "–" : typeof value === "number" ? number(value) : value);

  const passes = (place) => !hidden.problem.has(place.problem) && !hidden.size.has(place.size);

  // ---- how arms look: the same network has the same colour everywhere, baselines are black and grey

  const BASELINES = {
    "cp-sat": ["var(--ink)", ""], cold: ["var(--ink)", ""], "cold-again": ["var(--grey)", "6,3"], native: ["var(--ink)", ""],
    rnd: ["var(--grey)", "1,3"], random: ["var(--grey)", "1,3"], "random-value": ["var(--grey)", "1,3"], "random-restarts": ["var(--grey)", "6,2,1,2"],
    "min-value": ["var(--grey)", "6,3"], "smallest-domain": ["var(--grey)", "6,3"], alone: ["var(--grey)", "6,3"],
    "default-phase": ["var(--grey)", ""], singles: ["var(--grey)", "6,2,1,2"],
  };
  const FIXED = { bp: 0, universal: 1 };
  const DASHES = ["", "7,3", "2,2", "8,3,2,3"];
  const SYMBOLS = ["circle", "square", "triangle", "diamond", "star", "wye"];
  const NUM_COLOURS = 6;

  function networkOf(arm) {
    return arm.replace(/^(race|dives)\//, "").replace(/\/(min-domain|most-confident|first)$/, "");
  }

  function looksOf(section) {
    const arms = new Set();
    const blocks = [...section.blocks, ...section.groups.flatMap((group) => group.blocks)];
    for (const block of blocks) for (const one of block.series || []) arms.add(one.arm);
    const looks = {};
    const slots = new Map();
    const drawn = new Map(); // colour -> how many arms have it
    const countOf = (colour) => {
      const before = drawn.get(colour) || 0;
      drawn.set(colour, before + 1);
      return before;
    };
    const names = [...arms].filter((arm) => !BASELINES[arm]);
    for (const arm of names) if (networkOf(arm) in FIXED) slots.set(networkOf(arm), FIXED[networkOf(arm)]);
    const taken = new Set(slots.values());
    let next = 0;
    for (const arm of arms) {
      if (BASELINES[arm]) {
        const [colour, dash] = BASELINES[arm];
        looks[arm] = { colour, dash, symbol: SYMBOLS[countOf(colour) % SYMBOLS.length] };
        continue;
      }
      const network = networkOf(arm);
      if (!slots.has(network)) {
        while (taken.has(next)) next += 1;
        taken.add(next);
        slots.set(network, next);
      }
      const place = slots.get(network) % NUM_COLOURS;
      const colour = `var(--s${place})`;
      const before = countOf(colour); // other arms of the network, or other networks where there are more than colours
      looks[arm] = { colour, dash: DASHES[before % DASHES.length], symbol: SYMBOLS[(place + before) % SYMBOLS.length] };
    }
    return looks;
  }

  // ---- charts

  const swatches = new Map(); // a page has a thousand, and few of them differ
  function swatch(look, dots) {
    const key = JSON.stringify([look, dots]);
    if (!swatches.has(key)) swatches.set(key, drawSwatch(look, dots));
    return swatches.get(key).cloneNode(true);
  }

  function drawSwatch(look, dots) {
    const mark = dots
      ? Plot.dot([0], { frameAnchor: "middle", symbol: look.symbol, r: 3.5, fill: look.colour })
      : Plot.line([[0, 0], [1, 0]], { stroke: look.colour, strokeWidth: 2.4, strokeDasharray: look.dash || null });
    const box = Plot.plot({ width: 22, height: 14, margin: 0, axis: null, marks: [mark] });
    box.setAttribute("aria-hidden", "true");
    box.querySelector("style").remove(); // for text, and a thousand copies would slow the page down
    return box;
  }

  function power(value) {
    if (value === 0) return "0";
    if (value >= 1e6) return `${value / 1e6}M`;
    if (value >= 1e3) return `${value / 1e3}k`;
    return String(Number(value.toPrecision(3)));
  }

  function scaleOf(axis, values, across) {
    const low = Math.min(...values);
    const high = Math.max(...values);
    const scale = { label: axis.label, grid: true, tickSpacing: across ? 90 : 40, ...(across ? { labelAnchor: "center" } : {}) };
    if (axis.domain) scale.domain = axis.domain;
    if (axis.scale === "linear" || !values.length) return { ...scale, nice: !axis.domain };
    const ticks = axis.scale === "symlog" ? [0] : [];
    const first = axis.scale === "symlog" ? 0 : Math.floor(Math.log10(low));
    const last = Math.ceil(Math.log10(Math.max(high, 1e-9)));
    const steps = last - first <= 2 ? [1, 2, 5] : [1];
    for (let exponent = first; exponent <= last; exponent += 1) {
      for (const step of steps) ticks.push(Number((step * 10 ** exponent).toPrecision(3)));
    }
    const between = ticks.filter((tick) => tick >= low && tick <= high);
    return {
      ...scale, type: axis.scale, ticks: between.length > 1 ? between : undefined, tickFormat: power,
      ...(axis.scale === "symlog" ? { constant: 1, domain: [0, Math.max(high, 1)] } : { domain: [low, high > low ? high : low * 10] }),
    };
  }

  function draw(chart, looks, width) {
    const visible = chart.series.filter((one) => !hidden.arm.has(one.arm));
    const points = visible.flatMap((one) => [...one.points, ...one.hollow]);
    if (!points.length) return null;
    const marks = [];
    const flat = [];
    for (const one of visible) {
      const look = looks[one.arm];
      const say = (what) => (point) => flat.push({ x: point[0], y: point[1],
        title: `${one.arm}${what}\n${chart.x.label}: ${number(point[0])}\n${chart.y.label}: ${number(point[1])}` });
      one.points.forEach(say(""));
      one.hollow.forEach(say(", reached a limit"));
      if (one.draw === "dot") {
        const dots = { x: "0", y: "1", symbol: look.symbol, r: 3, clip: false };
        marks.push(Plot.dot(one.points, { ...dots, fill: look.colour, fillOpacity: 0.65, className: "series" }));
        marks.push(Plot.dot(one.hollow, { ...dots, stroke: look.colour, strokeOpacity: 0.8, className: "series" }));
      } else {
        if (one.band.length) {
          marks.unshift(Plot.areaY(one.band, { x: "0", y1: "1", y2: "2", fill: look.colour, fillOpacity: 0.18, className: "band" }));
        }
        marks.push(Plot.line(one.points, { x: "0", y: "1", stroke: look.colour, strokeWidth: 2, strokeDasharray: look.dash || null,
          curve: one.draw === "step" ? "step-after" : "linear", className: "series" }));
        if (one.points.length === 1) marks.push(Plot.dot(one.points, { x: "0", y: "1", fill: look.colour, r: 4 }));
      }
    }
    marks.push(Plot.tip(flat, Plot.pointer({ x: "x", y: "y", title: "title", fontSize: 12 })));
    return Plot.plot({
      width, height: Math.round(Math.max(220, Math.min(340, width * 0.62))), marginLeft: 52, marginTop: 26, marginBottom: 40, marginRight: 14,
      x: scaleOf(chart.x, points.map((point) => point[0]), true), y: scaleOf(chart.y, points.map((point) => point[1]), false),
      ariaLabel: `${chart.title}. ${chart.x.label} against ${chart.y.label}.`,
      ariaDescription: visible.map((one) => `${one.arm} ${one.label}`).join("; "), marks,
    });
  }

  function pointTable(chart) {
    const body = make("tbody");
    for (const one of chart.series) {
      for (const [points, ended] of [[one.points, ""], [one.hollow, " (limit)"]]) {
        for (const point of points) {
          body.append(make("tr", {}, make("td", {}, one.arm + ended), make("td", { class: "number" }, number(point[0])),
            make("td", { class: "number" }, number(point[1]))));
        }
      }
    }
    const head = make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "arm"),
      make("th", { scope: "col", class: "number" }, chart.x.label), make("th", { scope: "col", class: "number" }, chart.y.label)));
    return make("div", { class: "long" }, make("div", { class: "scroll", tabindex: 0 }, make("table", {}, head, body)));
  }

  function chartOf(chart, looks) {
    const drawing = make("div", { class: "drawing" });
    const legend = make("div", { class: "legend", role: "group", "aria-label": "Arms; press to hide or show" });
    for (const one of chart.series) {
      const button = make("button", { type: "button", onclick: () => toggle("arm", one.arm) },
        swatch(looks[one.arm], one.draw === "dot"), make("span", {}, one.arm, one.label ? make("em", {}, `  ${one.label}`) : null));
      legend.append(button);
      refilters.push(() => button.setAttribute("aria-pressed", String(!hidden.arm.has(one.arm))));
    }
    const data = make("details", { class: "data", ontoggle: () => {
      if (data.open && data.children.length === 1) data.append(pointTable(chart));
    } }, make("summary", {}, "The data as a table"));
    let drawn = "";
    const redraw = (width) => {
      const wanted = JSON.stringify([width, chart.series.map((one) => hidden.arm.has(one.arm))]);
      if (!width || wanted === drawn) return;
      drawn = wanted;
      drawing.replaceChildren(draw(chart, looks, width) || make("p", { class: "nothing" }, "All arms of this chart are filtered out."));
    };
    redraws.push([drawing, redraw]);
    new ResizeObserver(([entry]) => redraw(Math.floor(entry.contentRect.width))).observe(drawing); // also when a folded group opens
    return make("figure", {}, make("figcaption", {}, chart.title), legend, drawing,
      chart.note ? make("p", { class: "note" }, chart.note) : null, data);
  }

  // ---- tables

  function tableOf(table) {
    const rows = table.rows.map((row) => ({ row, element: null }));
    const numeric = table.columns.map((_, column) =>
      rows.some(({ row }) => row.cells[column] !== null) && rows.every(({ row }) => row.cells[column] === null ||
        typeof row.cells[column] === "number" || /^[-+−]?[\d.,]+( ?%)?$/.test(row.cells[column])));
    const body = make("tbody");
    for (const entry of rows) {
      entry.element = make("tr", {}, ...entry.row.cells.map((cell, column) =>
        make("td", { class: numeric[column] ? "number" : /^(\S+ (of|to) \S+|\d+-\d\d-\d\d \d\d:\d\d)$/.test(cell) ? "whole" : null }, String(shown(cell)))));
      body.append(entry.element);
    }
    const heads = table.columns.map((title, column) => {
      const head = make("th", { scope: "col", class: numeric[column] ? "number" : null },
        make("button", { type: "button", title: "Sort", onclick: () => sort(column) }, title));
      return head;
    });
    function sort(column) {
      const down = heads[column].getAttribute("aria-sort") === "ascending";
      for (const head of heads) head.removeAttribute("aria-sort");
      heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = ({ row }) => {
        const cell = row.cells[column];
        return numeric[column] && typeof cell === "string" ? Number(cell.replace(/[,% ]/g, "")) : cell;
      };
      rows.sort((one, other) => {
        const [a, b] = [value(one), value(other)];
        if (a === null || b === null) return (a === null) - (b === null);
        const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
        return down ? -order : order;
      });
      body.append(...rows.map((entry) => entry.element));
    }
    const nothing = make("p", { class: "nothing" }, "Every row of this table is filtered out.");
    const element = make("div", { class: rows.length > 24 ? "table long" : "table" },
      make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": table.title },
        make("table", {}, make("caption", {}, table.title), make("thead", {}, make("tr", {}, ...heads)), body)),
      nothing, table.note ? make("p", { class: "note" }, table.note) : null);
    refilters.push(() => {
      let left = 0;
      for (const { row, element: line } of rows) {
        line.hidden = !passes(row.place) || hidden.arm.has(row.arm);
        left += line.hidden ? 0 : 1;
      }
      nothing.hidden = left > 0 || !rows.length;
    });
    if (!table.folded) return element;
    return make("details", { class: "group" }, make("summary", {}, table.title), element);
  }

  function blocksOf(blocks, looks) {
    const parts = [];
    let charts = null;
    for (const block of blocks) {
      if (block.kind === "chart") {
        if (!charts) parts.push((charts = make("div", { class: "charts" })));
        charts.append(chartOf(block, looks));
      } else {
        charts = null;
        parts.push(tableOf(block));
      }
    }
    return parts;
  }

  // ---- sections

  function sectionOf(section) {
    const looks = looksOf(section);
    const groups = section.groups.map((group, index) => {
      const element = make("details", { class: "group", open: index === 0 },
        make("summary", {}, group.title), ...blocksOf(group.blocks, looks));
      refilters.push(() => { element.hidden = !passes(group.place); });
      return element;
    });
    const nothing = make("p", { class: "nothing" }, "No instances of this section pass the filter.");
    refilters.push(() => { nothing.hidden = !groups.length || groups.some((group) => !group.hidden); });
    const fold = (open) => () => groups.forEach((group) => { group.open = open; });
    const tools = groups.length > 1 ? make("p", { class: "tools" },
      make("button", { type: "button", onclick: fold(true) }, "Unfold all"), " ",
      make("button", { type: "button", onclick: fold(false) }, "Fold all")) : null;
    return make("section", { id: `suite-${section.name}`, "aria-label": section.title }, make("h2", {}, section.title),
      make("p", { class: "lead" }, section.lead), ...blocksOf(section.blocks, looks), tools, ...groups, nothing);
  }

  function cardOf(headline) {
    const sides = headline.sides.map((side) => make("div", { class: "side" }, make("b", {}, side.figure), make("small", {}, side.words),
      side.share === null ? null : make("div", { class: "share", "aria-hidden": "true" },
        make("i", { style: `width:${(100 * side.share).toFixed(1)}%` }))));
    const tone = { good: "▲ The learned side gains", bad: "▼ The learned side costs", mixed: "▲▼ Gains and losses", none: "Neither gain nor loss" }[headline.tone];
    return make("article", { class: `card ${headline.tone}` }, make("h2", {}, headline.title),
      headline.section && make("p", { class: "tone" }, `${tone} · ${headline.better}`), ...sides, make("p", {}, headline.words),
      headline.section && make("a", { href: `#suite-${headline.section}` }, "All measurements of this"));
  }

  // ---- filters

  function toggle(kind, value) {
    if (hidden[kind].has(value)) hidden[kind].delete(value);
    else hidden[kind].add(value);
    refilter();
  }

  function refilter() {
    for (const one of refilters) one();
    const widths = redraws.map(([drawing]) => drawing.clientWidth); // all before any drawing, after which the page is laid out anew
    redraws.forEach(([, redraw], place) => redraw(widths[place]));
    const words = Object.entries(hidden).filter(([, values]) => values.size)
      .map(([kind, values]) => `${values.size} ${values.size === 1 ? kind : `${kind}s`}`);
    document.getElementById("filter-words").textContent =
      words.length ? `Filter: ${words.join(", ")} hidden` : "Filter by problem, size or arm: everything is shown";
  }

  function fieldOf(kind, title, groups) {
    const values = groups.flatMap(([, names]) => names);
    const set = (all) => () => {
      for (const value of values) all ? hidden[kind].delete(value) : hidden[kind].add(value);
      refilter();
    };
    const field = make("fieldset", { "data-kind": kind }, make("legend", {}, title, " ",
      make("button", { type: "button", onclick: set(true) }, "all"), make("button", { type: "button", onclick: set(false) }, "none")));
    for (const [heading, names] of groups) {
      if (heading) field.append(make("p", { class: "within" }, heading));
      const chips = make("div", { class: "chips" });
      for (const name of names) {
        const box = make("input", { type: "checkbox", value: name, onchange: () => toggle(kind, name) });
        refilters.push(() => { box.checked = !hidden[kind].has(name); });
        chips.append(make("label", { class: "chip" }, box, name));
      }
      field.append(chips);
    }
    return field;
  }

  function places(kind) {
    const found = new Set();
    for (const section of content.sections) {
      for (const group of section.groups) found.add(group.place[kind]);
      for (const block of section.blocks) for (const row of block.rows || []) found.add(row.place[kind]);
    }
    return [...found].filter((name) => name !== null).sort((one, other) => one.localeCompare(other, "en", { numeric: true }));
  }

  // ---- the page

  document.getElementById("headline").append(...[...content.opening, ...content.headlines].map(cardOf));
  document.getElementById("summary").textContent = content.summary;
  document.getElementById("sections").append(...content.sections.map(sectionOf));
  document.getElementById("provenance").append(make("h2", {}, content.provenance.title), tableOf({ ...content.provenance, title: "By suite and file" }));
  document.getElementById("contents").append(
    ...content.sections.map((section) => make("a", { href: `#suite-${section.name}` }, section.title)),
    make("a", { href: "#provenance" }, content.provenance.title));
  document.getElementById("filter-fields").append(
    fieldOf("problem", "Problem", [["", places("problem")]]), fieldOf("size", "Size", [["", places("size")]]),
    fieldOf("arm", "Arm", content.arms.map((group) => [group.section, group.arms])));
  const themes = { "": ["◐", "as the system"], light: ["☀", "light"], dark: ["☾", "dark"] };
  document.getElementById("theme").addEventListener("click", (event) => {
    const names = Object.keys(themes);
    const next = names[(names.indexOf(document.documentElement.dataset.theme || "") + 1) % names.length];
    document.documentElement.dataset.theme = next;
    event.currentTarget.textContent = themes[next][0];
    event.currentTarget.setAttribute("aria-label", `Colours: ${themes[next][1]}`);
  });
  refilter();
})();
