"use strict";
// The pictures of how a recording was heard, from the numbers in the page.

const content = JSON.parse(document.getElementById("content").textContent);
const { stages, command, transcript, span, start } = content;
const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const LINES = ["#0f9d8a", "#d9730d", "#7d6fd6", "#d0486c", "#3b82c4", "#7a8b1f", "#b0643a", "#b5489d"];
const SVG = "http://www.w3.org/2000/svg";
const AROUND = 0.25;  // seconds that are played on both sides of a place
const LANES = 3;  // of marks above a picture; where more would be wanted some have no text
const PAPER = 600;  // pixels that a picture over time has at least on a printed page (A4), and a map of attention
const PAPER_MAP = 280;
const UNFOLDED = 8;  // steps of the decoder that are seen at once
const PAPER_COLUMNS = 6;  // of a tree, in a row of a printed page

const part = (id) => document.getElementById(id);
const percent = (share) => {
  if (share < 0.001) return "under 0.1 %";
  if (share > 0.999 && share < 1) return "over 99.9 %";
  return `${(100 * share).toFixed(share > 0.99 || share < 0.01 ? 1 : 0)} %`;
};
/** The same where there is little room. */
const short = (share) => percent(share).replace("under ", "<").replace("over ", ">");
const minus = (text) => text.replace("-", "−");
const at = (seconds) => `${minus((seconds + start).toFixed(2))} s`;

/** An element with a class, text and what stands in it; text is never taken for markup. */
function make(tag, name = "", text = "", ...inside) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text) element.textContent = text;
  element.append(...inside);
  return element;
}

function draw(tag, attributes, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text) element.textContent = text;
  return element;
}

// Packed numbers.

async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const whole = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(whole).arrayBuffer());
}

/** An image with its values: `share` from 0 to 1 of its range, `value` what it stands for. */
async function image({ rows, columns, low, high, data }) {
  const bytes = await unpacked(data);
  const share = (row, column) => bytes[row * columns + column] / 255;
  return { rows, columns, low, high, share, value: (row, column) => low + (high - low) * share(row, column) };
}

function across({ rows, columns, low, high, share, value }) {
  return { rows: columns, columns: rows, low, high, share: (row, column) => share(column, row), value: (row, column) => value(column, row) };
}

/** The first row at the bottom. */
function upright({ rows, columns, low, high, share, value }) {
  const turned = (row) => rows - 1 - row;
  return { rows, columns, low, high, share: (row, column) => share(turned(row), column), value: (row, column) => value(turned(row), column) };
}

// Sound.

let sound = null, context = null, playing = null;

async function play(from, to) {
  stop();
  sound ??= unpacked(content.sound).then((bytes) => new Int16Array(bytes.buffer));
  const samples = await sound;
  if (!samples.length) return;
  context ??= new AudioContext();
  const buffer = context.createBuffer(1, samples.length, content.rate);
  buffer.getChannelData(0).set(Float32Array.from(samples, (each) => each / 32768));
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(context.destination);
  await context.resume();
  stop();  // what was begun while this was made ready
  const begun = context.currentTime;
  source.start(0, Math.max(0, from), Math.min(span, to) - Math.max(0, from));
  playing = source;
  part("all").textContent = "Stop";
  document.body.classList.add("playing");
  const move = () => {
    if (playing !== source) return;
    const place = Math.max(0, from) + context.currentTime - begun;
    if (place >= Math.min(span, to)) return stop();
    document.documentElement.style.setProperty("--at", place / span);
    requestAnimationFrame(move);
  };
  move();
}

function stop() {
  const source = playing;
  playing = null;
  source?.stop();
  part("all").textContent = "Play all";
  document.body.classList.remove("playing");
}

const words = transcript.words.map((word) => ({ ...word, start: word.start - start, end: word.end - start }));

function playAround(seconds) {
  const word = words.find((each) => each.start <= seconds && seconds < each.end);
  return word ? play(word.start, word.end) : play(seconds - AROUND, seconds + AROUND);
}

// Pictures over time.

const playTimes = ([from, to]) => play(from - start, to - start);

/** A button that plays from when to when, in seconds of the recording. */
function player(kind, text, times) {
  const button = make("button", kind, text);
  button.type = "button";
  button.onclick = () => playTimes(times);
  tipOn(button, () => `${times[0].toFixed(2)} s to ${times[1].toFixed(2)} s`);
  return button;
}

