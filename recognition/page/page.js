// The page: what is written, as strokes or a picture, goes to the server of this machine; what it reads is shown.
const $ = (id) => document.getElementById(id);
const paper = $("paper"), pen = paper.getContext("2d");
const [WIDTH, HEIGHT, PEN] = [paper.width, paper.height, 22];
const STEP = 12; // of the pen that keys move
const SIGNED = [[11, 29, 79], [74, 101, 144], [154, 154, 154], [220, 181, 138], [255, 243, 220]]; // as Fig. 11 has it
const MOST_BYTES = 32e6;
const KEYS = $("keys").textContent;
const AGAIN_MS = 1500;

const session = storage("sessionStorage"), local = storage("localStorage");
let strokes = JSON.parse(session.strokes ?? "[]"); // each a list of [x, y]
let photo = null; // {content, image}: a picture that was given, and as the server shows it
let given = null; // the next one, until it is read
let found = null; // what was read last: {lines, width, height, ...}
let chosen = 0; // of its characters, in reading order
let labels = {}; // what the user says they are, by their place
let cursor = null; // [x, y, down] of the pen that keys move
let asked = 0, answered = 0, asking = false; // readings
let marks = JSON.parse(session.marks ?? "[]"); // of what was kept, to take it back
let symbols = {}; // of Greek letters
let empty = "Nothing is written yet."; // what is said of an empty paper

function storage(name) { // where the browser blocks it, for as long as the page is open
  try {
    return window[name];
  } catch {
    return {};
  }
}

function store(place, name, value) {
  try {
    place[name] = value;
  } catch {} // there may be no room for more
}

// ---- the server

async function ask(name, parameters = {}, body) {
  const address = `${name}?${new URLSearchParams(parameters)}`;
  let answer, said;
  try {
    answer = await fetch(address, body === undefined ? {} : { method: "POST", body });
    said = await answer.json();
  } catch {
    throw Object.assign(new Error("The server does not answer; `python -m recognition page` starts it."), { away: true });
  }
  if (!answer.ok) throw Object.assign(new Error(said.error), { told: true });
  return said;
}

function why(error) {
  if (!error.told && !error.away) console.error(error);
  return error.told || error.away ? error.message : `A fault of this page: ${error.message}`;
}

function bytes(text) {
  return Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
}

// ---- the paper

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
}

