// Pictures of sound, drawn in the colours of the page.

const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const LINES = ["#0f9d8a", "#d9730d", "#6a5acd", "#c2385a", "#3b82c4", "#7a8b1f", "#a0522d", "#b5489d"];
let labels = 96;  // pixels beside a picture, for the names of its rows; fewer on a phone
const WORDS = 22;

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** A context to draw on as many pixels as the screen has, in the units of the page. */
function begin(canvas, height) {
  const width = canvas.clientWidth || 300;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  return [context, width];
}

function bars(context, peaks, left, width, height, top = 0) {
  context.fillStyle = colour("--accent");
  const step = width / peaks.length;
  peaks.forEach((peak, at) => {
    const tall = Math.max(1, Math.min(1, peak) * height);
    context.fillRect(left + at * step, top + (height - tall) / 2, Math.max(1, step * 0.7), tall);
  });
}

/** The last seconds of the microphone: `peaks` from 0 to 1, the latest last. */
export function drawLevel(canvas, peaks, slots) {
  const height = canvas.clientHeight || 88;
  const [context, width] = begin(canvas, height);
  const shown = peaks.slice(-slots);
  const left = width * (1 - shown.length / slots);
  context.fillStyle = colour("--edge");
  context.fillRect(0, height / 2 - 0.5, width, 1);
  // Quiet speech is seen as well: the square root of the peak.
  if (shown.length) bars(context, shown.map(Math.sqrt), left, width - left, height * 0.92, height * 0.04);
}

