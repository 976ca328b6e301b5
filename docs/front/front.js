// The first page: players, a guess and ten trials. Nothing is loaded before a click.
"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const find = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const pick = list => list[Math.floor(Math.random() * list.length)];

// Sounds: each is {url, bars}; a button names the one that it plays.

const sounds = new Map();
const audio = find("#audio");
let playing = null;

function offer(name, sound) {
  sounds.set(name, sound);
  for (const button of all(`[data-play="${name}"]`)) {
    const lines = sound.bars.map((bar, k) => `M${4 * k + 2} ${20 - 0.18 * bar}v${0.36 * bar}`);
    for (const path of all("path", button)) path.setAttribute("d", lines.join(""));
    button.style.setProperty("--heard", "0%");
  }
}

function stop() {
  audio.pause();
  for (const button of all("[data-play]")) button.setAttribute("aria-pressed", false);
  playing = null;
}

function play(name) {
  const again = playing !== name;
  stop();
  if (!again) return;
  playing = name;
  for (const button of all(`[data-play="${name}"]`)) button.setAttribute("aria-pressed", true);
  audio.src = sounds.get(name).url;
  audio.play().catch(error => { if (error.name !== "AbortError") stop(); });
  unlock(name);
  requestAnimationFrame(follow);
}

function follow() {
  if (playing === null) return;
  const heard = `${100 * (audio.currentTime / audio.duration || 0)}%`;
  for (const button of all(`[data-play="${playing}"]`)) button.style.setProperty("--heard", heard);
  requestAnimationFrame(follow);
}

audio.addEventListener("ended", stop);
for (const button of all("[data-play]")) {
  button.setAttribute("aria-pressed", false);
  button.addEventListener("click", () => play(button.dataset.play));
}

// A recording from elsewhere: a WAV file, whose samples may have more bits than a browser plays.

async function fetched(url, sum) {
  const file = await loaded(url);
  // Browsers compute checksums on secure pages only, such as https and localhost.
  const bytes = crypto.subtle && new Uint8Array(await crypto.subtle.digest("SHA-256", file));
  if (bytes && [...bytes].some((byte, k) => byte !== parseInt(sum.slice(2 * k, 2 * k + 2), 16)))
    throw new Error("a file differs from the one that was described here");
  const [samples, rate] = decoded(file);
  return { url: URL.createObjectURL(encoded(samples, rate)), bars: bars(samples) };
}

async function loaded(url) {
  const response = await fetch(url, { signal: AbortSignal.timeout(60000) }).catch(() => {
    throw new Error(`${new URL(url).host} cannot be reached. Check the connection`);
  });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  return response.arrayBuffer();
}

function decoded(buffer) {
  const view = new DataView(buffer);
  let at = 12, channels = 1, rate = 8000, bits = 16;
  while (at + 8 <= view.byteLength) {
    const kind = String.fromCharCode(...new Uint8Array(buffer, at, 4)), size = view.getUint32(at + 4, true);
    if (kind === "fmt ") {
      channels = view.getUint16(at + 10, true);
      rate = view.getUint32(at + 12, true);
      bits = view.getUint16(at + 22, true);
    }
    if (kind === "data") {
      const bytes = bits / 8, step = bytes * channels;
      const count = Math.floor(Math.min(size, view.byteLength - at - 8) / step);
      // The two highest bytes of the first channel are enough.
      return [Float32Array.from({ length: count },
        (_, k) => view.getInt16(at + 8 + k * step + bytes - 2, true) / 32768), rate];
    }
    at += 8 + size + (size % 2);
  }
  throw new Error("this is not a WAV file");
}

function encoded(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, words) => [...words].forEach((c, k) => view.setUint8(at + k, c.charCodeAt(0)));
  text(0, "RIFF"); text(8, "WAVEfmt "); text(36, "data");
  view.setUint32(4, view.byteLength - 8, true);
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, k) => view.setInt16(44 + 2 * k, 32767 * sample, true));
  return new Blob([view], { type: "audio/wav" });
}

function bars(samples) {
  const size = Math.floor(samples.length / 48);
  const loud = Array.from({ length: 48 }, (_, k) =>
    Math.sqrt(samples.subarray(k * size, (k + 1) * size).reduce((sum, x) => sum + x * x, 0)));
  return loud.map(value => 100 * value / Math.max(...loud, 1e-9));
}

