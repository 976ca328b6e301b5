// A test of an application on another phone: plays cries, keeps what was tapped, and counts.
"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const KEY = "cryutils-translator", NO_ANSWER = DATA.no_answer, SOUND = /\.(wav|mp3|m4a|mp4|aac|ogg|opus|webm|flac)$/i;
const find = selector => document.querySelector(selector);
const audio = find("#audio");
const word = text => text.replaceAll("_", " ").trim().replace(/\s+/g, " ").toLowerCase();
const files = new Map(); // of the reader's folder, by path
let recordings = []; // each {label, infant, path}
let test = null; // {source, words, rows: [{clip, infant, truth, …answers}], sounds: [[column, row]], at}

function element(tag, words, properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: words }, properties);
}

function grouped(list, name) {
  const groups = new Map();
  for (const each of list) groups.set(name(each), [...groups.get(name(each)) ?? [], each]);
  return [...groups];
}

const infants = list => new Set(list.map(({ infant }) => infant)).size;
const refuse = words => { find("#error").textContent = words; };

// Random choices

function shuffled(list) {
  const left = [...list], drawn = [];
  while (left.length) drawn.push(...left.splice(Math.floor(Math.random() * left.length), 1));
  return drawn;
}

function drawRows(names, count) { // equally from all reasons, the rarest first, each infant once
  const offered = shuffled(recordings.filter(({ label }) => names[label]));
  const queues = grouped(offered, ({ label }) => names[label]).sort(([, a], [, b]) => infants(a) - infants(b));
  const rows = [], used = new Set();
  [...queues, ...queues].forEach(([truth, queue], k) => { // the second time, what the others lack
    const full = rows.length + Math.ceil((count - rows.length) / Math.max(1, queues.length - k));
    for (const { infant, path } of queue) {
      if (rows.length === full || used.has(infant)) continue;
      used.add(infant);
      rows.push({ clip: path, infant, truth });
    }
  });
  return shuffled(rows);
}

function drawSounds(n) { // cries; a quarter of them again, and as often no cry, at random places later
  const sounds = Array.from({ length: n }, (_, row) => ["prediction", row]);
  for (const column of ["again", "no_cry"])
    for (const row of shuffled([...Array(n).keys()]).slice(0, Math.max(2, Math.round(n / 4)))) {
      const first = sounds.findIndex(([kind, other]) => kind === "prediction" && other === row) + 1;
      sounds.splice(first + Math.floor(Math.random() * (sounds.length - first + 1)), 0, [column, row]);
    }
  return sounds;
}

// Preparation

function offer(source, list) {
  recordings = list;
  find("#form").dataset.source = source;
  const fields = grouped(list, ({ label }) => label).sort().map(([label, own], k) => {
    const field = element("div", "", { className: "field" });
    field.append(element("label", `${word(label)} (${infants(own)} infants)`, { htmlFor: `name-${k}` }),
      element("input", "", { id: `name-${k}`, value: word(label), name: label, autocomplete: "off" }));
    return field;
  });
  find("#names").replaceChildren(find("legend"), ...fields);
  find("#begin").disabled = false;
  find("#count").value = Math.min(find("#count").value, infants(list));
  showWidth();
  find("#names input").focus();
}

find("#donateacry").addEventListener("click", () => offer("donateacry", Object.entries(DATA.files).flatMap(
  ([label, names]) => names.map(name => ({ label, infant: name.slice(0, 36).toLowerCase(), path: `${label}/${name}` })))));

find("#folder").addEventListener("change", ({ target }) => {
  refuse("");
  files.clear();
  for (const file of target.files) {
    const parts = file.webkitRelativePath.split("/").slice(-3);
    if (SOUND.test(file.name) && file.webkitRelativePath.split("/").length > 3) files.set(parts.join("/"), file);
  }
  target.value = "";
  if (!files.size) return refuse("No sound with the path label/infant/file is in this folder. Choose the folder that contains the labels.");
  if (test) return show();
  offer("folder", [...files.keys()].map(path => ({ path, label: path.split("/")[0], infant: path.split("/")[1] })));
});

function showWidth() {
  const n = Math.round(find("#count").value);
  if (n < 2 || n > DATA.low.length + 1) return;
  const [low, high] = ends(Math.floor(n / 2), n), sounds = n + 2 * Math.max(2, Math.round(n / 4));
  find("#width").textContent = `About ${Math.ceil(sounds / 3)} minutes. If half are right, the interval is ${percent(high - low)} points wide.`;
}
find("#count").addEventListener("input", showWidth);

find("#form").addEventListener("submit", event => {
  event.preventDefault();
  refuse("");
  const names = Object.fromEntries([...find("#names").querySelectorAll("input")].map(input => [input.name, word(input.value)]));
  const count = Number(find("#count").value), rows = drawRows(names, count);
  if (new Set(rows.map(({ truth }) => truth)).size < 2 || rows.length < 4)
    return refuse("A test needs two reasons and four infants: give two words that differ.");
  if (rows.length < count) {
    find("#count").value = rows.length;
    showWidth();
    return refuse(`There are only ${rows.length} infants with these reasons. Look at the width again, then begin.`);
  }
  const words = [...new Set([...Object.values(names), ...find("#others").value.split(",").map(word)])];
  test = { source: find("#form").dataset.source, words: words.filter(each => each && each !== NO_ANSWER), rows, sounds: drawSounds(rows.length), at: 0 };
  go();
});

// The test

function go() {
  localStorage.setItem(KEY, JSON.stringify(test));
  show();
}

