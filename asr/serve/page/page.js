// The page: what is pressed, said and shown.

import { diagrams, element, report } from "./grammar.js";
import { Microphone } from "./microphone.js";
import { drawLevel, drawPictures } from "./pictures.js";
import { Service } from "./service.js";

const TAP_MILLISECONDS = 350;  // a shorter press begins, and the next one ends
const LEVELS = 60;  // blocks of a tenth of a second that the level shows
const KEPT_BLOCKS = 600;  // of the stream, to look into what was said last
const AROUND_SECONDS = 0.5;  // of an utterance, in what is looked into
const MOST_RESULTS = 100;
const OWN = "\u0000own";  // the choice of the person's own grammar; no grammar has that name

const by = (id) => document.getElementById(id);
const service = new Service(askForToken);
let talk = null;  // the microphone and its stream, while they are open
let ownGrammar = null;  // the text that was checked last
let redraw = () => {};
let looks = 0;

// What is said of a result --------------------------------------------------------------------------------------

function show(found, title) {
  by("nothing").hidden = true;
  const text = found.text || "(no words)";
  const said = element("p", { className: found.text ? "said" : "said none", textContent: text });
  const parts = [said];
  if ("understood" in found) {
    const meaning = element("p", { className: "meaning" });
    if (found.understood) {
      meaning.append(element("span", { className: "command", textContent: found.command }));
      for (const [name, value] of Object.entries(found.slots)) {
        const shown = typeof value === "string" ? value : JSON.stringify(value);
        meaning.append(" ", element("span", { className: "slot", textContent: `${name}: ${shown}` }));
      }
    } else {
      meaning.append(element("span", { className: "refused", textContent: "None of the commands" }));
    }
    parts.push(meaning);
  }
  const confidence = "understood" in found ? found.command_confidence : found.confidence;
  const bar = element("b");
  bar.style.width = `${Math.round(confidence * 100)}%`;
  const sure = element("span", { className: "sure" }, `${Math.round(confidence * 100)} % sure `, element("i", {}, bar));
  sure.querySelector("i").setAttribute("aria-hidden", "true");
  const facts = element("p", { className: "facts" }, sure);
  if (title) facts.append(" ", element("span", { textContent: title }));
  if (found.seconds) facts.append(" ", element("span", { textContent: `${found.seconds.toFixed(1)} s of sound` }));
  if (found.milliseconds !== undefined) {
    const after = title ? "heard in" : "after the end of speech";
    facts.append(" ", element("span", { textContent: title ? `${after} ${found.milliseconds} ms` : `${found.milliseconds} ms ${after}` }));
  }
  parts.push(facts);
  by("results").prepend(element("article", {}, ...parts));
  by("results").tabIndex = 0;  // where they scroll, arrow keys shall move them
  while (by("results").childElementCount > MOST_RESULTS) by("results").lastElementChild.remove();
}

/** Asks for n-best and pictures of a recording (a Blob). */
async function look(recording, name, choice) {
  const form = new FormData();
  form.append("file", recording, name);
  for (const [key, value] of Object.entries(choice)) form.append(key, value);
  const mine = ++looks;
  const found = await service.fetch("/v1/look", { method: "POST", body: form });
  if (mine === looks) showInside(found);
  return found;
}

function showInside(found) {
  by("inside").hidden = !found.pictures;
  if (!found.pictures) return;
  by("n-best").replaceChildren(...found.n_best.map((each) => element("li", {},
    each.text || "(no words)", element("span", { className: "quiet", textContent: `  ${(each.confidence * 100).toFixed(1)} %` }))));
  redraw = drawPictures(by("pictures"), found.pictures, found.words);
}

function choice() {
  const chosen = by("commands").value;
  if (chosen === OWN) return { grammar: ownGrammar };
  return chosen ? { commands: chosen } : {};
}

// Talking -------------------------------------------------------------------------------------------------------

class Talk {
  constructor(button) {
    this.button = button;
    this.blocks = [];
    this.passed = 0;  // samples that are kept no more
    this.taken = 0;  // samples so far
    this.began = 0;  // of them were taken before the stream began
    this.waiting = [];  // blocks that belong to the next stream
    this.levels = [];
    this.closing = false;
    this.changing = false;  // from the end of one stream until the next is open
    this.over = new Promise((resolve) => { this.done = resolve; });
  }

  async begin() {
    by("problem").textContent = "";
    by("status").textContent = "Opening the microphone …";
    showPressed(this.button, true);
    const early = [];
    let take = (block) => early.push(block);
    this.microphone = await Microphone.open((block) => take(block));
    this.microphone.onlost(() => this.end("The microphone is gone."));
    this.open();
    take = (block) => this.take(block);
    early.forEach(take);
    by("status").textContent = this.button === by("open") ? "Listening, until you close the microphone." : "Listening …";
  }