// Three babies

let babies = DATA.babies, unknown = null, last = null, guessed = 0, right = 0;

function showBabies() {
  stop();
  babies.forEach((baby, k) => offer(String(k), baby.cry));
  askWho();
}

function askWho() {
  stop();
  const cries = babies.flatMap(({ again }, k) => again.map(sound => [k, sound]));
  [unknown, last] = pick(cries.filter(([, sound]) => sound !== last));
  offer("unknown", last);
  find("#answer").replaceChildren();
  for (const button of all("[data-guess]")) {
    button.disabled = true; // until the cry is heard
    button.classList.remove("right", "wrong");
  }
}

function answerWho(guess) {
  const letter = "ABC"[unknown], baby = babies[unknown], isRight = guess === unknown;
  guessed += 1;
  right += isRight;
  for (const button of all("[data-guess]")) {
    button.disabled = true;
    button.classList.toggle("right", Number(button.dataset.guess) === unknown);
    button.classList.toggle("wrong", !isRight && Number(button.dataset.guess) === guess);
  }
  const name = element("strong", `${isRight ? "Right" : "No"}: it was baby ${letter}.`);
  const first = element("p", name, ` You have recognised ${right} of ${guessed}.`);
  const why = baby.real
    ? ["Its parents chose ", element("em", baby.reason), " in the app, for both cries. Did you recognise the baby, its phone or its room? A program may use any of them. Then it repeats the reason that it has learned for this baby."]
    : ["In these data, every cry of baby ", letter, " is labelled ", element("em", baby.reason), ". So anyone who recognises the baby knows the “reason” without hearing it. ", element("strong", "A program can do the same, and look clever.")];
  const next = element("button", "Another cry");
  next.type = "button";
  next.addEventListener("click", () => { askWho(); play("unknown"); find('[data-play="unknown"]').focus(); });
  find("#answer").replaceChildren(first, element("p", ...why), next);
  next.focus({ preventScroll: true });
}

// Lets a guess be made once its sounds were played.

function unlock(name) {
  sounds.get(name).heard = true;
  if (name === "unknown" && !find("#answer").hasChildNodes())
    for (const button of all("[data-guess]")) button.disabled = false;
  if (name.startsWith("pair-") && !find("[data-same].right")) {
    const both = ["pair-0", "pair-1"].every(each => sounds.get(each).heard);
    for (const button of all("[data-same]")) button.disabled = !both;
  }
}

function element(tag, ...children) {
  const node = document.createElement(tag);
  node.append(...children);
  return node;
}

for (const button of all("[data-guess]"))
  button.addEventListener("click", () => answerWho(Number(button.dataset.guess)));

find("#real").addEventListener("click", async event => {
  const button = event.currentTarget, source = find("#source");
  button.disabled = true;
  source.textContent = "Loading the recordings …";
  try {
    const load = ([name, sum]) => fetched(`${DATA.real.address}/${name}`, sum);
    babies = await Promise.all(DATA.real.babies.map(async ({ reason, cries }) => {
      const [cry, again] = await Promise.all(cries.map(load));
      return { reason, cry, again: [again], real: true };
    }));
    source.textContent = "These are real cries of three babies, from DonateACry (ODbL 1.0).";
    guessed = right = 0;
    showBabies();
    button.hidden = true;
    find("details").open = false;
    find("summary").textContent = "About these cries. To hear the computer-made ones again, load the page again";
  } catch (error) {
    source.textContent = `The recordings could not be loaded: ${error.message}. You hear the computer-made cries.`;
    button.disabled = false;
  }
});
showBabies();

// Ten trials of the listeners: [known baby, recording, asked, said yes, the machine says yes]

let trials = [], answers = [], next = null;

function draw(rows, count) {
  const left = [...rows], drawn = [];
  while (drawn.length < count) drawn.push(...left.splice(Math.floor(Math.random() * left.length), 1));
  return drawn;
}

const isSame = ([known, recording]) => recording.startsWith(known);

