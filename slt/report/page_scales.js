// The page's interactive part, first file of four that make one script (see interactive.py): data, texts and scales.
//
// The script draws from the JSON block alone and fetches nothing; text from records enters as textContent, never as
// markup. SGD's step t and the posterior's n have a slider and axes each.

const data = JSON.parse(document.getElementById("data").textContent);
const WIDTH = 360, EDGE = { left: 44, right: 8, top: 8, bottom: 20 };
const DARK = matchMedia("(prefers-color-scheme: dark)");
const PHASES = data.phases.map((phase, i) => ({ ...phase, i, hue: DARK.matches ? phase.dark : phase.color }));

// -- small things --------------------------------------------------------------------------------------------------
function element(tag, attributes = {}, ...children) {
  const svg = !["span", "b", "option"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const finite = (values) => values.filter((value) => value !== null);
const count = (value) => value.toLocaleString("en");

function number(value) {
  if (value === null) return "–";
  if (value !== 0 && Math.abs(value) < 1e-3) return String(Number(value.toPrecision(3)).toExponential());
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

function percent(share) {
  if (share === null) return "–";
  if (share > 0 && share < 0.005) return "< 1 %";
  return share >= 0.995 && share < 1 ? "> 99 %" : `${(100 * share).toFixed(0)} %`;
}

function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.round(q * (sorted.length - 1))] ?? 0;
}

/** A phase's name beside a spot of its color, and a value; faint where it is absent. */
function reading(phase, value, absent = false) {
  const chip = element("span", { class: "chip", style: `background:${phase.hue}` });
  return element("span", { class: absent ? "item absent" : "item" }, chip, element("b", {}, phase.name), ` ${value}`);
}

const item = (text) => element("span", { class: "item" }, text);

// -- scales --------------------------------------------------------------------------------------------------------
/** A logarithmic scale onto [low, high]; a first value of 0 stands at `low`, a little apart. */
function logScale(values, low, high) {
  const positive = values.filter((value) => value > 0);
  const first = Math.min(...positive), last = Math.max(...positive);
  if (!(last > first)) return () => (low + high) / 2;
  const start = values.length > positive.length ? low + 0.06 * (high - low) : low;
  return (value) => (value > 0 ? start + ((high - start) * Math.log(value / first)) / Math.log(last / first) : low);
}

const LEADS = [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 5], [1, 3], [1]];

/** Round numbers from `low` to `high`, about `most` of them at most: over many decades, not every power of ten. */
function logTicks(low, high, most) {
  const powers = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) powers.push(10 ** power);
  const within = (tick) => tick >= low && tick <= high;
  const multiples = (leads) => (power) => leads.map((lead) => Number((lead * power).toPrecision(2)));
  const tried = LEADS.map((leads) => powers.flatMap(multiples(leads)).filter(within));
  const stride = Math.ceil(powers.length / most);
  const ticks = tried.find((some) => some.length <= most) ?? tried.at(-1).filter((_, i) => i % stride === 0);
  return ticks.length > 1 ? ticks : [low, high];
}

function linearTicks(low, high) {
  const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((lead) => lead * power >= rough * 0.999);
  const first = Math.ceil(low / step), last = Math.floor(high / step);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(6)));
}

/** A vertical scale over `values`, logarithmic where they are positive and span a factor of two, and its ticks. */
function lossScale(values, low, high) {
  let [least, most] = [Math.min(...values), Math.min(Math.max(...values), 10 * Math.abs(quantile(values, 0.95)))];
  if (least > 0 && most > 2 * least) {
    const scale = logScale([least, most], low, high);
    return { scale: (value) => scale(Math.min(value, most)), ticks: logTicks(least, most, 5) };
  }
  if (!(most > least)) [least, most] = [least - 0.5 * Math.abs(least || 1), least + 0.5 * Math.abs(least || 1)];
  const scale = (value) => low + ((high - low) * (Math.min(value, most) - least)) / (most - least);
  return { scale, ticks: linearTicks(least, most) };
}

/** Runs of neighboring indices at which `keep` holds. */
function runs(length, keep) {
  const found = [];
  for (let i = 0; i < length; i++) {
    if (!keep(i)) continue;
    if (i > 0 && keep(i - 1)) found.at(-1).push(i);
    else found.push([i]);
  }
  return found;
}

/** An SVG path through `points`; `closed` runs back to the first. No points, no path. */
const path = (points) => (points.length ? "M" + points.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join("L") : "");
const closed = (points) => (points.length ? `${path(points)}Z` : "");
