// The page: what is written, as strokes or a picture, goes to the server of this machine; what it reads is shown.
const $ = (id) => document.getElementById(id);
const paper = $("paper"), pen = paper.getContext("2d");
const [WIDTH, HEIGHT, PEN] = [paper.width, paper.height, 22];
const STEP = 12; // of the pen that keys move
const SIGNED = [[11, 29, 79], [74, 101, 144], [154, 154, 154], [220, 181, 138], [255, 243, 220]]; // as Fig. 11 has it
const MOST_BYTES = 32e6;
const AGAIN_MS = 1500;

let strokes = JSON.parse(sessionStorage.getItem("strokes") ?? "[]"); // each a list of [x, y]
let photo = null; // {blob, image}: a picture that was given, and as the server shows it
let found = null; // what was read last: {lines, width, height, ...}
let chosen = 0; // of its characters, in reading order
let labels = {}; // what the user says they are, by their place
let cursor = null; // [x, y, down] of the pen that keys move
let asked = 0, answered = 0, asking = false; // readings
let mark = null; // of what was kept last, to take it back
let symbols = {}; // of Greek letters

// ---- the server

async function ask(name, given = {}, body) {
  const address = `${name}?${new URLSearchParams(given)}`;
  const answer = await fetch(address, body === undefined ? {} : { method: "POST", body });
  const said = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(said.error), { told: true });
  return said;
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
      if (width > 24 && y > 26) pen.fillText(sign(label(i)), x, y - 6);
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

function changed() { // what is written is another
  try {
    sessionStorage.setItem("strokes", JSON.stringify(strokes));
  } catch {} // there may be no room for more
  labels = {};
  forget();
  if (!strokes.length && !photo) {
    asked = ++answered;
    show(null);
  } else {
    asked++;
    read();
  }
  draw();
}

let drawing = null; // the pointer's number
paper.addEventListener("pointerdown", (event) => {
  if (!event.isPrimary || event.button) return;
  if (photo) return;
  paper.setPointerCapture(event.pointerId);
  drawing = event.pointerId;
  cursor = null;
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
  if ((!step && event.key !== " ") || photo || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  cursor ??= [WIDTH / 2, HEIGHT / 4, false];
  if (step) {
    cursor[0] = Math.min(Math.max(cursor[0] + step[0], 0), WIDTH);
    cursor[1] = Math.min(Math.max(cursor[1] + step[1], 0), HEIGHT);
    if (cursor[2]) strokes.at(-1).push(cursor.slice(0, 2));
    draw();
  } else {
    cursor[2] = !cursor[2];
    if (cursor[2]) strokes.push([cursor.slice(0, 2)]);
    else return changed();
    draw();
  }
});
paper.addEventListener("blur", () => {
  if (cursor?.[2]) changed();
  cursor = null;
  draw();
});

function undo() {
  if (photo) return clear();
  if (cursor) cursor[2] = false;
  if (strokes.pop()) changed();
}

function clear() {
  strokes = [];
  photo = cursor = null;
  paper.classList.remove("photo");
  changed();
}

$("undo").onclick = undo;
$("clear").onclick = clear;
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select")) return;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") undo();
  else if (event.key === "Delete") clear();
  else return;
  event.preventDefault();
});

// ---- a picture