function trace(context, stroke) {
  context.beginPath();
  context.moveTo(...stroke[0]);
  for (const [i, [x, y]] of stroke.entries()) { // through the middles of its pieces, which rounds its corners
    const [nextX, nextY] = stroke[Math.min(i + 1, stroke.length - 1)];
    context.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  context.lineTo(...stroke.at(-1));
  context.stroke();
}

function ink(context, colour) {
  Object.assign(context, { lineWidth: PEN, lineCap: "round", lineJoin: "round", strokeStyle: colour });
  for (const stroke of strokes) trace(context, stroke);
}

function fit() { // of the photo into the paper
  const scale = Math.min(WIDTH / photo.image.width, HEIGHT / photo.image.height);
  return { scale, x: (WIDTH - scale * photo.image.width) / 2, y: (HEIGHT - scale * photo.image.height) / 2 };
}

function place({ box: [left, top, right, bottom] }) { // of a character, on the paper
  const { scale, x, y } = photo?.image ? fit() : { scale: WIDTH / found.width, x: 0, y: 0 };
  return [x + scale * left - 6, y + scale * top - 6, scale * (right - left) + 12, scale * (bottom - top) + 12];
}

function draw() {
  pen.clearRect(0, 0, WIDTH, HEIGHT);
  if (photo?.image) {
    const { scale, x, y } = fit();
    pen.drawImage(photo.image, x, y, scale * photo.image.width, scale * photo.image.height);
  }
  ink(pen, colour("ink"));
  const all = characters();
  if (all.length > 1) {
    pen.font = "bold 26px system-ui, sans-serif";
    for (const [i, one] of all.entries()) {
      const [x, y, width, height] = place(one);
      pen.lineWidth = i === chosen ? 5 : 2;
      pen.strokeStyle = pen.fillStyle = photo ? "#8c2d04" : colour(i === chosen ? "accent" : "soft");
      pen.strokeRect(x, y, width, height);
      if (width > 24 && y > 26) pen.fillText(shown(i), x, y - 6);
    }
  }
  if (cursor) {
    pen.lineWidth = 3;
    pen.strokeStyle = colour("accent");
    pen.beginPath();
    pen.arc(cursor[0], cursor[1], PEN / 2 + (cursor[2] ? 3 : 8), 0, 7);
    pen.stroke();
  }
}

function point(event) {
  const { left, top, width } = paper.getBoundingClientRect();
  const scale = WIDTH / width;
  return [Math.round((event.clientX - left) * scale), Math.round((event.clientY - top) * scale)];
}

function written() { // black on white, whatever the look
  const sheet = new OffscreenCanvas(WIDTH / 2, HEIGHT / 2), context = sheet.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.scale(0.5, 0.5);
  ink(context, "black");
  return sheet.convertToBlob();
}

function changed() { // what is written is another, or who reads it
  store(session, "strokes", JSON.stringify(strokes));
  tell("");
  asked++;
  if (strokes.length || photo) {
    read();
    draw();
  } else {
    answered = asked;
    show(null);
  }
}

function lay(picture) { // on the paper, or take it away
  photo = picture;
  strokes = [];
  lift();
  paper.classList.toggle("photo", !!photo);
  $("keys").textContent = photo ? "Clear takes the picture away; then one can write again." : KEYS;
}

let drawing = null; // the pointer's number
function lift() { // the pen, whoever holds it
  drawing = null;
  if (cursor) cursor[2] = false;
  $("pen").textContent = "";
}

paper.addEventListener("pointerdown", (event) => {
  if (!event.isPrimary || event.button) return;
  if (photo) return;
  paper.setPointerCapture(event.pointerId);
  drawing = event.pointerId;
  given = cursor = null;
  strokes.push([point(event)]);
  draw();
});
paper.addEventListener("pointermove", (event) => {
  if (event.pointerId !== drawing) return;
  const passed = event.getCoalescedEvents?.() ?? [];
  strokes.at(-1).push(...(passed.length ? passed : [event]).map(point));
  draw();
});
for (const kind of ["pointerup", "pointercancel"]) {
  paper.addEventListener(kind, (event) => {
    if (event.pointerId !== drawing) return;
    drawing = null;
    changed();
  });
}
paper.addEventListener("click", (event) => { // on a character of a photo
  const [x, y] = point(event);
  const inside = ([left, top, width, height]) => x >= left && y >= top && x <= left + width && y <= top + height;
  const at = photo ? characters().findIndex((one) => inside(place(one))) : -1;
  if (at >= 0) choose(at);
});
paper.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
  if ((!step && event.key !== " ") || photo || drawing !== null || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  cursor ??= [WIDTH / 2, HEIGHT / 4, false];
  if (step) {
    cursor[0] = Math.min(Math.max(cursor[0] + step[0], 0), WIDTH);
    cursor[1] = Math.min(Math.max(cursor[1] + step[1], 0), HEIGHT);
    if (cursor[2]) strokes.at(-1).push(cursor.slice(0, 2));
    draw();
  } else {
    cursor[2] = !cursor[2];
    const [right, down] = [cursor[0] / WIDTH, cursor[1] / HEIGHT].map((share) => Math.round(100 * share));
    $("pen").textContent = `Pen ${cursor[2] ? "down" : "up"}, ${right} % from the left, ${down} % from the top.`;
    if (!cursor[2]) return changed();
    given = null;
    strokes.push([cursor.slice(0, 2)]);
    draw();
  }
});
paper.addEventListener("blur", () => {
  const down = cursor?.[2];
  cursor = null;
  $("pen").textContent = "";
  if (down) changed();
  else draw();
});

function undo() {
  if (photo) return clear();
  lift();
  if (given) given = null;
  else if (!strokes.pop()) return draw();
  changed();
}

function clear() {
  given = cursor = null;
  lay(null);
  changed();
}

$("undo").onclick = undo;
$("clear").onclick = clear;
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select")) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") undo();
  else if (event.key === "Delete" && event.target === paper) clear();
  else return;
  event.preventDefault();
});

// ---- a picture