  /** Opens a stream, in which is listened for what is chosen now. */
  open() {
    const began = this.began;
    this.choice = choice();
    const chosen = this.choice;
    const start = { rate: this.microphone.rate, ...chosen };
    this.stream = service.stream(start, (event) => this.hear(event, began, chosen), (message) => this.ended(message));
    for (const block of this.waiting.splice(0)) this.stream.send(block);
  }

  /** Listens for what is chosen now: what is said from here on goes into a stream of its own, when this one has ended. */
  change() {
    if (!this.stream || this.closing || this.changing || JSON.stringify(choice()) === JSON.stringify(this.choice)) return;
    this.changing = true;
    this.began = this.taken;
    this.stream.finish();
  }

  take(block) {
    this.levels.push(block.reduce((most, each) => Math.max(most, Math.abs(each)), 0) / 32768);
    this.levels.splice(0, this.levels.length - LEVELS);
    this.blocks.push(block.slice());
    this.taken += block.length;
    if (this.blocks.length > KEPT_BLOCKS) this.passed += this.blocks.shift().length;
    if (this.changing) this.waiting.push(block);
    else this.stream.send(block);
    requestAnimationFrame(() => drawLevel(by("level"), this.levels, LEVELS));
  }

  /** An event of the stream that began behind so many samples, with the choice for which it listened. */
  hear(event, began, chosen) {
    const [stable, open] = by("partial").children;
    if (event.type === "started") by("status").textContent = "Hearing you …";
    if (event.type === "partial") {
      stable.textContent = event.stable;
      open.textContent = event.text.slice(event.stable.length);
    }
    if (event.type === "final" || event.type === "dropped") {
      stable.textContent = open.textContent = "";
      if (!this.closing) by("status").textContent = "Listening …";
    }
    if (event.type === "final") {
      this.heard = true;
      show(event);
      const before = began / this.microphone.rate;
      const cut = this.recording(before + event.start - AROUND_SECONDS, before + event.end + AROUND_SECONDS);
      if (cut) look(cut, "utterance.wav", chosen).catch((error) => { by("problem").textContent = error.message; });
    }
  }

  /** A part of what was taken as a WAV file; null where it is kept no more. */
  recording(start, end) {
    const rate = this.microphone.rate;
    const all = this.blocks.reduce((sum, block) => sum + block.length, 0);
    const from = Math.max(0, Math.round(start * rate) - this.passed);
    const to = Math.min(all, Math.round(end * rate) - this.passed);
    if (to <= 0 || start * rate < this.passed - rate) return null;
    const samples = new Int16Array(all);
    let at = 0;
    for (const block of this.blocks) { samples.set(block, at); at += block.length; }
    return wav(samples.subarray(from, to), rate);
  }

  /** Closes the microphone; what was said is still heard. */
  async end(message = "") {
    if (this.closing) return this.over;
    this.closing = true;
    if (message) by("problem").textContent = message;
    showPressed(this.button, false);
    by("status").textContent = "Understanding …";
    await this.microphone.close();
    this.closed = true;
    if (!this.changing) this.stream.finish();
    return this.over;
  }

  async ended(message) {
    if (this.changing && !message) {
      this.changing = false;
      this.open();
      if (this.closed) this.stream.finish();
      if (!this.closing) by("status").textContent = `Listening for ${by("commands").selectedOptions[0].textContent} …`;
      return;
    }
    if (message) by("problem").textContent = message;
    if (!this.closing) {
      this.closing = true;
      showPressed(this.button, false);
      await this.microphone.close();
    }
    by("status").textContent = message || this.heard ? "" : "Nothing was heard.";
    for (const part of by("partial").children) part.textContent = "";
    talk = null;
    this.done();
  }
}

function showPressed(button, on) {
  button.setAttribute("aria-pressed", on);
  if (button === by("open")) button.textContent = on ? "Close microphone" : "Open microphone";
}

async function begin(button) {
  if (talk) return;
  talk = new Talk(button);
  const mine = talk;
  try {
    await mine.begin();
  } catch (error) {
    by("problem").textContent = error.message;
    by("status").textContent = "";
    showPressed(button, false);
    talk = null;
    return;
  }
  if (mine.wanted === false) mine.end();
}

/** Ends what is open, also where the microphone is still being asked for. */
function finish() {
  if (!talk) return;
  if (talk.stream) talk.end();
  else talk.wanted = false;
}

function wav(samples, rate) {
  const head = new DataView(new ArrayBuffer(44));
  const text = (at, letters) => [...letters].forEach((letter, i) => head.setUint8(at + i, letter.charCodeAt(0)));
  text(0, "RIFF"); head.setUint32(4, 36 + 2 * samples.length, true); text(8, "WAVEfmt ");
  head.setUint32(16, 16, true); head.setUint16(20, 1, true); head.setUint16(22, 1, true);
  head.setUint32(24, rate, true); head.setUint32(28, 2 * rate, true); head.setUint16(32, 2, true); head.setUint16(34, 16, true);
  text(36, "data"); head.setUint32(40, 2 * samples.length, true);
  return new Blob([head, samples], { type: "audio/wav" });
}

