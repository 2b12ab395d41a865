"use strict";
// Replays a search event by event. What a node looked like is put together from the changes that the trace recorded.
(() => {
  const content = JSON.parse(document.getElementById("payload").textContent);
  const { header, names, events, states, outcomes, totals } = content;
  const length = events.outcome.length;
  const outcome = (step) => outcomes[events.outcome[step]];
  const element = (id) => document.getElementById(id);
  const count = new Intl.NumberFormat("en");
  const things = (number, noun) => `${count.format(number)} ${noun}${number === 1 ? "" : "s"}`;

  function make(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  // ---- the tree: the event that opened each node, and the path to an event

  const opened = [];
  for (let step = 0; step < length; step += 1) if (outcome(step) === "open") opened[events.node[step]] = step;

  function pathTo(step) {
    const decisions = []; // {variable, value, right}, the last one first
    let node = events.node[step];
    let right = events.right[step];
    if (outcome(step) === "open") node = events.parent[step];
    while (node && opened[node] !== undefined) {
      const at = opened[node];
      decisions.push({ at, variable: events.variable[at], value: events.value[at], right: Boolean(right) });
      right = events.right[at];
      node = events.parent[at];
    }
    return decisions;
  }

  // ---- the states: recorded as changes, kept whole every so often

  const EVERY = 256;
  const kept = [];
  const recordedAt = states.map((changes) => changes[0]);
  const whole = new Array(names.length).fill(null);
  states.forEach((changes, number) => {
    for (let i = 1; i < changes.length; i += 1) whole[changes[i][0]] = changes[i][1];
    if (number % EVERY === 0) kept.push(whole.slice());
  });
  const hasState = new Set(recordedAt);

  function numberOf(step) { // of the last state recorded at this event or before
    let low = 0;
    let high = recordedAt.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (recordedAt[middle] <= step) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  function stateAt(step) {
    const number = numberOf(step);
    if (number < 0) return null;
    const first = Math.floor(number / EVERY);
    const entries = kept[first].slice();
    for (let i = first * EVERY + 1; i <= number; i += 1) {
      for (let j = 1; j < states[i].length; j += 1) entries[states[i][j][0]] = states[i][j][1];
    }
    return entries;
  }

  // An event that has no state of its own is shown with that of the last decision above it: later ones in the file may
  // belong to a branch that the search has left.
  function stateFor(step, path) {
    if (hasState.has(step)) return stateAt(step);
    const above = path.find((decision) => hasState.has(decision.at));
    return above ? stateAt(above.at) : null;
  }

  // ---- names

  const grid = header.grid || null;
  const cellOf = new Map(); // variable -> [row, column]
  const variableOf = new Map(); // "row,column" -> variable
  if (grid) {
    const numbers = new Map(names.map((name, number) => [name, number]));
    for (let row = 0; row < grid.order; row += 1) {
      for (let column = 0; column < grid.order; column += 1) {
        const number = numbers.get(grid.cell.replace("{row}", row).replace("{column}", column));
        if (number !== undefined) {
          cellOf.set(number, [row, column]);
          variableOf.set(`${row},${column}`, number);
        }
      }
    }
  }
  const called = (variable) => {
    const cell = cellOf.get(variable);
    return cell ? `row ${cell[0] + 1}, column ${cell[1] + 1}` : names[variable];
  };
  const percent = (thousandths) => (thousandths > 0 && thousandths < 10 ? "< 1 %" : `${Math.round(thousandths / 10)} %`);
  const nth = (number) => `${number}${[, "st", "nd", "rd"][number % 100 > 10 && number % 100 < 14 ? 0 : number % 10] || "th"}`;

  function shareOf(entry, value) { // thousandths, null where the entry does not tell
    if (!Array.isArray(entry)) return null;
    for (let i = 0; i + 1 < entry.length; i += 2) if (entry[i] === value) return entry[i + 1];
    return null;
  }
  function without(entry, value) { // the entry of a variable that has lost a value since
    const left = [];
    for (let i = 0; i + 1 < entry.length; i += 2) if (entry[i] !== value) left.push(entry[i], entry[i + 1]);
    if (entry.length % 2) left.push(entry[entry.length - 1]);
    return left.length > 1 ? left : null;
  }
  const numOpen = (entry) => (entry.length >> 1) + (entry.length % 2 ? entry[entry.length - 1] : 0);

  // ---- the strip: depth over the events, dead ends below, restarts as lines

  const NS = "http://www.w3.org/2000/svg";
  const WIDE = 1000;
  const [TOP, FLOOR, TICKS] = [4, 64, 76];
  let cursor = null;
  function draw(tag, attributes) {
    const made = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }
  function drawStrip() {
    const box = draw("svg", { viewBox: `0 0 ${WIDE} 84`, preserveAspectRatio: "none", role: "img",
      "aria-label": "Depth of the search over its steps; marks below are dead ends, dashed lines restarts" });
    const columns = Math.min(WIDE, length);
    const deepest = events.depth.reduce((most, depth) => Math.max(most, depth), 1);
    const depth = new Array(columns).fill(0);
    const failed = new Array(columns).fill(false);
    const cuts = [];
    for (let step = 0; step < length; step += 1) {
      const column = Math.floor((step * columns) / length);
      depth[column] = Math.max(depth[column], events.depth[step]);
      failed[column] = failed[column] || outcome(step) === "failed";
      if (step && events.run[step] !== events.run[step - 1]) cuts.push(column);
    }
    const x = (column) => ((column * WIDE) / columns).toFixed(1);
    let line = `M0,${FLOOR}`;
    depth.forEach((value, column) => {
      const y = (FLOOR - ((FLOOR - TOP) * value) / deepest).toFixed(1);
      line += `L${x(column)},${y}L${x(column + 1)},${y}`;
    });
    box.append(draw("path", { class: "depth", d: `${line}L${WIDE},${FLOOR}Z` }));
    let ticks = "";
    failed.forEach((there, column) => { if (there) ticks += `M${x(column + 0.5)},${FLOOR + 3}V${TICKS}`; });
    if (ticks) box.append(draw("path", { class: "failed", d: ticks, "vector-effect": "non-scaling-stroke", "stroke-width": 1.5 }));
    for (const column of [...new Set(cuts)].slice(0, 400)) {
      box.append(draw("path", { class: "cut", d: `M${x(column)},0V${TICKS}`, "vector-effect": "non-scaling-stroke" }));
    }
    cursor = draw("path", { class: "cursor", "vector-effect": "non-scaling-stroke" });
    box.append(cursor);
    element("strip").append(box);
    element("caption").textContent = `Depth of the search over its steps, at most ${count.format(deepest)}. ` +
      "Red ticks are dead ends, dashed lines new starts from the root.";
    element("strip").addEventListener("pointerdown", (event) => {
      const area = element("strip").getBoundingClientRect();
      show(Math.floor(((event.clientX - area.left) / area.width) * length));
    });
  }

  // ---- the variables: a square, or a list

  const cells = new Map(); // variable -> element
  const MARKS_UP_TO = 10; // orders whose cells have room for all open values
  const MOST_LISTED = 400;

  function buildSquare() {
    const { order, box, given } = grid;
    const table = make("table", { class: "square", "aria-label": `Square of order ${order}` });
    for (let row = 0; row < order; row += 1) {
      const line = make("tr");
      for (let column = 0; column < order; column += 1) {
        const cell = make("td");
        if (box && column % box === 0) cell.classList.add("box-left");
        if (box && row % box === 0) cell.classList.add("box-top");
        cell.dataset.base = cell.className;
        const variable = variableOf.get(`${row},${column}`);
        if (given[row][column]) {
          cell.textContent = given[row][column];
          cell.classList.add("given");
        } else if (variable !== undefined) {
          cells.set(variable, cell);
          cell.addEventListener("click", () => choose(variable));
        }
        line.append(cell);
      }
      table.append(line);
    }
    element("board").append(table);
    const fit = () => {
      const size = Math.max(order > 40 ? 17 : 20, Math.min(46, Math.floor((element("board").clientWidth - 2) / order)));
      table.style.setProperty("--cell", `${size}px`);
      table.style.setProperty("--figure", `${Math.max(9, Math.min(20, size * 0.52))}px`);
    };
    new ResizeObserver(fit).observe(element("board"));
    fit();
  }

  function bringIntoView(cell) { // by the board's own scroller: scrollIntoView would move the page, too
    const board = element("board");
    const [frame, box] = [board.getBoundingClientRect(), cell.getBoundingClientRect()];
    if (box.left < frame.left || box.right > frame.right) board.scrollLeft += (box.left + box.right - frame.left - frame.right) / 2;
  }

  function buildList() {
    const find = make("input", { id: "find", type: "search", placeholder: "find a variable", "aria-label": "Find a variable" });
    const table = make("table", { class: "list" });
    const note = make("p", { class: "note" });
    find.addEventListener("input", () => { fill(); show(now); });
    function fill() {
      cells.clear();
      const found = names.map((name, number) => [name, number]).filter(([name]) => name.includes(find.value));
      found.sort(([one], [other]) => one.localeCompare(other, "en", { numeric: true }));
      table.replaceChildren(...found.slice(0, MOST_LISTED).map(([name, number]) => {
        const cell = make("td");
        cells.set(number, cell);
        return make("tr", {}, make("th", { scope: "row", onclick: () => choose(number) }, name), cell);
      }));
      note.textContent = found.length > MOST_LISTED ? `${MOST_LISTED} of ${count.format(found.length)} variables are listed; find the others by name.` : "";
    }
    fill();
    element("board").append(find, table, note);
  }

  function paint(variable, cell, entry, marks) {
    const mark = marks.get(variable);
    let [kind, value] = mark ? [mark.kind, mark.value] : [null, null];
    let open = Array.isArray(entry) ? entry : null;
    if (kind === "gone") {
      open = open && without(open, value);
      value = null;
    }
    if (value !== null) open = null;
    if (value === null && typeof entry === "number") {
      value = entry;
      kind = kind || "implied";
    }
    if (!grid) {
      const parts = value !== null ? [[value, null, kind]] : [];
      if (open) for (let i = 0; i + 1 < Math.min(open.length, 24); i += 2) parts.push([open[i], open[i + 1], ""]);
      cell.replaceChildren(...parts.map(([shown, share, how]) => {
        const chip = make("span", { class: `value ${how}` }, share === null ? String(shown) : `${shown}: ${percent(share)}`);
        if (share !== null) chip.style.setProperty("--p", (share / 2000).toFixed(2));
        return chip;
      }));
      if (open && open.length > 24) cell.append(` and ${numOpen(open) - 12} more`);
      if (kind === "gone") cell.append(make("span", { class: "value gone" }, `not ${mark.value}`));
      return;
    }
    cell.className = `${cell.dataset.base} ${kind || (open ? "open" : "")}${variable === chosen ? " chosen" : ""}`;
    cell.style.setProperty("--p", open ? (open[1] / 2600).toFixed(3) : 0);
    if (value !== null) cell.textContent = value;
    else if (open && grid.order <= MARKS_UP_TO) {
      const shares = [];
      for (let i = 0; i + 1 < open.length; i += 2) shares.push([open[i], open[i + 1]]);
      shares.sort((one, other) => one[0] - other[0]);
      cell.replaceChildren(make("div", { class: "marks" }, ...shares.map(([shown, share]) => {
        const small = make("span", {}, String(shown));
        small.style.opacity = (0.25 + (0.75 * share) / 1000).toFixed(2);
        if (share >= 500) small.style.fontWeight = 700;
        return small;
      })));
    } else cell.textContent = open ? open[0] : "";
    cell.title = open ? `${called(variable)}: ${numOpen(open)} values open, ${open[0]} with ${percent(open[1])}` : called(variable);
  }

  // ---- one step

  let now = -1; // nothing is shown yet
  let chosen = null; // by a click; null follows the decisions
  let entries = null;
  let marks = new Map();

  function choose(variable) {
    chosen = chosen === variable ? null : variable;
    show(now);
  }

  function decisionOf(step, path) { // what the event is about
    if (outcome(step) === "open") return { variable: events.variable[step], value: events.value[step] };
    return path[0] || null;
  }

  function words(step, path) {
    const about = decisionOf(step, path);
    const what = about ? `${called(about.variable)}` : "the root";
    switch (outcome(step)) {
      case "open": {
        const entry = entries && entries[about.variable];
        const share = shareOf(entry, about.value);
        const rank = events.rank[step];
        const chance = share === null ? "" : `, probability ${percent(share)}`;
        const place = rank === null ? ", not decided by the network" : `, ${nth(rank)} choice${Array.isArray(entry) ? ` of ${numOpen(entry)}` : ""}`;
        return `Decision ${events.node[step]}: ${what} = ${about.value}${chance}${place}`;
      }
      case "failed":
        return about ? `✕ Dead end after ${what} ${about.right ? "≠" : "="} ${about.value}` : "✕ Dead end at the root";
      case "refuted": return `Back: ${what} is not ${about.value}`;
      case "cut": return step + 1 < length && events.run[step + 1] !== events.run[step] ? "↻ Left unsearched, and started again from the root" : "Left unsearched";
      default: {
        const objective = events.objective[step];
        return `✓ Solution${objective === null ? "" : `, objective ${objective}`}`;
      }
    }
  }

  function show(step) {
    const before = now;
    now = Math.max(0, Math.min(length - 1, step));
    const path = pathTo(now);
    entries = stateFor(now, path);
    marks = new Map();
    for (const decision of [...path].reverse()) {
      if (!decision.right) marks.set(decision.variable, { kind: "decided", value: decision.value });
      else if (!marks.has(decision.variable)) marks.set(decision.variable, { kind: "gone", value: decision.value });
    }
    const about = decisionOf(now, path);
    const kind = outcome(now);
    if (kind === "open") marks.set(about.variable, { kind: "now", value: about.value });
    else if (kind === "failed" && about && !about.right) marks.set(about.variable, { kind: "dead", value: about.value });
    for (const [variable, cell] of cells) paint(variable, cell, entries && entries[variable], marks);
    // Not after a press on another cell: that one should stay where it is.
    if (grid && about && now !== before && cells.has(about.variable)) bringIntoView(cells.get(about.variable));
    element("event").textContent = words(now, path);
    element("event").className = kind;
    element("where").textContent = `Step ${count.format(now + 1)} of ${count.format(length)} · depth ${events.depth[now]} · run ${events.run[now] + 1}` +
      ` · ${things(events.inferences[now], "inference")} · ${count.format(events.ms[now])} ms`;
    element("slider").value = now;
    element("slider").setAttribute("aria-valuetext", `Step ${now + 1} of ${length}`);
    const place = (((now + 0.5) / length) * WIDE).toFixed(1);
    cursor.setAttribute("d", `M${place},0V${TICKS + 4}`);
    showDetail(about);
  }

  function showDetail(about) {
    const detail = element("detail");
    const variable = chosen ?? (about ? about.variable : null);
    if (variable === null) {
      detail.replaceChildren(make("p", {}, "Press a variable to see its values."));
      return;
    }
    const entry = entries && entries[variable];
    const parts = [make("h2", {}, called(variable))];
    if (Array.isArray(entry)) {
      for (let i = 0; i + 1 < entry.length; i += 2) {
        const bar = make("i");
        bar.style.width = `${entry[i + 1] / 10}%`;
        const mark = marks.get(variable);
        const taken = mark && mark.kind !== "gone" && mark.value === entry[i];
        parts.push(make("div", { class: taken ? "bar taken" : "bar" }, make("b", {}, String(entry[i])), bar, make("span", {}, percent(entry[i + 1]))));
      }
      if (entry.length % 2) parts.push(make("p", {}, `and ${entry[entry.length - 1]} more`));
      parts.push(make("p", { class: "note" }, chosen === null ? "What the network finds probable, before the decision." : "Press the variable again to follow the decisions."));
    } else if (typeof entry === "number") parts.push(make("p", {}, `has the value ${entry}`));
    else parts.push(make("p", {}, "The trace has no probabilities here."));
    detail.replaceChildren(...parts);
  }

  // ---- going on

  let playing = null;
  function play() {
    if (playing) clearInterval(playing);
    playing = playing ? null : setInterval(() => {
      if (now >= length - 1) play();
      else show(now + Number(element("speed").value));
    }, 150);
    const button = document.querySelector("[data-go=play]");
    button.replaceChildren(playing ? "❚❚" : "▶▶", make("small", {}, playing ? "pause" : "play"));
    button.setAttribute("aria-label", playing ? "Pause" : "Play");
  }
  function seek(test, by) {
    for (let step = now + by; step >= 0 && step < length; step += by) if (test(step)) return show(step);
    return undefined;
  }
  const isFailed = (step) => outcome(step) === "failed";
  const go = {
    first: () => show(0), back: () => show(now - 1), forward: () => show(now + 1), last: () => show(length - 1), play,
    failed: () => seek(isFailed, 1), "failed-back": () => seek(isFailed, -1),
    restart: () => seek((step) => step > 0 && events.run[step] !== events.run[step - 1], 1),
  };
  for (const button of document.querySelectorAll("[data-go]")) button.addEventListener("click", go[button.dataset.go]);
  element("slider").addEventListener("input", (event) => show(Number(event.target.value)));
  document.addEventListener("keydown", (event) => {
    if (["INPUT", "SELECT"].includes(event.target.tagName) || event.altKey || event.ctrlKey || event.metaKey) return;
    const names = { ArrowRight: event.shiftKey ? "failed" : "forward", ArrowLeft: event.shiftKey ? "failed-back" : "back", Home: "first", End: "last" };
    const name = names[event.key] || (event.key === " " && event.target.tagName !== "BUTTON" ? "play" : null);
    if (name) {
      event.preventDefault();
      go[name]();
    }
  });

  // ---- the page

  const tally = Object.fromEntries(outcomes.map((name) => [name, 0]));
  for (let step = 0; step < length; step += 1) tally[outcome(step)] += 1;
  element("title").textContent = `${header.instance || header.problem || "A search"}, replayed`;
  element("summary").textContent = `${header.variables ?? "?"} variables, network ${header.model ?? "?"}: ${things(tally.open, "decision")}, ` +
    `${things(tally.failed, "dead end")}, ${things(length ? events.run[length - 1] + 1 : 0, "run")}, ` +
    (tally.solution ? `${things(tally.solution, "solution")} found.` : "no solution found.") +
    (totals.states ? " Times include the recording of the probabilities." : "");
  const notices = [];
  if (totals.events > length) notices.push(`Only the first ${count.format(length)} of ${count.format(totals.events)} events are on this page.`);
  const shown = states.length;
  const decisions = tally.open;
  if (!totals.states) notices.push("The trace has no probabilities; record them with --trace-scores.");
  else if (shown < totals.states || shown < decisions) {
    const last = recordedAt[shown - 1];
    let later = 0;
    for (let step = last + 1; step < length; step += 1) later += outcome(step) === "open" && events.rank[step] !== null ? 1 : 0;
    if (later) notices.push(`Probabilities end at step ${count.format(last + 1)}: a page and a trace hold so many bytes of them.`);
  }
  element("notice").textContent = notices.join(" ");
  element("notice").hidden = !notices.length;
  if (!length) {
    element("event").textContent = "The trace has no events: the search ended before its first decision.";
    for (const button of document.querySelectorAll(".controls button, #slider")) button.disabled = true;
    return;
  }
  const explain = (kind, shown, meaning) =>
    element("key").append(make("li", {}, make("span", { class: `value ${kind}` }, shown), ` ${meaning}`));
  for (const [kind, meaning] of [["now", "decided at this step"], ["decided", "decided before, on the path"], ["dead", "dead end"], ["gone", "a value was refuted"]]) {
    explain(kind, "5", meaning);
  }
  const isSquare = grid && cellOf.size;
  if (isSquare) explain("given", "5", "grey: given by the instance");
  if (totals.states) {
    explain("", "5", "follows from the decisions, by propagation");
    if (isSquare && grid.order <= MARKS_UP_TO) explain("small", "3 5", "small: the values still open, the darker the more probable");
    else if (isSquare) explain("small", "5", "small: of the values still open, the one that the network finds most probable");
    element("key").append(make("li", {}, "the bluer an open cell, the surer the network"));
  }
  element("slider").max = length - 1;
  drawStrip();
  if (isSquare) buildSquare();
  else buildList();
  show(0);
})();
