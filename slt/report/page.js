// The page itself: two panels of pictures and charts, a slider each, the state in the address, and downloads.

// -- sliders -------------------------------------------------------------------------------------------------------
/** Wires a panel's slider and play button over `values`; `show(i)` draws. Returns what goes to an index. */
function scrubber(panel, values, letter, pace, show) {
  const [slider, button, now] = ["input", "button", "output"].map((tag) => panel.querySelector(tag));
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

// -- the two panels ------------------------------------------------------------------------------------------------
/** All the finite parameters that each panel may draw, if it draws them in this way. */
function shapes(drawing) {
  const sgd = data.sgd?.drawing === drawing ? data.sgd.seeds.flatMap(({ params }) => params) : [];
  const posterior = data.posterior?.drawing === drawing ? data.posterior.draws.flat().map(({ at }) => at) : [];
  return { sgd: sgd.filter(isComplete), posterior: posterior.filter(isComplete) };
}

/** How far planes reach, the same in both panels: nearly every column is inside. */
function planeReach() {
  const { sgd, posterior } = shapes("polygon");
  const tips = [...sgd.flatMap((flat) => points(flat, 3)), ...posterior.flatMap((flat) => points(flat))];
  return 1.1 * Math.max(1, quantile(tips.map(size), 0.95));
}

/** Every point that either panel may show, for axes that they share. */
function allPoints() {
  const { sgd, posterior } = shapes("points");
  return [...sgd, ...posterior];
}

function sgdPanel(panel, sgd) {
  const picker = panel.querySelector("select");
  const title = ({ seed, phase }) => `${seed}, ends in ${PHASES[phase.at(-1)].name}`;
  picker.append(...sgd.seeds.map((seed, i) => element("option", { value: i }, title(seed))));
  const chosen = () => sgd.seeds[Number(picker.value)];
  const go = (index) => { time.leave(); time.go(index); remember(); };
  const where = (index) => sgd.axes.map((name, i) => `${name} = ${number(chosen().params[index][i])}`).join(", ");
  const pick = (index) => ({
    shown: sgd.seeds.map((seed) => ({ phase: seed.phase[index], at: seed.params[index], marked: seed === chosen() })),
    rest: () => [reading(PHASES[chosen().phase[index]], `the large point, seed ${chosen().seed}: ${where(index)}`)],
  });
  const makers = {
    polygon: (host) => weights(host, sgd, chosen, planeReach()),
    points: (host) => cloud(host, sgd.axes, allPoints(), pick),
  };
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
  const go = (index) => { observations.leave(); observations.go(index); remember(); };
  const pick = (index) => ({ shown: posterior.draws[index], rest: () => tally(posterior.draws[index]) });
  const makers = {
    polygon: (host) => polygons(host, posterior, planeReach()),
    points: (host) => cloud(host, posterior.axes, allPoints(), pick),
  };
  const picture = part(panel, "picture", makers[posterior.drawing]);
  const shares = part(panel, "shares", (host) => occupancy(host, posterior, go));
  const loss = part(panel, "loss", posterior.loss && ((host) => meanLoss(host, posterior, go)));
  const observations = scrubber(panel, posterior.sample_sizes, "n", 500, (index) => {
    picture?.(index);
    shares.move(index);
    loss?.move(index);
  });
  return observations;
}

// -- state in the address, so that a view can be shared: #step=5000&seed=3&n=400 -----------------------------------
const panels = {};

let writing = 0;

/** Soon, and once for many changes: browsers limit how often the address may change. */
function remember() {
  clearTimeout(writing);
  writing = setTimeout(() => {
    const state = new URLSearchParams();
    if (panels.sgd) state.set("step", data.sgd.steps[panels.sgd.index()]);
    if (panels.sgd) state.set("seed", panels.sgd.seed());
    if (panels.posterior) state.set("n", data.posterior.sample_sizes[panels.posterior.index()]);
    history.replaceState(null, "", `#${state}`);
  }, 200);
}

/** The last of `values` that is not above the value in the address; the very last where it has none. */
function asked(state, name, values) {
  const wanted = Number(state.get(name) ?? NaN);
  return Number.isNaN(wanted) ? values.length - 1 : Math.max(0, values.findLastIndex((value) => value <= wanted));
}

function recall() {
  const state = new URLSearchParams(location.hash.slice(1));
  if (panels.sgd && state.has("seed")) panels.sgd.select(Number(state.get("seed")));
  panels.sgd?.go(asked(state, "step", data.sgd.steps));
  panels.posterior?.go(asked(state, "n", data.posterior.sample_sizes));
}

// -- downloads: files lie in the page, packed, and are unpacked when they are asked for ----------------------------
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
  DARK.addEventListener("change", () => location.reload());
}