async function take(blob) { // what is written stays until the picture is read
  if (!blob) return;
  if (blob.size > MOST_BYTES) return say(`That picture has ${Math.round(blob.size / 1e6)} MB; ${MOST_BYTES / 1e6} are the most.`, true);
  if (drawing !== null || cursor?.[2]) { // the stroke ends here
    lift();
    changed();
  }
  try {
    given = { content: await blob.arrayBuffer(), image: null };
  } catch {
    return say("That cannot be read: a folder, or a file that is gone.", true);
  }
  say("The picture is being read …");
  read();
}

for (const id of ["picture", "camera"]) {
  $(id).onchange = (event) => {
    take(event.target.files[0]);
    event.target.value = ""; // the same one may be chosen again
  };
}
document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) take(event.clipboardData.files[0]);
});
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  paper.classList.add("over");
});
document.addEventListener("dragleave", () => paper.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  paper.classList.remove("over");
  take(event.dataTransfer.files[0]);
});

// ---- reading

async function read() {
  if (asking) return; // the one that is under way goes on with what is written by then
  asking = true;
  while (given || answered !== asked) {
    busy();
    const now = asked, next = given, mine = given ?? photo;
    let said = null;
    try {
      if ($("network").value) said = await ask("read", of(mine), mine ? mine.content : await written());
      if (mine && said) {
        const image = Object.assign(new Image(), { src: said.shown });
        await image.decode();
        mine.image = image;
      }
      if (now !== asked || next !== given) continue; // there is something else by now
      if (next && said) {
        lay(next);
        store(session, "strokes", "[]");
        tell("");
      }
      given = null;
      answered = now;
      show(said);
    } catch (error) {
      if (now !== asked || next !== given) continue;
      if (!next) show(null);
      if (error.away) {
        say(`${error.message} What is written here stays.`, true);
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      } else {
        if (next) given = null; // what is on the paper stays as it was read
        else answered = now;
        say(why(error), true);
      }
    }
  }
  asking = false;
  busy();
}

function of(picture) { // what the server is told of what it reads
  return { network: $("network").value, ...(picture && { photo: 1 }) };
}

function busy() { // what is shown is not yet of what is written, and is not to be kept
  $("keep").setAttribute("aria-disabled", asking || keeping);
}

function characters() {
  return found ? found.lines.flat() : [];
}

function sign(name) {
  return symbols[name] ?? name;
}

function label(i) { // what a character is: as the user says, or as it was read; "" is left out of what is kept
  const { prediction, known } = characters()[i];
  return labels[i] ?? (known ? prediction : "");
}

function shown(i) {
  return sign(label(i)) || (labels[i] === "" ? "–" : "?");
}

function caption(button, i) {
  button.lastChild.textContent = shown(i);
  button.setAttribute("aria-label", `character ${i + 1}: ${label(i) || (labels[i] === "" ? "left out" : "not known, left out")}`);
}

function count() { // what Keep keeps
  const all = characters().map((_, i) => label(i)), n = all.filter(Boolean).length;
  $("keep").textContent = all.length < 2 ? "Keep" : n < all.length ? `Keep ${n} of ${all.length}` : `Keep all ${n}`;
}

function percent(share) {
  return `${(100 * share).toFixed(share > 0.9995 || share < 0.0995 ? 2 : 1)} %`;
}

function say(text, wrong = false) {
  if ($("said").textContent !== text) $("said").textContent = text; // it would be read aloud again
  $("said").classList.toggle("wrong", wrong);
}

function show(said) {
  found = said;
  labels = {};
  chosen = 0;
  draw();
  const all = characters();
  $("one").hidden = $("teach").hidden = !all.length;
  $("lines").hidden = all.length < 2;
  $("layer").hidden = !all.length || !found.filters;
  $("lines").replaceChildren();
  if (!said) return say(empty);
  if (!all.length) return say("No ink was found; what is written must be darker or lighter than its paper.");
  $("classes").replaceChildren(...said.classes.map((name) => new Option(name, name)));
  if (all.length > 1) {
    const rows = said.lines.map(() => document.createElement("div"));
    let i = 0;
    for (const [row, line] of said.lines.entries()) {
      for (const one of line) {
        const button = document.createElement("button"), at = i++;
        button.type = "button";
        button.append(Object.assign(document.createElement("canvas"), { width: 28, height: 28 }), document.createElement("span"));
        grey(button.firstChild, bytes(one.picture));
        button.onclick = () => choose(at);
        rows[row].append(button);
      }
    }
    $("lines").append(...rows);
    const turned = said.turn ? `, the page turned by ${said.turn}°` : "";
    const lines = said.lines.length > 1 ? ` on ${said.lines.length} lines` : "";
    say(`${all.length} characters${lines}${turned}: ${said.text.replaceAll("\n", " / ")}`);
  } else {
    say(words(all[0]));
  }
  choose(0);
}