/** The figures of one utterance, into an element. `words` are those of the transcript. */
export function drawPictures(element, pictures, words) {
  const span = pictures.seconds;
  labels = Math.min(96, element.clientWidth / 5);
  const spoken = words.map((word) => ({ ...word, start: word.start - pictures.start, end: word.end - pictures.start }));
  const tokens = pictures.ctc.filter((each) => each.token);
  const figures = [
    ["Sound, and when each word is said",
      `${words.length ? spoken.map((word) => `${word.word} from ${word.start.toFixed(2)} to ${word.end.toFixed(2)} s`).join(", ") : "no words"}`,
      96, (canvas) => drawWave(canvas, pictures, spoken)],
    ["MFCC, what the encoder is given: each coefficient over time",
      `an image of ${pictures.cepstra.rows} coefficients over ${span.toFixed(2)} s`,
      120, (canvas) => drawImage(canvas, unpacked(pictures.cepstra), VIRIDIS, ["high", "low"])],
    ["CTC: what the encoder hears by itself",
      tokens.map((each) => `${each.token} at ${(peak(each.probabilities) * pictures.step).toFixed(2)} s`).join(", ") || "nothing",
      120, (canvas) => drawCtc(canvas, pictures)],
  ];
  if (pictures.attention) {
    figures.push(["Attention: where the decoder looks as it writes each token",
      pictures.attention.map((row, at) => `${pictures.tokens[at]} at ${(peak(row) * pictures.step).toFixed(2)} s`).join(", "),
      Math.min(20 * pictures.attention.length, 420) + 4, (canvas) => drawAttention(canvas, pictures)]);
  }
  const draw = [];
  element.replaceChildren(...figures.map(([title, description, height, paint]) => {
    const figure = document.createElement("figure");
    const caption = document.createElement("figcaption");
    caption.textContent = title;
    const canvas = document.createElement("canvas");
    canvas.style.height = `${height}px`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${title}: ${description}`);
    figure.append(caption, canvas);
    draw.push(() => paint(canvas, height));
    return figure;
  }));
  const all = () => draw.forEach((each) => each());
  all();
  return all;
}

function drawWave(canvas, pictures, words) {
  const [context, width] = begin(canvas, 96);
  const inner = width - labels;
  const place = (seconds) => labels + (seconds / pictures.seconds) * inner;
  context.fillStyle = colour("--soft");
  for (const word of words) context.fillRect(place(word.start), 0, place(word.end) - place(word.start), 96);
  const loudest = Math.max(0.02, ...pictures.wave);
  bars(context, pictures.wave.map((each) => each / loudest), labels, inner, 96 - WORDS - 4, WORDS);
  context.fillStyle = colour("--ink");
  context.textAlign = "center";
  nameInOrder(context, words.map((word) => [place((word.start + word.end) / 2), word.word]));
}

function unpacked({ rows, columns, data }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  return Array.from({ length: rows }, (_, row) => Array.from({ length: columns }, (_, at) => bytes[(rows - 1 - row) * columns + at] / 255));
}

function drawImage(canvas, rows, map, names) {
  const [context, width] = begin(canvas, canvas.clientHeight);
  paint(context, rows, map, width - labels, canvas.clientHeight, true);
  context.fillStyle = colour("--quiet");
  context.textAlign = "right";
  const tall = canvas.clientHeight / names.length;
  names.forEach((name, at) => context.fillText(name, labels - 8, at === 0 ? 8 : canvas.clientHeight - 8 - (names.length - 1 - at) * tall));
}

function paint(context, rows, map, width, height, smooth) {
  const image = new ImageData(rows[0].length, rows.length);
  rows.forEach((row, at) => row.forEach((value, column) => {
    const place = Math.max(0, Math.min(1, value)) * (map.length - 1);
    const below = Math.min(Math.floor(place), map.length - 2);
    const share = place - below;
    const pixel = 4 * (at * row.length + column);
    for (let channel = 0; channel < 3; channel++) {
      image.data[pixel + channel] = map[below][channel] * (1 - share) + map[below + 1][channel] * share;
    }
    image.data[pixel + 3] = 255;
  }));
  const small = new OffscreenCanvas(image.width, image.height);
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = smooth;
  context.drawImage(small, labels, 0, width, height);
}

function drawCtc(canvas, pictures) {
  const height = canvas.clientHeight;
  const [context, width] = begin(canvas, height);
  const across = (width - labels) / (pictures.seconds / pictures.step);
  const top = WORDS;
  const lift = (probability) => height - 3 - probability * (height - top - 3);
  pictures.ctc.forEach(({ token, probabilities }, at) => {
    context.strokeStyle = token ? LINES[at % LINES.length] : colour("--edge");
    context.lineWidth = token ? 2 : 1.5;
    context.beginPath();
    probabilities.forEach((each, step) => context.lineTo(labels + (step + 0.5) * across, lift(each)));
    context.stroke();
  });
  context.textAlign = "center";
  context.fillStyle = colour("--ink");
  const named = pictures.ctc.filter((each) => each.token).map((each) => [labels + peak(each.probabilities) * across, each.token]);
  nameInOrder(context, named.sort((one, other) => one[0] - other[0]));
  context.textAlign = "right";
  context.fillStyle = colour("--quiet");
  context.fillText("1", labels - 8, lift(1));
  context.fillText("0", labels - 8, lift(0) - 4);
}

function drawAttention(canvas, pictures) {
  const height = canvas.clientHeight;
  const [context, width] = begin(canvas, height);
  const rows = pictures.attention;
  const steps = rows[0].length;
  const most = Math.max(...rows.flat());
  const map = [rgb(colour("--track")), rgb(colour("--accent"))];
  const inner = ((width - labels) * steps * pictures.step) / pictures.seconds;
  paint(context, rows.map((row) => row.map((each) => each / most)), map, Math.min(inner, width - labels), height, false);
  context.fillStyle = colour("--ink");
  context.textAlign = "right";
  const tall = height / rows.length;
  const every = Math.ceil(14 / tall);
  pictures.tokens.forEach((token, at) => { if (at % every === 0) context.fillText(token, labels - 8, (at + 0.5) * tall, labels - 10); });
}

/** Names above places, those left out that have no room beside the one before. */
function nameInOrder(context, named) {
  let free = 0;
  for (const [x, name] of named) {
    const half = context.measureText(name).width / 2;
    if (x - half < free) continue;
    context.fillText(name, x, WORDS / 2);
    free = x + half + 4;
  }
}

/** The middle of the step where a row is highest. */
function peak(values) {
  return values.indexOf(Math.max(...values)) + 0.5;
}

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}