function loadPair([known, recording]) {
  const bath = pick(DATA.trials.baths[known]);
  return Promise.all([`${known}_${bath}`, recording].map(name =>
    fetched(`${DATA.trials.address}/${name}.wav`, DATA.trials.sums[name])));
}

function prefetch(number) {
  next = number < trials.length ? loadPair(trials[number]) : null;
  next?.catch(() => {}); // told when the pair is shown
}

async function showTrial() {
  const number = answers.length, place = find("#trial"), start = find("#start");
  start.hidden = true;
  find(".pair").hidden = true;
  place.replaceChildren(element("p", "Loading two recordings …"));
  try {
    const pair = await next;
    pair.forEach((sound, k) => offer(`pair-${k}`, sound));
    for (const button of all("[data-same]")) {
      button.disabled = true; // until both are heard
      button.classList.remove("right", "wrong");
    }
    prefetch(number + 1);
    place.replaceChildren(element("p", element("strong", `Pair ${number + 1} of 10.`), " Hear both. Is it the same baby?"));
    find(".pair").hidden = false;
    find('[data-play="pair-0"]').focus({ preventScroll: true });
  } catch (error) {
    place.replaceChildren(element("p", `The recordings could not be loaded: ${error.message}.`));
    next = null;
    start.textContent = "Try again";
    start.hidden = false;
  }
}

find("#start").addEventListener("click", () => {
  stop();
  if (answers.length === 10 && find("#result").hidden) return showResult();
  if (answers.length === trials.length) {
    const [same, others] = [true, false].map(kind => DATA.trials.rows.filter(row => isSame(row) === kind));
    [trials, answers] = [draw([...draw(same, 5), ...draw(others, 5)], 10), []];
    find("#result").hidden = true;
  }
  if (!next) prefetch(answers.length);
  showTrial();
});

function judge(said) {
  stop();
  const truth = isSame(trials[answers.length]), right = said === truth;
  answers.push(right);
  for (const button of all("[data-same]")) {
    const isTrue = (button.dataset.same === "true") === truth;
    button.disabled = true;
    button.classList.toggle("right", isTrue);
    button.classList.toggle("wrong", !right && !isTrue);
  }
  const verdict = element("strong", `${right ? "Right" : "No"}: it was ${truth ? "the same" : "another"} baby.`);
  find("#trial").replaceChildren(element("p", verdict, ` Right so far: ${answers.filter(Boolean).length} of ${answers.length}.`));
  find("#start").textContent = answers.length < trials.length ? "Next pair" : "See how you did";
  find("#start").hidden = false;
  find("#start").focus({ preventScroll: true });
}

for (const button of all("[data-same]"))
  button.addEventListener("click", () => judge(button.dataset.same === "true"));

function interval(count, n) {  // Wilson's, for 95 %
  const z = 1.96, middle = (count + z * z / 2) / (n + z * z);
  const half = z / (n + z * z) * Math.sqrt(count * (n - count) / n + z * z / 4);
  return `${Math.round(100 * count / n)} [${Math.round(100 * (middle - half))}, ${Math.round(100 * (middle + half))}]`;
}

function showResult() {
  const share = list => Math.round(100 * list.reduce((sum, x) => sum + x, 0) / list.length);
  const people = trials.map(row => isSame(row) ? row[3] / row[2] : 1 - row[3] / row[2]);
  const machine = trials.map(row => Number(isSame(row) === Boolean(row[4])));
  const count = answers.filter(Boolean).length;
  const rows = [["you", interval(count, 10), "–"], ["listeners", share(people), DATA.trials.listeners],
    ["program", share(machine), DATA.trials.machine], ["guessing", 50, 50]];
  find("#result tbody").replaceChildren(...rows.map(([who, ...cells]) => {
    const head = element("th", who);
    head.scope = "row";
    return element("tr", head, ...cells.map(cell => element("td", String(cell))));
  }));
  find(".pair").hidden = true;
  find("#result").hidden = false;
  find("#trial").replaceChildren(element("p", element("strong", `You were right in ${count} of 10.`),
    " Ten answers say little: your interval shows how little."));
  find("#start").textContent = "Ten other pairs";
  find("#start").hidden = false;
  find("#start").focus({ preventScroll: true });
}