function words({ prediction, known, probabilities }) { // for those who do not see the bars, too
  const order = probabilities.map((_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]);
  const [first, second] = order.map((i) => `${name(found.classes[i])}, ${percent(probabilities[i])}`);
  return known ? `It reads ${first}; next ${second}.` : `Nothing that it knows; nearest is ${first}.`;
}

function name(text) {
  return symbols[text] ? `${symbols[text]} (${text})` : text;
}

function choose(i) {
  chosen = i;
  const one = characters()[i], most = Math.max(...one.probabilities);
  for (const [k, button] of [...$("lines").querySelectorAll("button")].entries()) {
    button.setAttribute("aria-pressed", k === i);
    caption(button, k);
  }
  grey($("seen"), bytes(one.picture));
  $("bars").classList.toggle("short", found.classes.every((text) => text.length < 3));
  $("bars").replaceChildren(...found.classes.map((text, k) => {
    const row = document.createElement("li"), share = one.probabilities[k];
    row.append(...["span", "span", "b"].map((kind) => document.createElement(kind)));
    row.children[0].textContent = symbols[text] ? `${symbols[text]} ${text}` : text;
    row.children[1].append(document.createElement("i"));
    row.children[1].firstChild.style.width = `${100 * share}%`;
    row.children[2].textContent = percent(share);
    row.classList.toggle("first", share === most);
    return row;
  }));
  $("label").value = label(i);
  $("label").placeholder = characters().length > 1 ? "left out" : "";
  count();
  layer();
  draw();
}

function grey(canvas, values) {
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  values.forEach((value, i) => image.data.set([value, value, value, 255], 4 * i));
  context.putImageData(image, 0, 0);
}

// ---- Fig. 11, of what is chosen

async function layer() {
  if (!$("layer").open || $("layer").hidden) return;
  const one = characters()[chosen];
  try {
    const said = await ask("see", { network: $("network").value }, bytes(one.picture));
    if (one !== characters()[chosen]) return;
    $("responses").replaceChildren(...said.filters.map((filter, i) => {
      const pair = document.createElement("div");
      pair.append(signed(filter, said.size), signed(said.responses[i], 28));
      pair.setAttribute("role", "img");
      pair.setAttribute("aria-label", `filter ${i}: ${said.kinds[i]}, and its response`);
      return pair;
    }));
  } catch (error) {
    $("responses").replaceChildren(why(error));
  }
}

