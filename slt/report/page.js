// The page's moving part. It draws from the JSON block alone and fetches nothing; text from records enters as
// textContent, never as markup. SGD's step t and the posterior's n have a slider and axes each.

const data = JSON.parse(document.getElementById("data").textContent);
const WIDTH = 360, EDGE = { left: 40, right: 8, top: 8, bottom: 20 };

// -- small things ---------------------------------------------------------------------------------------------------
function element(tag, attributes = {}, ...children) {
  const svg = !["span", "b", "option"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const finite = (values) => values.filter((value) => value !== null);
const count = (value) => value.toLocaleString("en");
const number = (value) => (value === null ? "–" : value.toLocaleString("en", { maximumSignificantDigits: 3 }));

function percent(share) {
  if (share === null) return "–";
  if (share > 0 && share < 0.005) return "< 1 %";
  return share >= 0.995 && share < 1 ? "> 99 %" : `${(100 * share).toFixed(0)} %`;
}

function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.round(q * (sorted.length - 1))] ?? 0;
}

/** A phase's name beside a spot of its colour, and a value; faint where the value says that it is absent. */
function reading(phase, value, absent = false) {
  const chip = element("span", { class: "chip", style: `background:${phase.colour}` });
  return element("span", { class: absent ? "item absent" : "item" }, chip, element("b", {}, phase.name), ` ${value}`);
}

// -- scales ---------------------------------------------------------------------------------------------------------
/** A logarithmic scale onto [low, high]; a first value of 0 stands at `low`, a little apart. */
function logScale(values, low, high) {
  const positive = values.filter((value) => value > 0);
  const first = Math.min(...positive), last = Math.max(...positive);
  if (!(last > first)) return () => (low + high) / 2;
  const start = values.length > positive.length ? low + 0.06 * (high - low) : low;
  return (value) => (value > 0 ? start + ((high - start) * Math.log(value / first)) / Math.log(last / first) : low);
}

function logTicks(low, high) {
  const decades = Math.log10(high / low), ticks = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10) {
    for (const lead of decades > 3 ? [1] : decades > 2.2 ? [1, 3] : decades > 0.7 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8]) {
      const tick = Number((lead * power).toPrecision(2));
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick);
    }
  }
  return ticks.length > 1 ? ticks : [low, high];
}

function linearTicks(low, high) {
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((lead) => lead * power >= rough);
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high + 1e-9 * step; i++) ticks.push(Number((i * step).toPrecision(6)));
  return ticks;
}

/** A vertical scale over `values`, logarithmic where they are positive and span a factor of two, and its ticks. */
function lossScale(values, low, high) {
  let [least, most] = [Math.min(...values), Math.min(Math.max(...values), 10 * Math.abs(quantile(values, 0.95)))];
  if (least > 0 && most > 2 * least) {
    const scale = logScale([least, most], low, high);
    return { scale: (value) => scale(Math.min(value, most)), ticks: logTicks(least, most) };
  }
  if (!(most > least)) [least, most] = [least - 0.5 * Math.abs(least || 1), least + 0.5 * Math.abs(least || 1)];
  const scale = (value) => low + ((high - low) * (Math.min(value, most) - least)) / (most - least);
  return { scale, ticks: linearTicks(least, most) };
}

/** Runs of neighbouring indices at which `keep` holds. */
function runs(length, keep) {
  const found = [];
  for (let i = 0; i < length; i++) {
    if (!keep(i)) continue;
    if (i > 0 && keep(i - 1)) found.at(-1).push(i);
    else found.push([i]);
  }
  return found;
}

const path = (points) => "M" + points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join("L");

// -- charts: something against t or n, with a cursor ----------------------------------------------------------------
/**
 * `paint(place)` returns the marks, where place(i, value) is a point; `read(i)` returns what is said of index i.
 * Pointing at the chart reads there; pressing moves the slider there.
 */
