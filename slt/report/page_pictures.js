// Pictures: parameters in the plane, as arrows, polygons or points.

const HALF = 100, BELOW = 56; // half a plane's height and the room for bars under it, in its own units

/** [x0, y0, x1, y1, ...] as points; `stride` 3 where each is followed by a bias. */
const points = (flat, stride = 2) =>
  Array.from({ length: flat.length / stride }, (_, i) => flat.slice(stride * i, stride * (i + 1)));
const angle = ([x, y]) => Math.atan2(y, x);
const size = ([x, y]) => Math.hypot(x, y);
const isComplete = (flat) => flat !== null && !flat.includes(null);

/** The columns longer than half the longest, by angle: corners of the polygon that the columns make. */
function corners(columns) {
  const longest = Math.max(...columns.map(size));
  return columns.filter((column) => size(column) > 0.5 * longest).sort((a, b) => angle(a) - angle(b));
}

/** How far to turn a polygon for one corner to point up: k times the angle is the same for all k corners. */
function uprighting(columns) {
  const ring = corners(columns), k = ring.length;
  if (k === 0) return 0;
  const sum = (wave) => ring.reduce((total, corner) => total + wave(k * angle(corner)), 0);
  return Math.PI / 2 - Math.atan2(sum(Math.sin), sum(Math.cos)) / k;
}

const turned = (by) => ([x, y, bias]) => [
  x * Math.cos(by) - y * Math.sin(by), x * Math.sin(by) + y * Math.cos(by), bias,
];

/** An empty plane around the unit circle. `draw` replaces its marks; `at` takes a point onto it, y upwards. */
function plane(host, reach, label, role) {
  const box = `${-1.2 * HALF} ${-HALF} ${2.4 * HALF} ${2 * HALF + BELOW}`;
  const marks = element("g", { class: "marks" }), circle = element("circle", { r: HALF / reach, class: "unit" });
  const picture = element("svg", { viewBox: box, class: "plane", role, "aria-label": label }, circle, marks);
  host.querySelector(".canvas").replaceChildren(picture);
  const at = ([x, y]) => [(x * HALF) / reach, (-y * HALF) / reach];
  return { at, draw: (...shapes) => marks.replaceChildren(...shapes) };
}

/** From the middle to `tip`, with a head. */
function arrow([x, y], hue) {
  const length = Math.hypot(x, y) || 1e-9, head = Math.min(9, length);
  const [ux, uy] = [x / length, y / length], [bx, by] = [x - head * ux, y - head * uy];
  const barbs = [[bx - 0.45 * head * uy, by + 0.45 * head * ux], [bx + 0.45 * head * uy, by - 0.45 * head * ux]];
  return [
    element("line", { x1: 0, y1: 0, x2: bx, y2: by, stroke: hue, "stroke-width": 2.4 }),
    element("path", { d: closed([[x, y], ...barbs]), fill: hue }),
  ];
}

/** A bias as a bar on the line y = `base`, dark where positive. */
function bar(bias, largest, place, pitch, base) {
  const tall = 26 * Math.max(-1, Math.min(1, bias / largest));
  const shape = { x: place, width: 0.72 * pitch, y: base - Math.max(tall, 0), height: Math.abs(tall) };
  return element("rect", { ...shape, class: tall > 0 ? "bias up" : "bias" });
}

/** While `target` is pointed at or has the focus, `readout` shows `something` about it. */
function readoutOnFocus(target, readout, something, otherwise) {
  for (const event of ["pointerenter", "focus"]) {
    target.addEventListener(event, () => readout.replaceChildren(something()));
  }
  for (const event of ["pointerleave", "blur"]) {
    target.addEventListener(event, () => readout.replaceChildren(...otherwise()));
  }
  return target;
}