function take(blob) {
  if (!blob) return;
  if (blob.size > MOST_BYTES) return say(`That picture has ${Math.round(blob.size / 1e6)} MB; ${MOST_BYTES / 1e6} are the most.`, true);
  strokes = [];
  photo = { blob, image: null };
  paper.classList.add("photo");
  changed();
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
  while (answered !== asked) {
    const now = asked;
    try {
      const given = { network: $("network").value, ...(photo && { photo: 1 }) };
      const mine = photo;
      const said = await ask("read", given, mine ? mine.blob : await written());
      if (mine && said.shown) {
        const image = new Image();
        image.src = said.shown;
        await image.decode();
        mine.image = image;
      }
      if (now === asked) show(said);
      answered = now;
    } catch (error) {
      if (now !== asked) continue;
      found = null;
      show(null);
      if (error.told) {
        say(error.message, true);
        answered = now;
      } else {
        say("The server does not answer; `python -m recognition page` starts it. What is written here stays.", true);
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }
  asking = false;
}

function characters() {
  return found ? found.lines.flat() : [];
}

function sign(name) {
  return symbols[name] ?? name;
}

function label(i) { // what a character is: as the user says, or as it was read
  const { prediction, known } = characters()[i];
  return labels[i] ?? (known ? prediction : "?");
}

function percent(share) {
  return `${(100 * share).toFixed(share > 0.9995 || share < 0.0995 ? 2 : 1)} %`;
}

function say(text, wrong = false) {
  $("said").textContent = text;
  $("said").classList.toggle("wrong", wrong);
}

function show(said) {
  found = said;
  chosen = 0;
  const all = characters();
  $("one").hidden = $("teach").hidden = !all.length;
  $("lines").hidden = all.length < 2;
  $("layer").hidden = !all.length || !found.filters;
  $("lines").replaceChildren();
  if (!said) return say("Nothing is written yet.");
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
    button.lastChild.textContent = sign(label(k));
    button.setAttribute("aria-label", `character ${k + 1}: ${label(k)}`);
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
  $("label").value = label(i) === "?" ? "" : label(i);
  $("keep").textContent = characters().length > 1 ? `Keep all ${characters().length}` : "Keep";
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
    $("responses").replaceChildren(error.told ? error.message : "");
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

function forget() {
  mark = null;
  $("back").hidden = true;
  $("kept").textContent = "";
}

$("label").oninput = () => {
  const text = $("label").value.trim();
  if (text) labels[chosen] = text;
  else delete labels[chosen];
  const button = $("lines").querySelectorAll("button")[chosen];
  if (button) button.lastChild.textContent = sign(label(chosen));
  draw();
};
$("writer").value = localStorage.getItem("writer") ?? "";
$("writer").onchange = () => localStorage.setItem("writer", $("writer").value.trim());

$("teach").onsubmit = async (event) => {
  event.preventDefault();
  const all = characters().map((_, i) => label(i));
  const unsaid = all.indexOf("?");
  if (unsaid >= 0) {
    choose(unsaid);
    $("label").focus();
    return ($("kept").textContent = `Say what character ${unsaid + 1} is, too.`);
  }
  $("keep").disabled = true;
  try {
    const given = { network: $("network").value, writer: $("writer").value.trim(), labels: JSON.stringify(all), ...(photo && { photo: 1 }) };
    const said = await ask("keep", given, photo ? photo.blob : await written());
    $("kept").textContent = said.line;
    mark = said.mark;
    $("back").hidden = false;
  } catch (error) {
    $("kept").textContent = error.told ? error.message : "The server does not answer; nothing was kept.";
  }
  $("keep").disabled = false;
};

$("back").onclick = async () => {
  try {
    $("kept").textContent = (await ask("undo", { mark }, "")).line;
    $("back").hidden = true;
    $("keep").focus();
  } catch (error) {
    $("kept").textContent = error.told ? error.message : "The server does not answer; what was kept is still there.";
  }
};

// ---- networks, and a training that runs

async function look() {
  try {
    const { networks, loading, training, symbols: known } = await ask("state");
    symbols = known;
    offer(networks);
    if (loading && answered === asked && !found && !photo) say("The network is loading; write meanwhile.");
    else if (loading && answered !== asked) say("The network is loading …");
    else if (!found && answered === asked && $("said").textContent.startsWith("The network is loading")) say("Nothing is written yet.");
    curve(training);
    setTimeout(look, loading ? 500 : training ? 2000 : 10000);
  } catch {
    setTimeout(look, 5000);
  }
}

let offered = "";
function offer(networks) { // only where they are others: it would close a list that is open
  if (offered === (offered = JSON.stringify(networks))) return;
  const before = $("network").value;
  $("network").replaceChildren(...networks.map(({ name, title, there }) => {
    return Object.assign(new Option(there ? title : `${title}: not there yet`, name), { disabled: !there });
  }));
  const [first] = networks.filter((one) => one.there);
  $("network").value = networks.some((one) => one.there && one.name === before) ? before : first?.name;
  $("missing").textContent = networks.filter((one) => !one.there).map((one) => `${one.title}: ${one.build}.`).join(" ");
}

function curve(training) {
  $("training").hidden = !training;
  if (!training) return;
  const { name, rows } = training;
  const last = rows.at(-1);
  $("trained").textContent = last
    ? `${name}, epoch ${last.epoch}: loss ${last.train_loss.toFixed(4)} in training, ` +
      `${last.held_out_loss.toFixed(4)} of pictures held out (dashed), ${percent(last.held_out_accuracy)} of them right.`
    : `${name}: the first epoch is under way.`;
  const [left, bottom, width, height] = [44, 190, 580, 170];
  const most = Math.max(...rows.flatMap((row) => [row.train_loss, row.held_out_loss]), 1e-9);
  const x = (i) => left + (rows.length > 1 ? (i / (rows.length - 1)) * width : 0), y = (loss) => bottom - (loss / most) * height;
  const path = (key) => rows.map((row, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(row[key]).toFixed(1)}`).join("");
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

function part(kind, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

$("network").onchange = changed;
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
await look();
draw();
if (strokes.length) changed();