/** A picture over time in a part of the page: names of its rows, marks above, an axis below, values under the pointer. */
function picture(place, { height, names = [], marks = [], label, tip, paper = PAPER, seconds = (share) => share * span }) {
  const field = make("div", "field");
  if (height) field.style.height = height;
  field.setAttribute("role", "img");
  field.setAttribute("aria-label", label);
  const row = make("div", "marks");
  for (const { text, from, to, hint } of marks) {
    const mark = make("button", "mark", text);
    mark.type = "button";
    mark.dataset.at = (from + to) / 2 / span;
    mark.setAttribute("aria-label", `Play ${text}`);
    tipOn(mark, () => hint);
    mark.onclick = () => play(from, to);
    row.append(mark);
  }
  const ticks = make("div", "axis");
  const every = [0.25, 0.5, 1, 2, 5].find((each) => span / each <= 9) ?? 10;
  for (let tick = Math.ceil(start / every); tick * every <= start + span * 0.97; tick++) {
    if (tick < 0) continue;
    const written = make("span", "", `${+(tick * every).toFixed(2)} s`);
    written.style.left = `${(100 * (tick * every - start)) / span}%`;
    ticks.append(written);
  }
  const plot = make("div", "plot", "", ...(marks.length ? [row] : []), make("div", "names", "", ...names.map((name) => make("span", "", name))), field, ticks);
  place.append(plot);
  const shares = (event) => {
    const box = field.getBoundingClientRect();
    const share = (value) => Math.max(0, Math.min(0.999999, value));
    return [share((event.clientX - box.left) / box.width), share((event.clientY - box.top) / box.height)];
  };
  tipOn(field, (event) => tip(...shares(event)));
  field.addEventListener("click", (event) => playAround(seconds(...shares(event))));
  if (marks.length) new ResizeObserver(() => spread(row, paper)).observe(row);
  return field;
}

/** Marks in as few rows as keep them apart, on the screen and on paper; those without room are ticks, which play too. */
function spread(row, paper) {
  const marks = [...row.children];
  for (const mark of marks) mark.classList.remove("tick", "paper-tick");
  const halves = marks.map((mark) => mark.offsetWidth / 2 + 1);  // on paper letters are a little wider
  for (const [kind, wide, tick] of [["screen", row.clientWidth, "tick"], ["paper", paper, "paper-tick"]]) {
    const ends = [];
    let ticks = 0;
    marks.forEach((mark, number) => {
      const half = halves[number];
      const middle = Math.max(half, Math.min(wide - half, mark.dataset.at * wide));
      let lane = ends.findIndex((end) => end <= middle - half);
      if (lane < 0) lane = ends.length;
      mark.classList.toggle(tick, lane >= LANES);
      if (lane >= LANES) return ticks++;
      ends[lane] = middle + half;
      mark.style.setProperty(`--${kind}-lane`, lane);
    });
    row.style.setProperty(`--${kind}-lanes`, Math.max(1, ends.length));
    row.style.setProperty(`--${kind}-ticks`, ticks ? 1 : 0);
  }
  marks.forEach((mark, number) => {
    const at = `${100 * mark.dataset.at}%`;
    mark.style.setProperty("--place", at);
    mark.style.setProperty("--kept", `clamp(${halves[number]}px, ${at}, 100% - ${halves[number]}px)`);
  });
}

function playhead(field) {
  field.append(make("i", "playhead"));
}

