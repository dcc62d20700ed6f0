// Charts: something against t or against n, with a cursor.

/** A faint line and a label for each of `ticks`, [value, label]. */
function rows(ticks, y) {
  return ticks.flatMap(([value, label]) => [
    element("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: y(value), y2: y(value) }),
    element("text", { x: EDGE.left - 5, y: y(value) + 3.5, "text-anchor": "end" }, label),
  ]);
}

/** Ticks under a logarithmic axis; a label that would run into the one before it is left out. */
function columnLabels(xs, x, bottom) {
  const positive = xs.filter((value) => value > 0);
  const ticks = positive.length ? logTicks(positive[0], positive.at(-1), 7) : [];
  let taken = -Infinity;
  return (xs[0] === 0 ? [0, ...ticks] : ticks).flatMap((tick) => {
    const label = count(tick), half = 3.1 * label.length, at = Math.min(x(tick), WIDTH - half);
    const mark = element("line", { class: "tick", x1: x(tick), x2: x(tick), y1: bottom, y2: bottom + 3 });
    if (at - half < taken + 5) return [mark];
    taken = at + half;
    return [mark, element("text", { x: at, y: bottom + 15, "text-anchor": "middle" }, label)];
  });
}

/**
 * `paint(place)` returns the marks, where place(i, value) is a point; `read(i)` returns the readout at index i.
 * Pointing at the chart reads there; pressing moves the slider there.
 */
function chart(host, xs, { height, y, ticks, paint, read }, go) {
  const x = logScale(xs, EDGE.left, WIDTH - EDGE.right), bottom = height - EDGE.bottom;
  const picture = element("svg", { viewBox: `0 0 ${WIDTH} ${height}`, "aria-hidden": "true" });
  const cursor = element("line", { class: "cursor", y1: EDGE.top - 4, y2: bottom });
  const guide = element("line", { class: "guide", y1: EDGE.top - 4, y2: bottom });
  const readout = host.querySelector(".reading");
  picture.append(...rows(ticks, y), ...columnLabels(xs, x, bottom));
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
    readout.replaceChildren(...read(index));
  });
  picture.addEventListener("pointerdown", (event) => go(nearest(event)));
  picture.addEventListener("pointerleave", () => {
    guide.classList.remove("on");
    readout.replaceChildren(...read(current));
  });
  const repaint = () => marks.replaceChildren(...paint((i, value) => [x(xs[i]), y(value)]));
  repaint();
  return {
    repaint,
    move(index) {
      current = index;
      set(cursor, index);
      readout.replaceChildren(...read(index));
    },
  };
}

const shareAxis = (height) => {
  const bottom = height - EDGE.bottom;
  return { height, y: (share) => bottom + (EDGE.top - bottom) * share, ticks: [[0, "0"], [0.5, "half"], [1, "all"]] };
};

const seen = (shares) => PHASES.filter(({ i }) => shares[i].some((share) => share > 0.001));

/** Shares of seeds, one on another. */
function stacked(host, { steps, shares }, go) {
  const present = seen(shares);
  const paint = (place) => {
    const base = steps.map(() => 0);
    return present.map(({ i, hue }) => {
      const under = steps.map((_, k) => place(k, base[k]));
      steps.forEach((_, k) => (base[k] += shares[i][k] ?? 0));
      const over = steps.map((_, k) => place(k, base[k]));
      return element("path", { d: closed([...over, ...under.reverse()]), fill: hue });
    });
  };
  const read = (k) => present.map((phase) => reading(phase, percent(shares[phase.i][k]), !shares[phase.i][k]));
  return chart(host, steps, { ...shareAxis(120), paint, read }, go);
}

/** Lines with bands of a standard error: each line has values, errors and a hue. */
function banded(lines, place) {
  return lines.flatMap(({ values, errors, hue }) =>
    runs(values.length, (i) => values[i] !== null).flatMap((run) => {
      const edge = (side) => run.map((i) => place(i, Math.max(0, values[i] + side * (errors[i] ?? 0))));
      const middle = run.map((i) => place(i, values[i]));
      return [
        element("path", { d: closed([...edge(1), ...edge(-1).reverse()]), fill: hue, class: "band" }),
        element("path", { d: path(middle), class: "line", stroke: hue }),
        ...middle.map(([cx, cy]) => element("circle", { cx, cy, r: 2, fill: hue })),
      ];
    }),
  );
}

/** A value as text, with its standard error where there is one. */
function withError(value, error, format) {
  return value === null || error === null ? format(value) : `${format(value)} ± ${format(error)}`;
}

/** The posterior's shares with their standard errors. */
function occupancy(host, { sample_sizes, shares, errors }, go) {
  const present = seen(shares);
  const lines = present.map(({ i, hue }) => ({ values: shares[i], errors: errors[i], hue }));
  const read = (k) =>
    present.map((phase) => {
      const [share, error] = [shares[phase.i][k], errors[phase.i][k]];
      const absent = !(share >= 0.005);
      return reading(phase, absent ? percent(share) : withError(share, error, percent), absent);
    });
  return chart(host, sample_sizes, { ...shareAxis(120), paint: (place) => banded(lines, place), read }, go);
}

/** One seed's loss, colored by its phase, over the phases' own losses. */
function seedLoss(host, { steps, seeds }, chosen, go) {
  const values = finite(seeds.flatMap((seed) => seed.loss)), height = 130;
  const { scale, ticks } = lossScale(values.length ? values : [0, 1], height - EDGE.bottom, EDGE.top);
  const lowest = values.length ? Math.min(...values) : 0, highest = Math.max(...values);
  const paint = (place) => {
    const { loss, phase } = chosen();
    const levels = PHASES.filter((known) => known.loss >= lowest && known.loss <= highest).map((known) => {
      const ends = { x1: EDGE.left, x2: WIDTH - EDGE.right, y1: scale(known.loss), y2: scale(known.loss) };
      return element("line", { class: "level", stroke: known.hue, ...ends });
    });
    const pieces = runs(loss.length - 1, (i) => loss[i] !== null && loss[i + 1] !== null).flat().map((i) => {
      const d = path([place(i, loss[i]), place(i + 1, loss[i + 1])]);
      return element("path", { d, class: "line", stroke: PHASES[phase[i]].hue });
    });
    return [...levels, ...pieces];
  };
  const read = (i) => [reading(PHASES[chosen().phase[i]], `at loss ${number(chosen().loss[i])}`)];
  return chart(host, steps, { height, y: scale, ticks: ticks.map((tick) => [tick, number(tick)]), paint, read }, go);
}

/** The posterior's mean loss with its standard error. */
function meanLoss(host, { sample_sizes, loss, loss_error: errors }, go) {
  const edges = (mean, error) => (mean === null ? [] : [mean - (error ?? 0), mean + (error ?? 0)]);
  const height = 130, usable = loss.flatMap((mean, i) => edges(mean, errors[i])).filter((value) => value > 0);
  const { scale, ticks } = lossScale(usable.length ? usable : [0, 1], height - EDGE.bottom, EDGE.top);
  const floor = usable.length ? Math.min(...usable) : 0;
  const y = (value) => scale(Math.max(value, floor));
  const paint = (place) => banded([{ values: loss, errors, hue: "currentColor" }], place);
  const read = (i) => [item(`mean loss ${withError(loss[i], errors[i], number)}`)];
  return chart(host, sample_sizes, { height, y, ticks: ticks.map((tick) => [tick, number(tick)]), paint, read }, go);
}
