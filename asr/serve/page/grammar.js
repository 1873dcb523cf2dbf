// What the check of a grammar found, as elements of the page.

const WIDE = 480;  // pixels, from where on a diagram has a row of its own

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  made.append(...children);
  return made;
}

function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** Counts, findings and an example of each command. */
export function report(checked) {
  const commands = Object.keys(checked.commands).length;
  const many = checked.sentences >= 1e15 ? "more sentences than can be counted here" : counted(checked.sentences, "sentence");
  const parts = [element("p", {}, element("strong", { textContent: `${counted(commands, "command")}, ${many}` }))];
  if (checked.findings.length) {
    parts.push(...checked.findings.map((finding) => element("div", { className: `finding ${finding.severity}` },
      element("strong", { textContent: `${finding.severity}: ` }), place(finding.place), finding.message,
      element("div", { className: "quiet", textContent: finding.advice }))));
  } else {
    parts.push(element("p", { className: "quiet", textContent: "Nothing found that could go wrong." }));
  }
  if (checked.compared_by === "letters") {
    parts.push(element("p", { className: "quiet", textContent: "What sounds alike was guessed from letters; with espeak-ng installed the sounds are compared." }));
  }
  const rows = checked.examples.map((example) => element("tr", {},
    element("td", { className: "mono", textContent: example.command }),
    element("td", { className: "number", textContent: checked.commands[example.command].toLocaleString("en") }),
    element("td", { textContent: example.text })));
  const head = element("tr", {}, ...["Command", "Sentences", "For example"].map((text) => element("th", { scope: "col", textContent: text })));
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  const scroll = element("div", { className: "scroll", tabIndex: 0 }, table);
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "Commands, and an example of each");
  parts.push(scroll);
  return parts;
}

function place(text) {
  return text ? `${text.replace("grammar.yaml:", "line ")}: ` : "";
}

/** The diagrams, out of the page that `asr commands check --draw` makes, or a line that says why there are none. */
export function diagrams(checked) {
  if (!checked.drawing) return [element("p", { className: "quiet", textContent: `No diagrams: ${checked.drawing_note}.` })];
  // Without its style, which this page's policy refuses, and which page.css has as well.
  const drawn = new DOMParser().parseFromString(checked.drawing.replace(/<style>.*?<\/style>/s, ""), "text/html");
  const parts = [];
  for (const each of drawn.querySelectorAll("h2, section")) {
    if (each.tagName === "H2") {
      parts.push(element("h3", { textContent: each.textContent }));
      continue;
    }
    const title = each.querySelector("h3");
    title.querySelector("small")?.remove();
    const picture = document.importNode(each.querySelector("svg"), true);
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `Railroad diagram of ${title.textContent}`);
    const box = element("div", { className: "diagram", id: each.id, tabIndex: 0 }, element("h4", { textContent: title.textContent }), picture);
    box.classList.toggle("wide", picture.getAttribute("width") > WIDE);
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `Diagram of ${title.textContent}`);
    parts.push(box);
  }
  return parts;
}