function tipOn(element, text) {
  const tip = part("tip");
  const show = (event) => {
    tip.textContent = text(event);
    tip.hidden = false;
    const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
    const below = event.clientY + 18 + tip.offsetHeight < innerHeight;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${below ? event.clientY + 18 : event.clientY - tip.offsetHeight - 12}px`;
  };
  element.addEventListener("pointermove", show);
  element.addEventListener("pointerdown", show);
  // A finger leaves as soon as it is lifted: what it showed stays until the next tap.
  element.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") tip.hidden = true; });
}

document.addEventListener("pointerdown", () => { part("tip").hidden = true; }, { capture: true });

function viridis(share) {
  const place = Math.max(0, Math.min(1, share)) * (VIRIDIS.length - 1);
  const below = Math.min(Math.floor(place), VIRIDIS.length - 2);
  return [...VIRIDIS[below].map((one, channel) => one + (place - below) * (VIRIDIS[below + 1][channel] - one)), 255];
}

// The more there is, the less of the ground is seen: so it reads on light ground and on dark.
const ink = (share) => [24, 158, 142, 255 * Math.min(1, Math.sqrt(share))];

/** A canvas with a dot for each value; the page makes it as large as it is shown. */
function dots({ rows, columns, share }, colour) {
  const canvas = make("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const pen = canvas.getContext("2d");
  const whole = pen.createImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) whole.data.set(colour(share(row, column)), 4 * (row * columns + column));
  }
  pen.putImageData(whole, 0, 0);
  canvas.classList.toggle("ink", colour === ink);
  return canvas;
}

/** Where columns of so many seconds lie: the first frame is centred on the first sample. */
function lay(canvas, each) {
  canvas.style.left = `${(-50 * stages.frame) / span}%`;
  canvas.style.width = `${(100 * canvas.width * each) / span}%`;
  return canvas;
}

/** Seconds from the beginning of the picture to the middle of a step. */
const middle = (step) => (step + 0.5) * stages.step - stages.frame / 2;

const columnAt = (share, each, columns) => Math.max(0, Math.min(columns - 1, Math.floor((share * span + stages.frame / 2) / each)));

function overTime(place, picked, each, { height, names, label, row, colour = viridis, clip = null, marks = wordMarks() }) {
  const shown = clip ? { ...picked, share: (at, column) => (picked.value(at, column) - clip[0]) / (clip[1] - clip[0]) } : picked;
  const field = picture(place, {
    height, names, label, marks,
    tip: (x, y) => {
      const column = columnAt(x, each, picked.columns), line = Math.floor(y * picked.rows);
      return `${at(x * span)} · ${row(line)}\n${picked.value(line, column).toFixed(2)}`;
    },
  });
  field.append(lay(dots(shown, colour), each));
  playhead(field);
  return field;
}

const wordMarks = () => words.map((word) => ({ text: word.word, from: word.start, to: word.end, hint: `${word.word}\n${at(word.start)} to ${at(word.end)}\n${percent(word.confidence)} sure` }));

// The stages.

function drawWave() {
  const field = picture(part("sound"), {
    height: "8rem", names: ["louder", "0", "louder"], marks: wordMarks(),
    label: words.length ? words.map((word) => `${word.word} from ${at(word.start)} to ${at(word.end)}`).join(", ") : "no words",
    tip: (x) => {
      const [low, high] = content.wave[Math.floor(x * content.wave.length)];
      const word = words.find((each) => each.start <= x * span && x * span < each.end);
      return `${at(x * span)}${word ? ` · ${word.word}` : ""}\n${low.toFixed(3)} to ${high.toFixed(3)}`;
    },
  });
  for (const word of words) {
    const band = make("div", "band");
    band.style.left = `${(100 * word.start) / span}%`;
    band.style.width = `${(100 * (word.end - word.start)) / span}%`;
    field.append(band);
  }
  const loudest = Math.max(0.02, ...content.wave.flat().map(Math.abs));
  const up = (value) => (50 - (48 * value) / loudest).toFixed(2);
  const count = content.wave.length;
  const points = [...content.wave.map(([, high], at) => `${at},${up(high)}`), ...content.wave.map(([low], at) => `${at},${(+up(low) + 0.4).toFixed(2)}`).reverse()];
  const drawn = draw("svg", { viewBox: `0 0 ${Math.max(1, count - 1)} 100`, preserveAspectRatio: "none", "aria-hidden": "true" });
  drawn.append(draw("path", { class: "sound", d: `M${points.join("L")}Z` }));
  field.append(drawn);
  playhead(field);
}

/** Frequencies at five places of a picture of mel bands, from the top. */
const tops = (hertz) => [1, 0.75, 0.5, 0.25, 0].map((share) => `${Number(hertz[Math.round(share * (hertz.length - 1))].toPrecision(2))} Hz`);

async function drawVectors() {
  part("colours").append(make("span", "", "Colours: low"), make("i", "scale"), make("span", "", "high."));
  part("margins").textContent = `Around the speech ${stages.margin} s of silence are put on each side, as in training: so the pictures may begin before 0 s.`;
  part("counted").textContent = stages.loud
    ? `over the frames that are at most about ${stages.loud} dB fainter than the loud ones. What is fainter is moved along with them: the stripes at both ends are the silence that was put there, the same in each frame`
    : "over all frames of the recording; the stripes at both ends are the silence that was put there, the same in each frame";
  const mel = upright(across(await image(stages.mel)));
  overTime(part("mel"), mel, stages.frame, {
    height: "10rem", names: tops(stages.hertz), label: `${mel.rows} mel bands over ${mel.columns} frames`,
    row: (line) => `band ${mel.rows - line} of ${mel.rows}, at ${Math.round(stages.hertz[mel.rows - 1 - line])} Hz, log power`, clip: [Math.max(mel.low, mel.high - 14), mel.high],
  });
  const cepstra = upright(across(await image(stages.cepstra)));
  overTime(part("mfcc"), cepstra, stages.frame, {
    height: "10rem", names: ["fine", "shape", "coarse"], label: `${cepstra.rows} coefficients over ${cepstra.columns} frames`,
    row: (line) => `coefficient ${cepstra.rows - 1 - line}, deviations`, clip: [-2.5, 2.5],
  });
  const stacked = upright(across(await image(stages.stacked)));
  overTime(part("stacked"), stacked, stages.step, {
    height: "12rem", names: ["last", "", "first"], label: `${stacked.rows} numbers in each of ${stacked.columns} steps`,
    row: (line) => {
      const number = stacked.rows - 1 - line;
      return `vector ${Math.floor(number / cepstra.rows) + 1}, coefficient ${number % cepstra.rows}`;
    },
    clip: [-2.5, 2.5],
  });
  const mixed = across(await image(stages.positions));
  const half = mixed.rows / 2;
  const number = (line) => (line < half ? 2 * line : 2 * (line - half) + 1);  // the sines above, the cosines below
  const places = { ...mixed, share: (line, column) => mixed.share(number(line), column), value: (line, column) => mixed.value(number(line), column) };
  overTime(part("positions"), places, stages.step, {
    height: "10rem", names: ["sines", "slow", "cos", "slow"], label: `${places.rows} numbers for each of ${places.columns} steps`,
    row: (line) => `number ${number(line)}, a ${line < half ? "sine" : "cosine"}`,
  });
  const numbers = {
    hop: Math.round(1000 * stages.frame), bands: mel.rows, coefficients: cepstra.rows, frames: cepstra.columns,
    stack: Math.round(stages.step / stages.frame), stacked: stacked.rows, step: Math.round(1000 * stages.step),
    steps: stacked.columns, width: places.rows, layers: stages.attention?.length, heads: stages.attention?.[0].length,
    vocabulary: stages.vocabulary,
  };
  for (const each of document.querySelectorAll("[data-fill]")) each.textContent = numbers[each.dataset.fill] ?? "";
  part("stacked").querySelector("h2").textContent = `Stacked: ${numbers.stack} side by side`;
}

async function drawSelf() {
  if (!stages.attention) return part("self").remove();
  part("self").append(make("p", "key", "", make("span", "", "Colours: no attention"), make("i", "scale ink"), make("span", "", "the most that this head gives.")));
  const layers = await Promise.all(stages.attention.map((heads) => Promise.all(heads.map(image))));
  const maps = make("div", "maps");
  const grid = make("div", "heads");
  grid.style.gridTemplateColumns = `auto repeat(${layers[0].length}, minmax(0, 1fr))`;
  const map = make("div", "map square");
  map.setAttribute("aria-live", "polite");
  maps.append(grid, map);
  part("self").append(maps);
  const buttons = [];
  const choose = (layer, head) => {
    const shown = layers[layer][head];
    for (const each of buttons) each.setAttribute("aria-pressed", String(each.dataset.place === `${layer},${head}`));
    map.replaceChildren(make("h3", "", `Layer ${layer + 1}, head ${head + 1}`));
    const tall = (stages.step * shown.rows) / span;
    const field = picture(map, {
      marks: wordMarks(), paper: PAPER_MAP, names: [at(0), "looks", "from", "↓", at(span)], label: `Where each of ${shown.rows} steps looks`,
      tip: (x, y) => {
        const column = columnAt(x, stages.step, shown.columns), row = columnAt(y, stages.step, shown.rows);
        return `from ${at(y * span)} to ${at(x * span)}\n${shown.value(row, column).toFixed(3)} of its attention`;
      },
    });
    const canvas = lay(dots({ ...shown, share: (row, column) => shown.value(row, column) / shown.high }, ink), stages.step);
    canvas.style.height = `${100 * tall}%`;
    field.append(canvas);
    playhead(field);
  };
  grid.append(make("span"), ...layers[0].map((_, head) => make("span", "top", `head ${head + 1}`)));
  layers.forEach((heads, layer) => {
    grid.append(make("span", "", `layer ${layer + 1}`));
    heads.forEach((each, head) => {
      const button = make("button", "", "", dots({ ...each, share: (row, column) => each.value(row, column) / each.high }, ink));
      button.type = "button";
      button.dataset.place = `${layer},${head}`;
      button.setAttribute("aria-label", `Layer ${layer + 1}, head ${head + 1}`);
      button.onclick = () => choose(layer, head);
      buttons.push(button);
      grid.append(button);
    });
  });
  // The sharpest head of the middle: one that says something at once.
  const half = Math.floor(layers.length / 2);
  choose(half, layers[half].reduce((best, each, head, all) => (each.high > all[best].high ? head : best), 0));
}

function drawCtc() {
  const given = stages.ctc.filter((each) => each.token);
  const top = (each) => each.probabilities.indexOf(Math.max(...each.probabilities));
  const marks = given.map((each) => ({ text: each.token, peak: middle(top(each)) }))
    .sort((one, other) => one.peak - other.peak)
    .map(({ text, peak }) => ({ text, from: peak - AROUND, to: peak + AROUND, hint: `${text}\n${at(peak)}` }));
  const field = picture(part("ctc"), {
    height: "10rem", names: ["1", "0"], marks, label: given.map((each) => `${each.token} at ${at(middle(top(each)))}`).join(", ") || "nothing but blank",
    tip: (x) => {
      const likeliest = stages.likeliest[columnAt(x, stages.step, stages.likeliest.length)];
      return `${at(x * span)}\n${likeliest.map(([token, probability]) => `${token || "blank"} ${percent(probability)}`).join("\n")}`;
    },
  });
  const steps = stages.likeliest.length;
  const drawn = draw("svg", { viewBox: `${stages.frame / 2 / stages.step} 0 ${span / stages.step} 1`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const point = (probability, step) => `${step + 0.5},${(1 - 0.97 * probability).toFixed(4)}`;
  for (const each of stages.ctc.filter((one) => !one.token)) {
    drawn.append(draw("polygon", { class: "blank", points: `0.5,1 ${each.probabilities.map(point).join(" ")} ${steps - 0.5},1` }));
  }
  given.forEach((each, at) => {
    drawn.append(draw("polyline", { points: each.probabilities.map(point).join(" "), stroke: LINES[at % LINES.length] }));
  });
  field.append(drawn);
  playhead(field);
}

async function drawDecoder() {
  if (!stages.decoder) return part("decoder").remove();
  const list = make("ol", "steps");
  list.setAttribute("aria-label", "Steps of the decoder");
  let after = 0;  // the end of the last token
  for (const step of stages.decoder) {
    const shown = await image(step.attention);
    const said = step.said ?? [after, content.seconds];
    after = said[1];
    const times = `${said[0].toFixed(2)} s to ${said[1].toFixed(2)} s`;
    const token = player("token", step.token, said);
    token.setAttribute("aria-label", step.said ? `Play ${step.token}, ${times}` : `Play what follows the text, ${times}`);
    const five = make("div", "five");
    for (const [text, probability] of step.likeliest) {
      const bar = make("i");
      bar.style.width = `${100 * probability}%`;
      five.append(make("span", text === step.token ? "taken" : "", text), make("div", "", "", bar), make("b", "", short(probability)));
    }
    if (!step.likeliest.some(([text]) => text === step.token)) {
      five.append(make("span", "taken", step.token), make("div"), make("b", "", short(step.probability)));
    }
    const item = make("li", "", "", token, five);
    list.append(item);
    const field = picture(item, {
      names: Array.from({ length: shown.rows }, (_, head) => `head ${head + 1}`), label: `Where ${shown.rows} heads look for ${step.token}`,
      tip: (x, y) => {
        const column = columnAt(x, stages.step, shown.columns), head = Math.floor(y * shown.rows);
        return `${step.token} · head ${head + 1} · ${at(x * span)}\n${shown.value(head, column).toFixed(3)} of its attention`;
      },
    });
    field.append(lay(dots({ ...shown, share: (row, column) => shown.value(row, column) / shown.high }, ink), stages.step));
    if (step.said) {
      const band = make("i", "said");
      band.style.left = `${(100 * (said[0] - start)) / span}%`;
      band.style.width = `${(100 * (said[1] - said[0])) / span}%`;
      field.append(band);
    }
    playhead(field);
  }
  part("decoder").append(list);
  if (stages.decoder.length <= UNFOLDED) return;
  list.classList.add("folded");
  const more = make("button", "more", `Show all ${stages.decoder.length} steps`);
  more.type = "button";
  more.onclick = () => { list.classList.remove("folded"); more.remove(); };
  part("decoder").append(more);
}

/** A search's score as a formula, with its weights. */
function formula({ weights, penalty, branches }) {
  const used = Object.keys(weights).filter((name) => branches.some((each) => name in each.parts) && weights[name]);
  return `(${used.map((name) => `${+weights[name].toFixed(4)} · ${name}`).join(" + ")}) / ((5 + n) / 6)${penalty === 1 ? "" : ` to the power of ${penalty}`}`;
}

/** How a branch's score comes from its parts. */
function sum({ weights, penalty }, each) {
  const parts = Object.entries(each.parts);
  if (!parts.length) return [];
  return [
    ...parts.map(([name, value]) => `${name}: ${minus(value.toFixed(3))} × ${+weights[name].toFixed(4)}`),
    `their sum ÷ ${(((5 + each.step) / 6) ** penalty).toFixed(4)} = ${minus(each.score.toFixed(3))}`,
  ];
}

function drawTree(place, search) {
  if (!search.branches.length) return place.append(make("p", "quiet", "There was no token that it might take."));
  const wide = 114, tall = 42, box = [90, 34];
  const columns = new Map();
  search.branches.forEach((each) => columns.set(each.step, [...(columns.get(each.step) ?? []), each]));
  const rank = { kept: 0, ended: 0, dropped: 1 };
  const places = new Map();
  for (const column of columns.values()) {
    column.sort((one, other) => rank[one.fate] - rank[other.fate] || other.score - one.score);
    column.forEach((each, row) => places.set(each, [16 + (each.step - 1) * wide + 40, 8 + row * tall]));
  }
  const most = Math.max(...[...columns.values()].map((column) => column.length));
  const size = [columns.size * wide + 36, most * tall + 12];
  const drawn = draw("svg", { class: "tree", width: size[0], height: size[1], viewBox: `0 0 ${size.join(" ")}`, role: "group" });
  drawn.setAttribute("aria-label", `The tree of the search; the best text is ${search.text || "empty"}`);
  const whole = draw("g", { id: `tree-${place.id}`, class: "branches" });
  drawn.append(whole);
  const order = [...places].sort(([one], [other]) => one.best - other.best);
  whole.append(draw("circle", { cx: 22, cy: 25, r: 5, fill: "currentColor" }));
  for (const [each, [x, y]] of order) {
    const [fromX, fromY] = each.parent === null ? [22, 25] : places.get(search.branches[each.parent]).map((value, at) => value + (at ? box[1] / 2 : box[0]));
    const half = (x + fromX) / 2;
    whole.append(draw("path", { class: `${each.fate} ${each.best ? "best" : ""}`, d: `M${fromX} ${fromY}C${half} ${fromY} ${half} ${y + box[1] / 2} ${x} ${y + box[1] / 2}` }));
  }
  for (const [each, [x, y]] of order) {
    const node = draw("g", { class: `${each.fate} ${each.best ? "best" : ""}` });
    node.append(
      draw("rect", { x, y, width: box[0], height: box[1] }),
      draw("text", { x: x + 9, y: y + 15, class: "name" }, each.token),
      draw("text", { x: x + 9, y: y + 28, class: "score" }, minus(each.score.toFixed(2))),
    );
    const fates = { kept: "kept", ended: "ended", dropped: "not kept" };
    tipOn(node, () => [`“${each.text}”`, `${fates[each.fate]}, score ${minus(each.score.toFixed(3))}`, ...sum(search, each)].join("\n"));
    const before = each.parent === null ? null : search.branches[each.parent].said;
    const said = each.said ?? [before ? before[1] : 0, content.seconds];
    node.addEventListener("click", () => playTimes(said));
    if (each.best) {  // the others are too many to be stepped through
      node.setAttribute("tabindex", 0);
      node.setAttribute("role", "button");
      node.setAttribute("aria-label", `Play ${each.token}, score ${each.score.toFixed(2)}`);
      node.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        playTimes(said);
      });
    }
    whole.append(node);
  }
  const rows = make("div", "slices");
  rows.setAttribute("aria-hidden", "true");
  const full = PAPER_COLUMNS * wide + 56;
  for (let first = 0; first < columns.size; first += PAPER_COLUMNS) {
    const from = first ? first * wide + 34 : 0;  // behind the boxes of the row before
    const across = first * wide + full - from;
    const slice = draw("svg", { class: "tree", viewBox: `${from} 0 ${across} ${size[1]}`, style: `width: ${(100 * across) / full}%` });
    slice.append(draw("use", { href: `#${whole.id}` }));
    rows.append(slice);
  }
  const scroll = make("div", "scroll", "", drawn);
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "group");
  scroll.setAttribute("aria-label", "The tree of the search, from left to right");
  const told = ["Number below each token: the score so far; higher is better.", "Broken lines: the best that were not kept.", "Press a token to hear it and to see the parts of its score.", ...(search.left ? [`Left out: ${search.left} more that the search looked at.`] : [])];
  place.append(make("p", "key formula", `Score = ${formula(search)}: log-probabilities, of n tokens, the end included.`), scroll, rows, make("p", "key", "", ...told.map((each) => make("span", "", each))));
  for (const name of drawn.querySelectorAll(".name")) {
    const room = box[0] - 18;
    if (name.getComputedTextLength() > room) name.setAttribute("textLength", room), name.setAttribute("lengthAdjust", "spacingAndGlyphs");
  }
}