/** One seed's W: columns as arrows, their polygon, and biases as bars, in the order of the columns. */
function weights(host, { seeds }, chosen, reach) {
  const readout = host.querySelector(".reading"), base = HALF + 26;
  const columnsOf = ({ params }) => params.filter(isComplete).flatMap((flat) => points(flat, 3));
  const largest = quantile(seeds.flatMap(columnsOf).map((column) => Math.abs(column[2])), 0.99) || 1;
  const { at, draw } = plane(host, reach, "columns of W, and biases", "group");
  return (index) => {
    const { params, phase } = chosen(), now = PHASES[phase[index]];
    const rest = () => [reading(now, "columns of W as arrows, biases b as bars")];
    readout.replaceChildren(...rest());
    if (!isComplete(params[index])) return draw(element("text", { "text-anchor": "middle" }, "not finite"));
    const columns = points(params[index], 3).map(turned(uprighting(points(params.findLast(isComplete), 3))));
    const pitch = (1.6 * HALF) / columns.length;
    const shapes = columns.map((column, i) => {
      const text = `column ${i + 1}: length ${number(size(column))}, bias ${number(column[2])}`;
      const place = -0.8 * HALF + (i + 0.14) * pitch;
      const parts = [...arrow(at(column), now.hue), bar(column[2], largest, place, pitch, base)];
      const group = element("g", { tabindex: 0, role: "img", "aria-label": text, class: "column" }, ...parts);
      return readoutOnFocus(group, readout, () => item(text), rest);
    });
    const ring = closed(corners(columns).map(at));
    draw(
      element("path", { d: ring, class: "ring", fill: now.hue, stroke: now.hue }),
      ...shapes,
      element("line", { class: "tick", x1: -86, x2: 86, y1: base, y2: base }),
      element("text", { x: -96, y: base + 4, "text-anchor": "middle" }, "b"),
    );
  };
}

const hueOf = (phase) => (phase === null ? "currentColor" : PHASES[phase].hue);

/** How many of some draws are in each phase, as text. */
function tally(draws) {
  const times = PHASES.map((phase, i) => [phase, draws.filter((draw) => draw.phase === i).length]);
  return times.filter(([, n]) => n).map(([phase, n]) => reading(phase, `${n} of ${draws.length} draws`));
}

/** Some posterior draws, as polygons laid over one another. */
function polygons(host, { draws }, reach) {
  const readout = host.querySelector(".reading");
  const { at, draw } = plane(host, reach, "posterior draws as polygons", "img");
  return (index) => {
    const rest = () => tally(draws[index]);
    readout.replaceChildren(...rest());
    const shapes = draws[index].filter((one) => isComplete(one.at)).map((one) => {
      const ring = points(one.at).map(at), hue = hueOf(one.phase);
      const dots = ring.map(([cx, cy]) => element("circle", { cx, cy, r: 2.6, fill: hue }));
      const edge = element("path", { d: closed(ring), class: "edge", stroke: hue });
      const named = one.phase === null ? { name: "draw", hue } : PHASES[one.phase];
      const text = () => reading(named, `a draw with ${ring.length} long columns`);
      return readoutOnFocus(element("g", { class: "draw" }, edge, ...dots), readout, text, rest);
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

/** Parameters of one number (spread in height to be distinguished) or of two, as points on axes. */
function cloud(host, names, all, pick) {
  const flat = names.length === 1, height = flat ? 120 : 260, bottom = height - EDGE.bottom;
  const x = pointScale(all.map((at) => at[0]), EDGE.left, WIDTH - EDGE.right);
  const y = flat ? null : pointScale(all.map((at) => at[1]), bottom, EDGE.top);
  const rise = (at, i) => (y ? y.place(at[1]) : EDGE.top + 8 + ((i * 0.618) % 1) * (bottom - EDGE.top - 16));
  const readout = host.querySelector(".reading"), marks = element("g", { class: "marks" });
  const label = `points on ${names.join(", ")}`;
  const picture = element("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label });
  for (const tick of x.ticks) {
    const at = x.place(tick);
    picture.append(element("line", { class: "grid", x1: at, x2: at, y1: EDGE.top, y2: bottom }));
    picture.append(element("text", { x: at, y: height - 5, "text-anchor": "middle" }, number(tick)));
  }
  if (y) picture.append(...rows(y.ticks.map((tick) => [tick, number(tick)]), y.place));
  picture.append(marks);
  host.querySelector(".canvas").replaceChildren(picture);
  return (index) => {
    const { shown, rest } = pick(index);
    readout.replaceChildren(...rest());
    const dots = shown.filter(({ at }) => isComplete(at)).map(({ phase, at, marked }, i) => {
      const shape = { cx: x.place(at[0]), cy: rise(at, i), r: marked ? 6 : 3, class: marked ? "marked" : "point" };
      const text = names.map((name, axis) => `${name} = ${number(at[axis])}`).join(", ");
      const say = () => item(text);
      return readoutOnFocus(element("circle", { ...shape, fill: hueOf(phase) }), readout, say, rest);
    });
    marks.replaceChildren(...dots);
  };
}