function chart(host, xs, { height, y, ticks, paint, read }, go) {
  const x = logScale(xs, EDGE.left, WIDTH - EDGE.right), bottom = height - EDGE.bottom;
  const positive = xs.filter((value) => value > 0);
  const xTicks = [...(xs[0] === 0 ? [0] : []), ...(positive.length ? logTicks(positive[0], positive.at(-1)) : [])];
  const picture = element("svg", { viewBox: `0 0 ${WIDTH} ${height}`, "aria-hidden": "true" });
  const cursor = element("line", { class: "cursor", y1: EDGE.top - 4, y2: bottom });
  const guide = element("line", { class: "guide", y1: EDGE.top - 4, y2: bottom });
  const words = host.querySelector(".reading");
  for (const [value, label] of ticks) {
    picture.append(element("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(value), y2: y(value) }));
    picture.append(element("text", { x: EDGE.left - 5, y: y(value) + 3.5, "text-anchor": "end" }, label));
  }
  for (const [i, tick] of xTicks.entries()) {
    const anchor = i === xTicks.length - 1 && x(tick) > WIDTH - 30 ? "end" : "middle";
    const at = anchor === "end" ? WIDTH - EDGE.right : x(tick);
    picture.append(element("line", { class: "tick", x1: x(tick), x2: x(tick), y1: bottom, y2: bottom + 3 }));
    picture.append(element("text", { x: at, y: height - 5, "text-anchor": anchor }, count(tick)));
  }
  const marks = element("g", { class: "marks" });
  picture.append(marks, guide, cursor);
  host.querySelector(".canvas").replaceChildren(picture);

  let current = 0;
  const set = (line, index) => ["x1", "x2"].forEach((name) => line.setAttribute(name, x(xs[index])));
  const nearest = (event) => {
    const box = picture.getBoundingClientRect(), at = ((event.clientX - box.left) * WIDTH) / box.width;
    return xs.reduce((best, value, i) => (Math.abs(x(value) - at) < Math.abs(x(xs[best]) - at) ? i : best), 0);
  };
  picture.addEventListener("pointermove", (event) => {
    const index = nearest(event);
    if (event.buttons) return go(index);
    set(guide, index);
    guide.classList.add("on");
    words.replaceChildren(...read(index));
  });
  picture.addEventListener("pointerdown", (event) => go(nearest(event)));
  picture.addEventListener("pointerleave", () => {
    guide.classList.remove("on");
    words.replaceChildren(...read(current));
  });
  const repaint = () => marks.replaceChildren(...paint((i, value) => [x(xs[i]), y(value)]));
  repaint();
  return {
    repaint,
    move(index) {
      current = index;
      set(cursor, index);
      words.replaceChildren(...read(index));
    },
  };
}

const shareAxis = (height) => {
  const bottom = height - EDGE.bottom;
  return { height, y: (share) => bottom + (EDGE.top - bottom) * share, ticks: [[0, "0"], [0.5, "half"], [1, "all"]] };
};

const seen = (shares) => data.phases.map((phase, i) => ({ ...phase, i })).filter(({ i }) => shares[i].some((share) => share > 0.001));

/** Shares of seeds, one on another. */
function stacked(host, { steps, shares }, go) {
  const present = seen(shares);
  const paint = (place) => {
    const base = steps.map(() => 0);
    return present.map(({ i, colour }) => {
      const under = steps.map((_, k) => place(k, base[k]));
      steps.forEach((_, k) => (base[k] += shares[i][k] ?? 0));
      const over = steps.map((_, k) => place(k, base[k]));
      return element("path", { d: path([...over, ...under.reverse()]) + "Z", fill: colour });
    });
  };
  const read = (k) => present.map((phase) => reading(phase, percent(shares[phase.i][k]), !shares[phase.i][k]));
  return chart(host, steps, { ...shareAxis(120), paint, read }, go);
}

/** Lines with bands of a standard error: each line has values, errors and a colour. */
function banded(lines, place) {
  return lines.flatMap(({ values, errors, colour }) =>
    runs(values.length, (i) => values[i] !== null).flatMap((run) => {
      const edge = (side) => run.map((i) => place(i, Math.max(0, values[i] + side * (errors[i] ?? 0))));
      const dots = run.map((i) => place(i, values[i])).map(([cx, cy]) => element("circle", { cx, cy, r: 2, fill: colour }));
      return [
        element("path", { d: path([...edge(1), ...edge(-1).reverse()]) + "Z", fill: colour, "fill-opacity": 0.22 }),
        element("path", { d: path(run.map((i) => place(i, values[i]))), class: "line", stroke: colour }),
        ...dots,
      ];
    }),
  );
}

const withError = (value, error, words) => (error === null || value === null ? words(value) : `${words(value)} ± ${words(error)}`);

/** The posterior's shares with their standard errors. */
function occupancy(host, { ns, shares, errors }, go) {
  const present = seen(shares);
  const lines = present.map(({ i, colour }) => ({ values: shares[i], errors: errors[i], colour }));
  const read = (k) =>
    present.map((phase) => {
      const [share, error] = [shares[phase.i][k], errors[phase.i][k]];
      const absent = !(share >= 0.005);
      return reading(phase, absent ? percent(share) : withError(share, error, percent), absent);
    });
  return chart(host, ns, { ...shareAxis(120), paint: (place) => banded(lines, place), read }, go);
}

/** One seed's loss, coloured by its phase, over the phases' own losses. */
function seedLoss(host, { steps, seeds }, chosen, go) {
  const values = finite(seeds.flatMap((seed) => seed.loss)), height = 130;
  const { scale, ticks } = lossScale(values.length ? values : [0, 1], height - EDGE.bottom, EDGE.top);
  const lowest = values.length ? Math.min(...values) : 0, highest = Math.max(...values);
  const paint = (place) => {
    const { loss, phase } = chosen();
    const levels = data.phases
      .filter((known) => known.loss >= lowest && known.loss <= highest)
      .map((known) => {
        const level = scale(known.loss);
        return element("line", { class: "level", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: level, y2: level, stroke: known.colour });
      });
    const pieces = loss.slice(1).map((value, i) =>
      value === null || loss[i] === null
        ? ""
        : element("path", { d: path([place(i, loss[i]), place(i + 1, value)]), class: "line", stroke: data.phases[phase[i]].colour }),
    );
    return [...levels, ...pieces];
  };
  const read = (i) => [reading(data.phases[chosen().phase[i]], `at loss ${number(chosen().loss[i])}`)];
  return chart(host, steps, { height, y: scale, ticks: ticks.map((tick) => [tick, number(tick)]), paint, read }, go);
}

/** The posterior's mean loss with its standard error. */
function meanLoss(host, { ns, loss, loss_error: errors }, go) {
  const values = finite(loss.flatMap((mean, i) => (mean === null ? [] : [mean - (errors[i] ?? 0), mean + (errors[i] ?? 0)])));
  const height = 130, usable = values.filter((value) => value > 0);
  const { scale, ticks } = lossScale(usable.length ? usable : [0, 1], height - EDGE.bottom, EDGE.top);
  const floor = usable.length ? Math.min(...usable) : 0;
  const y = (value) => scale(Math.max(value, floor));
  const paint = (place) => banded([{ values: loss, errors, colour: "currentColor" }], place);
  const read = (i) => [element("span", { class: "item" }, `mean loss ${withError(loss[i], errors[i], number)}`)];
  return chart(host, ns, { height, y, ticks: ticks.map((tick) => [tick, number(tick)]), paint, read }, go);
}

// -- pictures: parameters in the plane -------------------------------------------------------------------------------
const HALF = 100; // half a plane's height, in its own units

/** [x0, y0, x1, y1, ...] as points; `stride` 3 where each is followed by a bias. */
const points = (flat, stride = 2) =>
  Array.from({ length: flat.length / stride }, (_, i) => flat.slice(stride * i, stride * (i + 1)));
const angle = ([x, y]) => Math.atan2(y, x);
const size = ([x, y]) => Math.hypot(x, y);
const whole = (flat) => flat !== null && !flat.includes(null);

/** The columns longer than half the longest, by angle: corners of the polygon that the columns make. */
function corners(columns) {
  const longest = Math.max(...columns.map(size));
  return columns.filter((column) => size(column) > 0.5 * longest).sort((a, b) => angle(a) - angle(b));
}

/** How far to turn a polygon for one corner to point up: k times the angle is the same for all k corners. */
function uprighting(columns) {
  const ring = corners(columns), k = ring.length;
  const sum = (wave) => ring.reduce((total, corner) => total + wave(k * angle(corner)), 0);
  return Math.PI / 2 - Math.atan2(sum(Math.sin), sum(Math.cos)) / k;
}

const turned = (by) => ([x, y, bias]) => [
  x * Math.cos(by) - y * Math.sin(by), x * Math.sin(by) + y * Math.cos(by), bias,
];

/** An empty plane around the unit circle. `draw` replaces its marks; `at` takes a point onto it, y upwards. */
function plane(host, reach, label, role, below) {
  const box = `${-1.2 * HALF} ${-HALF} ${2.4 * HALF} ${2 * HALF + below}`;
  const marks = element("g", { class: "marks" }), circle = element("circle", { r: HALF / reach, class: "unit" });
  const picture = element("svg", { viewBox: box, class: "plane", role, "aria-label": label }, circle, marks);
  host.querySelector(".canvas").replaceChildren(picture);
  const at = ([x, y]) => [(x * HALF) / reach, (-y * HALF) / reach];
  return { at, draw: (...shapes) => marks.replaceChildren(...shapes) };
}

/** From the middle to `tip`, with a head. */
function arrow([x, y], colour) {
  const length = Math.hypot(x, y) || 1e-9, head = Math.min(9, length);
  const [ux, uy] = [x / length, y / length], [bx, by] = [x - head * ux, y - head * uy];
  const barbs = [[bx - 0.45 * head * uy, by + 0.45 * head * ux], [bx + 0.45 * head * uy, by - 0.45 * head * ux]];
  return [
    element("line", { x1: 0, y1: 0, x2: bx, y2: by, stroke: colour, "stroke-width": 2.4 }),
    element("path", { d: path([[x, y], ...barbs]) + "Z", fill: colour }),
  ];
}

/** A bias as a bar on the line y = `base`, dark where positive. */
function bar(bias, largest, place, pitch, base) {
  const tall = 26 * Math.max(-1, Math.min(1, bias / largest));
  const shape = { x: place, width: 0.72 * pitch, y: base - Math.max(tall, 0), height: Math.abs(tall) };
  return element("rect", { ...shape, class: tall > 0 ? "bias up" : "bias" });
}

/** While `target` is pointed at or has the focus, `words` say something of it. */
function tells(target, words, something, otherwise) {
  for (const event of ["pointerenter", "focus"]) {
    target.addEventListener(event, () => words.replaceChildren(something()));
  }
  for (const event of ["pointerleave", "blur"]) {
    target.addEventListener(event, () => words.replaceChildren(...otherwise()));
  }
  return target;
}

/** One seed's W: columns as arrows, their polygon, and biases as bars, in the order of the columns. */
function weights(host, { seeds }, chosen, reach) {
  const words = host.querySelector(".reading"), base = 1.34 * HALF;
  const biases = seeds.flatMap(({ params }) => params.filter(whole).flatMap((flat) => points(flat, 3).map((c) => c[2])));
  const largest = quantile(biases.map(Math.abs), 0.99) || 1;
  const { at, draw } = plane(host, reach, "columns of W, and biases", "group", 62);
  return (index) => {
    const { params, phase } = chosen(), now = data.phases[phase[index]];
    const rest = () => [reading(now, "columns of W as arrows, biases b as bars")];
    words.replaceChildren(...rest());
    if (!whole(params[index])) return draw(element("text", { "text-anchor": "middle" }, "not finite"));
    const columns = points(params[index], 3).map(turned(uprighting(points(params.findLast(whole), 3))));
    const pitch = (1.6 * HALF) / columns.length;
    const shapes = columns.map((column, i) => {
      const text = `column ${i + 1}: length ${number(size(column))}, bias ${number(column[2])}`;
      const place = -0.8 * HALF + (i + 0.14) * pitch;
      const parts = [...arrow(at(column), now.colour), bar(column[2], largest, place, pitch, base)];
      const group = element("g", { tabindex: 0, role: "img", "aria-label": text, class: "column" }, ...parts);
      return tells(group, words, () => element("span", { class: "item" }, text), rest);
    });
    draw(
      element("path", { d: path(corners(columns).map(at)) + "Z", class: "ring", fill: now.colour, stroke: now.colour }),
      ...shapes,
      element("line", { class: "tick", x1: -86, x2: 86, y1: base, y2: base }),
      element("text", { x: -96, y: base + 4, "text-anchor": "middle" }, "b"),
    );
  };
}

const colourOf = (phase) => (phase === null ? "currentColor" : data.phases[phase].colour);

/** How many of some draws are in each phase, in words. */
function tally(draws) {
  const times = data.phases.map((phase, i) => [phase, draws.filter((draw) => draw.phase === i).length]);
  return times.filter(([, n]) => n).map(([phase, n]) => reading(phase, `${n} of ${draws.length} draws`));
}

/** Some posterior draws, as polygons laid over one another. */
function polygons(host, { draws }, reach) {
  const words = host.querySelector(".reading");
  const { at, draw } = plane(host, reach, "posterior draws as polygons", "img", 6);
  return (index) => {
    const rest = () => tally(draws[index]);
    words.replaceChildren(...rest());
    const shapes = draws[index].filter((one) => whole(one.at)).map((one) => {
      const ring = points(one.at).map(at), colour = colourOf(one.phase);
      const dots = ring.map(([cx, cy]) => element("circle", { cx, cy, r: 2.6, fill: colour }));
      const edge = element("path", { d: path(ring) + "Z", class: "edge", stroke: colour });
      const named = one.phase === null ? { name: "draw", colour } : data.phases[one.phase];
      const text = () => reading(named, `a draw with ${ring.length} long columns`);
      return tells(element("g", { class: "draw" }, edge, ...dots), words, text, rest);
    });
    draw(...shapes);
  };
}

/** A linear scale over all but the outermost of `values`, which stay at its ends. */
function pointScale(values, low, high) {
  const least = quantile(values, 0.005), most = quantile(values, 0.995), margin = 0.06 * (most - least) || 1;
  const share = (value) => (value - least + margin) / (most - least + 2 * margin);
  const place = (value) => low + (high - low) * Math.max(0, Math.min(1, share(value)));
  return { place, ticks: linearTicks(least - margin, most + margin) };
}

/** Parameters of one number (spread in height to be told apart) or of two, as points on axes. */
function cloud(host, names, all, pick) {
  const flat = names.length === 1, height = flat ? 120 : 260, bottom = height - EDGE.bottom;
  const x = pointScale(all.map((at) => at[0]), EDGE.left, WIDTH - EDGE.right);
  const y = flat ? null : pointScale(all.map((at) => at[1]), bottom, EDGE.top);
  const rise = (at, i) => (y ? y.place(at[1]) : EDGE.top + 8 + ((i * 0.618) % 1) * (bottom - EDGE.top - 16));
  const words = host.querySelector(".reading"), marks = element("g", { class: "marks" });
  const label = `points on ${names.join(", ")}`;
  const picture = element("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label });
  for (const tick of x.ticks) {
    const at = x.place(tick);
    picture.append(element("line", { class: "grid", x1: at, x2: at, y1: EDGE.top, y2: bottom }));
    picture.append(element("text", { x: at, y: height - 5, "text-anchor": "middle" }, number(tick)));
  }
  for (const tick of y?.ticks ?? []) {
    const at = y.place(tick);
    picture.append(element("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: at, y2: at }));
    picture.append(element("text", { x: EDGE.left - 5, y: at + 3.5, "text-anchor": "end" }, number(tick)));
  }
  picture.append(marks);
  host.querySelector(".canvas").replaceChildren(picture);
  return (index) => {
    const { shown, rest } = pick(index);
    words.replaceChildren(...rest());
    const dots = shown.filter(({ at }) => whole(at)).map(({ phase, at, marked }, i) => {
      const shape = { cx: x.place(at[0]), cy: rise(at, i), r: marked ? 6 : 3, class: marked ? "marked" : "point" };
      const text = names.map((name, axis) => `${name} = ${number(at[axis])}`).join(", ");
      const say = () => element("span", { class: "item" }, text);
      return tells(element("circle", { ...shape, fill: colourOf(phase) }), words, say, rest);
    });
    marks.replaceChildren(...dots);
  };
}

// -- sliders --------------------------------------------------------------------------------------------------------
/** Wires a panel's slider and play button over `values`; `show(i)` draws. Returns what goes to an index. */
function scrubber(panel, values, letter, pace, show) {
  const slider = panel.querySelector("input"), button = panel.querySelector("button"), now = panel.querySelector("output");
  let timer = 0;
  slider.max = values.length - 1;
  const pause = () => {
    clearInterval(timer);
    timer = 0;
    button.setAttribute("aria-pressed", "false");
  };
  const go = (index) => {
    slider.value = index;
    now.textContent = `${letter} = ${count(values[index])}`;
    slider.setAttribute("aria-valuetext", now.textContent);
    show(index);
  };
  slider.addEventListener("input", () => { pause(); go(Number(slider.value)); });
  slider.addEventListener("change", remember);
  button.addEventListener("click", () => {
    if (timer) { pause(); return remember(); }
    if (Number(slider.value) === values.length - 1) go(0);
    button.setAttribute("aria-pressed", "true");
    timer = setInterval(() => {
      go(Number(slider.value) + 1);
      if (Number(slider.value) === values.length - 1) { pause(); remember(); }
    }, pace);
  });
  return { go, index: () => Number(slider.value), leave: pause };
}

/** Draws a panel's parts; where the records allow a part no picture, it goes. */
function part(panel, name, make) {
  const host = panel.querySelector(`.${name}`);
  if (make) return make(host);
  host.remove();
  return null;
}

// -- the two panels --------------------------------------------------------------------------------------------------
/** How far planes reach, the same in both panels: nearly every column is inside. */
function planeReach() {
  const flat = (drawing, items, stride) => (drawing ? items().filter(whole).flatMap((one) => points(one, stride)) : []);
  const columns = flat(data.sgd?.drawing === "polygon", () => data.sgd.seeds.flatMap(({ params }) => params), 3);
  const ends = flat(data.posterior?.drawing === "polygon", () => data.posterior.draws.flat().map(({ at }) => at), 2);
  return 1.1 * Math.max(1, quantile([...columns, ...ends].map(size), 0.95));
}

/** Every point that either panel may show, for axes that they share. */
function allPoints() {
  const sgd = data.sgd?.drawing === "points" ? data.sgd.seeds.flatMap(({ params }) => params) : [];
  const posterior = data.posterior?.drawing === "points" ? data.posterior.draws.flat().map(({ at }) => at) : [];
  return [...sgd, ...posterior].filter(whole);
}

function sgdPanel(panel, sgd) {
  const picker = panel.querySelector("select");
  sgd.seeds.forEach(({ seed, phase }, i) => picker.append(element("option", { value: i }, `${seed}, ends in ${data.phases[phase.at(-1)].name}`)));
  const chosen = () => sgd.seeds[Number(picker.value)];
  const go = (index) => { time.leave(); time.go(index); remember(); };
  const where = (index) => sgd.axes.map((name, i) => `${name} = ${number(chosen().params[index][i])}`).join(", ");
  const pick = (index) => ({
    shown: sgd.seeds.map((seed) => ({ phase: seed.phase[index], at: seed.params[index], marked: seed === chosen() })),
    rest: () => [reading(data.phases[chosen().phase[index]], `seed ${chosen().seed}, the large point: ${where(index)}`)],
  });
  const makers = { polygon: (host) => weights(host, sgd, chosen, planeReach()), points: (host) => cloud(host, sgd.axes, allPoints(), pick) };
  const picture = part(panel, "picture", makers[sgd.drawing]);
  const shares = part(panel, "shares", (host) => stacked(host, sgd, go));
  const loss = part(panel, "loss", (host) => seedLoss(host, sgd, chosen, go));
  const time = scrubber(panel, sgd.steps, "t", Math.max(40, 9000 / sgd.steps.length), (index) => {
    picture?.(index);
    shares.move(index);
    loss.move(index);
  });
  const choose = () => { loss.repaint(); time.go(time.index()); };
  picker.addEventListener("change", () => { choose(); remember(); });
  const select = (seed) => {
    const place = sgd.seeds.findIndex((one) => one.seed === seed);
    if (place >= 0) { picker.value = place; choose(); }
  };
  return { ...time, select, seed: () => chosen().seed };
}

function posteriorPanel(panel, posterior) {
  const go = (index) => { rungs.leave(); rungs.go(index); remember(); };
  const pick = (index) => ({ shown: posterior.draws[index], rest: () => tally(posterior.draws[index]) });
  const makers = { polygon: (host) => polygons(host, posterior, planeReach()), points: (host) => cloud(host, posterior.axes, allPoints(), pick) };
  const picture = part(panel, "picture", makers[posterior.drawing]);
  const shares = part(panel, "shares", (host) => occupancy(host, posterior, go));
  const loss = part(panel, "loss", posterior.loss && ((host) => meanLoss(host, posterior, go)));
  const rungs = scrubber(panel, posterior.ns, "n", 500, (index) => {
    picture?.(index);
    shares.move(index);
    loss?.move(index);
  });
  return rungs;
}

// -- state in the address, so that a view can be shared: #step=5000&seed=3&n=400 --------------------------------------
const panels = {};

function remember() {
  const state = new URLSearchParams();
  if (panels.sgd) state.set("step", data.sgd.steps[panels.sgd.index()]);
  if (panels.sgd) state.set("seed", panels.sgd.seed());
  if (panels.posterior) state.set("n", data.posterior.ns[panels.posterior.index()]);
  history.replaceState(null, "", `#${state}`);
}

/** The last of `values` that is not above what the address says; the very last where it says nothing. */
function asked(state, name, values) {
  const wanted = Number(state.get(name) ?? NaN);
  return Number.isNaN(wanted) ? values.length - 1 : Math.max(0, values.findLastIndex((value) => value <= wanted));
}

function recall() {
  const state = new URLSearchParams(location.hash.slice(1));
  if (panels.sgd && state.has("seed")) panels.sgd.select(Number(state.get("seed")));
  panels.sgd?.go(asked(state, "step", data.sgd.steps));
  panels.posterior?.go(asked(state, "n", data.posterior.ns));
}

// -- downloads: files lie in the page, packed, and are unpacked when they are asked for --------------------------------
async function save(event) {
  const name = event.currentTarget.download, packed = data.files[name];
  if (packed === undefined) return; // the link itself leads to the file beside the page
  event.preventDefault();
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const unpacked = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
  const type = name.endsWith(".svg") ? "image/svg+xml" : "text/csv";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([await unpacked.arrayBuffer()], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

document.querySelectorAll("a[download]").forEach((link) => link.addEventListener("click", save));
const explorer = document.getElementById("explorer");
if (explorer) {
  if (data.sgd) panels.sgd = sgdPanel(document.getElementById("sgd"), data.sgd);
  if (data.posterior) panels.posterior = posteriorPanel(document.getElementById("posterior"), data.posterior);
  explorer.hidden = false;
  recall();
  window.addEventListener("hashchange", recall);
}