function signed(text, side) { // -127 to 127, zero in the middle grey
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const context = canvas.getContext("2d"), image = context.createImageData(side, side);
  new Int8Array(bytes(text).buffer).forEach((value, i) => {
    const at = ((value + 127) / 254) * (SIGNED.length - 1), k = Math.min(Math.floor(at), SIGNED.length - 2);
    SIGNED[k].forEach((low, c) => (image.data[4 * i + c] = low + (at - k) * (SIGNED[k + 1][c] - low)));
    image.data[4 * i + 3] = 255;
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

$("layer").ontoggle = layer;

// ---- teaching

let keeping = false; // or taking back

function tell(line) {
  $("kept").textContent = line;
  $("back").hidden = !marks.length;
  store(session, "marks", JSON.stringify(marks));
}

$("label").oninput = () => {
  labels[chosen] = $("label").value.trim();
  const button = $("lines").querySelectorAll("button")[chosen];
  if (button) caption(button, chosen);
  count();
  draw();
};
$("writer").value = local.writer ?? "";
$("writer").onchange = () => store(local, "writer", $("writer").value.trim());

$("teach").onsubmit = async (event) => {
  event.preventDefault();
  if (asking || keeping) return;
  const all = characters().map((_, i) => label(i) || null);
  if (!all.some(Boolean)) {
    $("label").focus();
    return tell("Say what it is.");
  }
  keeping = true;
  busy();
  try {
    const parameters = { ...of(photo), writer: $("writer").value.trim(), labels: JSON.stringify(all) };
    const { line, mark } = await ask("keep", parameters, photo ? photo.content : await written());
    marks = [...marks.filter((one) => one !== mark), mark];
    tell(line);
  } catch (error) {
    tell(error.away ? "The server does not answer; keep it again once it does." : why(error));
  }
  keeping = false;
  busy();
};

$("back").onclick = async (event) => {
  if (keeping || event.detail > 1) return; // the second of a double click
  keeping = true;
  busy();
  try {
    const { line } = await ask("undo", { mark: marks.at(-1) }, "");
    marks.pop();
    tell(line);
  } catch (error) {
    if (error.told) marks.pop();
    tell(error.away ? "The server does not answer; what was kept is still there." : why(error));
  }
  keeping = false;
  busy();
  if ($("back").hidden) ($("teach").hidden ? paper : $("keep")).focus();
};

// ---- networks, and a training that runs

async function look() {
  try {
    const { networks, loading, failed, training, symbols: known } = await ask("state");
    const before = empty;
    symbols = known;
    empty = !networks.some((one) => one.there) ? `There is no network yet: ${networks[0].build}.`
      : loading ? "The network is loading; write meanwhile." : failed || "Nothing is written yet.";
    if (!asking && $("said").textContent === before) say(empty);
    offer(networks);
    if (asking && loading) say("The network is loading …");
    curve(training);
    setTimeout(look, loading ? 500 : training ? 2000 : 10000);
  } catch {
    setTimeout(look, 5000);
  }
}

let offered = "", choice = null; // the user's, or the first that was there
function offer(networks) { // only where they are others: it would close a list that is open
  if (offered === (offered = JSON.stringify(networks))) return;
  const before = $("network").value, there = networks.filter((one) => one.there).map((one) => one.name);
  $("network").replaceChildren(...networks.map(({ name, title, there }) => {
    return Object.assign(new Option(there ? title : `${title}: not there yet`, name), { disabled: !there });
  }));
  choice ??= there[0] ?? null;
  $("network").value = there.includes(choice) ? choice : there[0];
  $("missing").textContent = networks.filter((one) => !one.there).map((one) => `${one.title}: ${one.build}.`).join(" ");
  if ($("network").value !== before && (strokes.length || photo)) changed();
}

function curve(training) {
  $("training").hidden = !training;
  if (!training) return;
  const { name, rows } = training;
  const last = rows.at(-1);
  $("trained").textContent = last
    ? `${name}, epoch ${last.epoch}: loss ${loss(last.train_loss)} in training, ` +
      `${loss(last.held_out_loss)} of pictures held out (dashed), ${percent(last.held_out_accuracy)} of them right.`
    : `${name}: the first epoch is under way.`;
  const [left, bottom, width, height] = [44, 190, 580, 170];
  const most = Math.max(...rows.flatMap((row) => [row.train_loss, row.held_out_loss]), 1e-9);
  const x = (i) => left + (rows.length > 1 ? (i / (rows.length - 1)) * width : 0), y = (value) => bottom - (value / most) * height;
  const path = (key) => {
    const points = rows.flatMap((row, i) => row[key] === null ? [] : `${x(i).toFixed(1)} ${y(row[key]).toFixed(1)}`);
    return points.length ? `M${points.join("L")}` : "";
  };
  $("curve").replaceChildren(
    part("path", { class: "axis", d: `M${left} ${bottom - height}V${bottom}H${left + width}` }),
    part("path", { d: path("train_loss") }),
    part("path", { class: "held", d: path("held_out_loss") }),
    part("text", { x: 0, y: bottom - height + 4 }, rows.length ? most.toPrecision(2) : ""),
    part("text", { x: 0, y: bottom + 4 }, "0"),
    part("text", { x: left, y: bottom + 22 }, "epoch 1"),
    part("text", { x: left + width, y: bottom + 22, "text-anchor": "end" }, rows.length > 1 ? `epoch ${last.epoch}` : ""),
  );
}

function loss(value) { // of a training that went astray it is no number
  return value?.toFixed(4) ?? "no number";
}

function part(kind, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

$("network").onchange = () => {
  choice = $("network").value;
  changed();
};
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
tell("");
await look();
draw();
if (strokes.length && !asking) changed();