// A press that lasts ends with its release; a tap begins, and the next one ends.
const press = by("press");
let pressedAt = 0;
let began = false;

function down() {
  pressedAt = performance.now();
  began = !talk;
  if (began) begin(press);
  else if (talk.button === press) finish();
  else by("status").textContent = "The microphone is open already: just talk.";
}

function up() {
  if (began && performance.now() - pressedAt >= TAP_MILLISECONDS) finish();
  began = false;
}

press.addEventListener("pointerdown", (event) => {
  if (event.button === 0) { press.setPointerCapture(event.pointerId); down(); }
});
press.addEventListener("pointerup", up);
press.addEventListener("pointercancel", up);
press.addEventListener("contextmenu", (event) => event.preventDefault());
press.addEventListener("keydown", (event) => {
  if (event.key !== " " && event.key !== "Enter") return;
  event.preventDefault();
  if (!event.repeat) down();
});
press.addEventListener("keyup", (event) => {
  if (event.key === " " || event.key === "Enter") { event.preventDefault(); up(); }
});
// What a screen reader does to a button is a click without pointer and key.
press.addEventListener("click", (event) => {
  if (event.detail === 0 && performance.now() - pressedAt > 1000) { down(); began = false; }
});
by("open").addEventListener("click", () => (talk ? finish() : begin(by("open"))));
addEventListener("pagehide", finish);

// Recordings ----------------------------------------------------------------------------------------------------

async function hearFiles(files) {
  by("problem").textContent = "";
  for (const file of files) {
    by("status").textContent = `Hearing ${file.name} …`;
    try {
      show(await look(file, file.name, choice()), file.name);
    } catch (error) {
      by("problem").textContent = error.message;
    }
  }
  by("status").textContent = "";
}

by("file").addEventListener("change", async () => {
  await hearFiles([...by("file").files]);
  by("file").value = "";
});
for (const name of ["dragenter", "dragover"]) {
  addEventListener(name, (event) => { event.preventDefault(); by("drop").classList.add("over"); });
}
addEventListener("dragleave", (event) => { if (!event.relatedTarget) by("drop").classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  by("drop").classList.remove("over");
  hearFiles([...event.dataTransfer.files]);
});

// Grammars ------------------------------------------------------------------------------------------------------

const grammar = by("grammar");

by("check").addEventListener("click", async () => {
  const text = grammar.value;
  by("check").disabled = true;
  by("grammar-status").textContent = "Checking …";
  by("grammar-problem").textContent = "";
  try {
    const checked = await service.fetch("/v1/grammar", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ grammar: text }),
    });
    by("checked").replaceChildren(...report(checked));
    by("diagrams").replaceChildren(...diagrams(checked));
    ownGrammar = text;
    listenForOwn();
    talk?.change();
    by("grammar-status").textContent = "It is listened for. Talk, or give it a recording.";
  } catch (error) {
    by("grammar-status").textContent = "";
    by("grammar-problem").textContent = error.message;
    by("checked").replaceChildren();
    by("diagrams").replaceChildren();
  }
  by("check").disabled = false;
  by("check").focus();
});

function listenForOwn() {
  const choices = by("commands");
  if (![...choices.options].some((each) => each.value === OWN)) {
    choices.append(element("option", { value: OWN, textContent: "commands of your own" }));
  }
  choices.value = OWN;
}

by("commands").addEventListener("change", () => talk?.change());
by("example").addEventListener("change", () => {
  const chosen = by("example").selectedOptions[0];
  if (chosen.text_) grammar.value = chosen.text_;
});
by("grammar-file").addEventListener("change", async () => {
  const [file] = by("grammar-file").files;
  if (file) grammar.value = await file.text();
});

// The service ---------------------------------------------------------------------------------------------------

function askForToken(problem) {
  const dialog = by("ask");
  by("ask-problem").textContent = problem;
  by("token").value = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => {
    by("ask-form").onsubmit = (event) => {
      event.preventDefault();
      dialog.close();
      resolve(by("token").value.trim());
    };
  });
}
by("ask").addEventListener("cancel", (event) => event.preventDefault());

async function start() {
  by("where").textContent = location.host;
  drawLevel(by("level"), [], LEVELS);
  try {
    const known = await service.fetch("/v1/grammars");
    for (const { name, text } of known.grammars) {
      by("commands").append(element("option", { value: name, textContent: name }));
      if (text) by("example").append(element("option", { value: name, textContent: name, text_: text }));
    }
  } catch (error) {
    by("problem").textContent = error.message;
  }
}

function paint() {
  drawLevel(by("level"), talk?.levels ?? [], LEVELS);
  redraw();
}

addEventListener("resize", paint);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
start();