const wordPlayers = (list) => list.map((word) => player("word", `${word.word} · ${percent(word.confidence)}`, [word.start, word.end]));

function wordTable(place, said) {
  const list = make("div", "meaning", "", ...wordPlayers(said.words));
  place.append(said.words.length ? list : make("p", "quiet", "No word was heard."));
  place.append(make("p", "quiet", `The whole: ${percent(said.confidence)}, the geometric mean over all tokens, the end included.`));
}

function slotText(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function meaning() {
  const { reading } = command;
  const slots = Object.entries(reading.slots).map(([name, value]) => make("span", "slot", `${name}: ${slotText(value)}`));
  return [make("span", "name", reading.command), ...slots];
}

/** Whether a command was accepted, and why not. */
function verdict() {
  if (command.understood) return `Accepted: ${percent(command.confidence)} sure, at least the ${percent(command.threshold)} wanted.`;
  if (!stages) return "Rejected: nobody speaks in this recording.";
  if (!command.reading) return "Rejected: no sentence of the grammar is possible here.";
  const worst = [...command.evidence].sort((one, other) => one.points - other.points).filter((each) => each.points < 0).slice(0, 3);
  const reasons = worst.map((each) => `${each.name} (${each.meaning}${each.word ? `: “${each.word}”` : ""})`).join("; ");
  return `Rejected: “${command.reading.text}” would be the nearest, but that is only ${percent(command.confidence)} sure, less than the ${percent(command.threshold)} wanted. ${reasons ? `What speaks most against it: ${reasons}.` : "No measure speaks against it by itself."}`;
}

function drawGrammar() {
  const search = stages.constrained;
  const section = part("grammar");
  const narrow = search.options.length ? `Of ${stages.vocabulary} tokens the grammar (${command.grammars.join(", ")}) allows ${search.options.join(", then ")}.` : "";
  section.append(make("p", "quiet", narrow), make("p", "quiet", otherSearch(search, stages.free)));
  drawTree(section, search);
  if (!command.reading) return;
  section.append(
    make("p", "", command.understood ? `Reading: ${command.reading.text}` : `The nearest reading, rejected below: ${command.reading.text}`),
    make("div", "meaning", "", ...wordPlayers(search.words)),
    make("div", command.understood ? "meaning" : "meaning not", "", ...meaning()),
  );
}

/** In what the search inside the grammar differs from the free one, besides the mask. */
function otherSearch(inside, free) {
  const changes = [];
  if (inside.width !== free.width) changes.push(`it keeps ${inside.width} beginnings instead of ${free.width}`);
  if (inside.weights.CTC !== free.weights.CTC) changes.push(`CTC weighs ${inside.weights.CTC} instead of ${free.weights.CTC}`);
  if (free.weights["language model"] && !inside.weights["language model"]) changes.push("no language model has a say, for what people write says nothing of your commands");
  return `${changes.length ? `It differs in this: ${changes.join("; ")}. ` : "Its width and its weights are the same. "}The grammar only forbids: which of its sentences are likely has no part in the score.`;
}

function drawEvidence() {
  const section = part("evidence");
  if (command.evidence.length) {
    const most = Math.max(...command.evidence.map((each) => Math.abs(each.points)), Math.abs(command.intercept));
    const bar = (points) => {
      const inner = make("i", points < 0 ? "against" : "");
      inner.style.width = `${(50 * Math.abs(points)) / most}%`;
      inner.style[points < 0 ? "right" : "left"] = "50%";
      return make("div", "points", "", inner);
    };
    const body = make("tbody");
    const line = (name, what, found, weight, points, heard = []) => {
      const head = make("th", "", name, make("span", "what", what), ...heard);
      head.scope = "row";
      body.append(make("tr", "", "", head, make("td", "number", found), make("td", "number weight", weight), make("td", "number", signed(points)), make("td", "bars", "", bar(points))));
    };
    const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
    for (const each of command.evidence) {
      line(each.name, each.meaning, Number.isInteger(each.value) ? String(each.value) : each.value.toFixed(3), signed(each.weight), each.points, each.where ? [player("word where", `${each.word ? `“${each.word}”` : "play"} · ${each.where[0].toFixed(2)} s`, each.where)] : []);
    }
    line("intercept", "where the sum begins", "", "", command.intercept);
    const sum = command.evidence.reduce((total, each) => total + each.points, command.intercept);
    const last = make("tr", "", "", make("th", "", "sum"), make("td"), make("td", "weight"), make("td", "number", signed(sum)), make("td", "bars"));
    body.append(last);
    const head = make("tr", "", "", ...[["measure", ""], ["found", "number"], ["weight", "number weight"], ["points", "number"], ["against · for", "bars"]].map(([name, kind]) => make("th", kind, name)));
    section.append(make("div", "scroll", "", make("table", "", "", make("thead", "", "", head), body)));
    const gauge = make("div", command.understood ? "gauge" : "gauge no");
    const keep = (share) => `${Math.max(4, Math.min(96, 100 * share))}%`;
    const fill = make("i"), mark = make("u"), found = make("b", "", `confidence ${command.confidence.toFixed(4)}`), wanted = make("em", "", `threshold ${command.threshold.toFixed(2)}`);
    fill.style.width = `${100 * command.confidence}%`;
    mark.style.left = wanted.style.left = `${100 * command.threshold}%`;
    found.style.left = `clamp(5rem, ${100 * command.confidence}%, 100% - 5rem)`;
    wanted.style.left = keep(command.threshold);
    gauge.append(fill, mark, found, wanted);
    section.append(gauge);
  }
  section.append(make("p", "verdict", verdict()));
}

function drawHead() {
  const said = command ? command.transcript : transcript;
  part("name").textContent = content.name;
  part("text").textContent = said.text || (stages ? "(no words)" : "(nobody speaks)");
  part("text").className = said.text ? (said.text.length > 60 ? "long" : "") : "none";
  if (command) {
    const inside = command.understood ? meaning() : [make("span", "refused", "rejected")];
    part("answer").append(make("div", "meaning", "", ...inside), ...(command.understood ? [] : [make("p", "", verdict())]));
  }
  if (command?.understood && said.text !== transcript.text) part("answer").append(make("p", "", `Without the grammar: “${transcript.text}”, whose words are those of the pictures.`));
  part("facts").textContent = `${content.seconds.toFixed(2)} s of sound${said.text ? ` · ${percent(said.confidence)} sure of the words` : ""}${command?.understood ? ` · ${percent(command.confidence)} sure of the command` : ""}`;
  part("all").onclick = () => (playing ? stop() : play(0, span));
  for (const word of words) {
    const button = make("button", "word", word.word);
    button.type = "button";
    button.onclick = () => play(word.start, word.end);
    part("words").append(button);
  }
}

async function drawAll() {
  if (!stages) document.querySelectorAll(".spoken").forEach((each) => each.remove());
  if (!command) document.querySelectorAll(".command").forEach((each) => each.remove());
  drawHead();
  drawWave();
  if (stages) {
    await drawVectors();
    await drawSelf();
    drawCtc();
    await drawDecoder();
    drawTree(part("beam"), stages.free);
    wordTable(part("heard"), transcript);
    if (command) drawGrammar();
  }
  if (command) drawEvidence();
  document.body.dataset.drawn = "yes";
}

drawAll();