async function address([column, row]) {
  if (column === "no_cry") return DATA.no_cry[row % 2];
  const { clip } = test.rows[row];
  if (test.source === "folder") return URL.createObjectURL(files.get(clip));
  const response = await fetch(`${DATA.address}/${clip}`);
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return URL.createObjectURL(new Blob([await response.arrayBuffer()], { type: "audio/wav" }));
}

find("#play").addEventListener("click", async () => {
  const { at } = test;
  refuse("");
  find("#status").textContent = "Loading …";
  try {
    const url = await address(test.sounds[at]);
    if (test?.at !== at) return;
    URL.revokeObjectURL(audio.src);
    audio.src = url;
    await audio.play();
    find("#status").textContent = "Playing …";
    for (const button of find("#answers").children) button.disabled = false;
  } catch (error) {
    if (error.name === "AbortError") return; // another click
    find("#status").textContent = "";
    find("#skip").hidden = false;
    refuse(`This sound could not be played (${error.message}). Check the connection and try again, or leave the infant out.`);
  }
});
audio.addEventListener("ended", () => { find("#status").textContent = "Played. Wait for the application."; });

function answer(words) {
  const [column, row] = test.sounds[test.at++];
  test.rows[row][column] = words;
  go();
}

find("#skip").addEventListener("click", () => {
  const [, without] = test.sounds[test.at];
  test.sounds = test.sounds.filter(([, row], k) => k < test.at || row !== without);
  go();
});
find("#undo").addEventListener("click", () => {
  const [column, row] = test.sounds[--test.at];
  delete test.rows[row][column];
  go();
});
find("#end").addEventListener("click", () => {
  if (!confirm("End the test here? The number of infants should not depend on the answers.")) return;
  test.sounds.length = test.at;
  go();
});
find("#discard").addEventListener("click", () => {
  if (!confirm("Discard all answers of this test?")) return;
  localStorage.removeItem(KEY);
  location.reload();
});

function show() {
  const isMissing = test.source === "folder" && test.rows.some(({ clip }) => !files.has(clip));
  const isOver = test.at === test.sounds.length;
  audio.pause();
  refuse(isMissing && !isOver ? "Choose the same folder again to go on: a page may not keep it." : "");
  find("#setup").hidden = !isMissing || isOver;
  find("#form").hidden = true;
  find("#plan").hidden = true;
  for (const part of document.querySelectorAll(".before")) part.hidden = !isOver;
  find("#test").hidden = isOver || isMissing;
  find("#verdict").hidden = !isOver;
  find("#kept").hidden = false;
  find("#test-title").textContent = `Sound ${test.at + 1} of ${test.sounds.length}`;
  Object.assign(find("#progress"), { value: test.at, max: test.sounds.length });
  find("#status").textContent = "";
  find("#skip").hidden = true;
  find("#undo").disabled = find("#end").disabled = !test.at;
  find("#answers").replaceChildren(...[...test.words, NO_ANSWER].map(words =>
    element("button", words, { type: "button", disabled: true, onclick: () => answer(words) })));
  URL.revokeObjectURL(find("#save").href);
  find("#save").href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  find("#save").download = "answers.csv";
  if (isOver) find("#facts").replaceChildren(...facts().map(words => element("li", words)));
  find(isOver ? "#verdict-title" : isMissing ? "#folder" : "#play").focus();
}

// The table and the verdict, as cryutils.claims.translator has them

const answered = () => test.rows.filter(row => "prediction" in row);

function csv() {
  const columns = ["clip", "infant", "truth", "prediction", "again", "no_cry"];
  const safe = text => `"${text.replace(/^(?=[=+\-@])/, "'").replaceAll('"', '""')}"`; // no formula
  return [columns, ...answered().map(row => columns.map(name => safe(row[name] ?? "")))].map(row => `${row}\n`).join("");
}

function percent(share) { // as Python rounds: half to even
  const value = 100 * share, whole = Math.floor(value);
  return value - whole > 0.5 || (value - whole === 0.5 && whole % 2) ? whole + 1 : whole;
}

function ends(count, n) {
  const low = k => DATA.low[n - 2][k] / 1e4;
  return n < 2 ? [0, 1] : [low(count), 1 - low(n - count)];
}

function facts() {
  const say = (name, values) => DATA.sentences[name].replace(/{(\w+)}/g, (_, key) => values[key]);
  const share = (name, count, n) =>
    say(name, { n, score: `${percent(count / n)}${n > 1 ? ` [${ends(count, n).map(percent).join(", ")}]` : ""}` });
  if (!answered().length) return ["There are no answers."];
  const rows = answered(), n = rows.length, right = rows.filter(row => row.truth === row.prediction).length;
  const counts = grouped(rows, row => row.truth).map(([name, list]) => [name, list.length]).sort((a, b) => b[1] - a[1]);
  const [name, most] = counts[0], [low, high] = ends(right, n);
  const heard = rows.filter(row => row.again), silent = rows.filter(row => row.no_cry);
  const outcome = low > most / n ? "better" : high < most / n ? "worse" : "undecided";
  const said = new Set(rows.map(row => row.prediction));
  return [
    share("right", right, n),
    say("commonest", { name, score: percent(most / n) }),
    ...(heard.length ? [share("again", heard.filter(row => row.again === row.prediction).length, heard.length)] : []),
    ...(silent.length ? [share("no_cry", silent.filter(row => row.no_cry !== NO_ANSWER).length, silent.length)] : []),
    say(n > 1 && said.size === 1 ? "constant" : outcome, {}),
  ];
}

showWidth();
test = JSON.parse(localStorage.getItem(KEY));
if (test) show();
