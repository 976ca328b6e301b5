// The page for the night: shows what other devices hear of each baby, and rings. `sockets.py` sends all states twice a second.
import { connect, note, play } from "/static/common.js";

const SILENT_S = 5; // without a sign of the server, or of the device that listens
const RING_MS = 1500; // between two tones
const REFRESH_MS = 20_000; // of what other devices noted, and of the screen's lock
const PAINT_MS = 500;
const TRY_MS = 2000; // of a trial of the alarm
const NOTED_MS = 10_000; // in which a tap can be undone
const LEAST_PX = 150; // for the states
const WORDS = { quiet: "Quiet", crying: "Crying", lost: "Not listening" };
const SHAKES = { crying: [300, 150, 300], lost: [100, 100, 100, 100, 100, 100, 600] }; // ms
const [home, spoken, coming, ring, room, zone, begin, trial, tiles, delay, again] = [
  "babies", "spoken", "coming", "ring", "room", "zone", "begin", "trial", "tiles", "delay", "again",
].map((id) => document.getElementById(id));
const title = document.title;
let babies = [];
let toldAt = performance.now();
let refusal = ""; // why the server did not answer
let told = ""; // what was read out last
let sound, lock, calls, loudest, rungAt, fading;
let noted = ""; // what the last tap noted, as long as it can be undone
const returned = location.hash.slice(1).split(","); // infants to whom somebody listened, as `away.js` knows
let [triedUntil, asked] = [0, 0]; // asked: how often for the page's newest content

// Takes the babies of a page. armed: whether anybody was heard to listen, so that the end of it is an
// alarm. answered: the alarm that was answered here, while the server could not be told.
function meet(cards) {
  const state = { kind: "lost", for_s: null, age_s: null, why: "", coming: "", paused_s: 0, levels: [], devices: [], hushed_s: 0 };
  babies = [...cards].map((card) => ({
    state, armed: returned.includes(card.dataset.infant), cause: "", answered: "", ...babies.find((known) => known.infant === Number(card.dataset.infant)),
    infant: Number(card.dataset.infant), name: card.querySelector("bdi").textContent,
    card, part: (name) => card.querySelector(`.${name}`),
  }));
  home.replaceChildren(...cards);
}

const link = {
  over: "", // why nothing more will come
  address() {
    const query = new URLSearchParams({ delay: delay.value, again: again.value });
    for (const { infant } of babies) query.append("infant", infant);
    sessionStorage.setItem("watched", query);
    return `/watch?${query}`;
  },
  hear(message) {
    refusal = message.why ?? "";
    if (refusal) return;
    toldAt = performance.now();
    babies.forEach((baby, k) => {
      baby.state = message[k];
      baby.armed ||= baby.state.kind !== "lost";
    });
    paint();
  },
  lose(why) {
    if (why) this.over = `${why} Reload the page.`;
    paint();
  },
};

const clock = (seconds) =>
  new Date(Date.now() - 1000 * seconds).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });

function spent(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// Returns a state's key, its words, what is said beneath, and what an answer to it covers.
function read(state, passed) {
  const cut = link.over || (passed > SILENT_S && (refusal || "No connection to the diary. Trying again …"));
  const age = state.age_s + passed;
  if (cut || state.kind === "lost" || age > SILENT_S) {
    const since = state.for_s !== null && clock(state.kind === "lost" ? state.for_s + passed : age);
    const device = `The device beside the baby: ${state.why.replace("this page", "its page") || "no sign of it"}.`;
    const reason = cut || (since ? device : "No device listens yet. On the one beside the baby, press:");
    return ["lost", WORDS.lost + (since ? ` since ${since}` : ""), reason, cut ? "cut" : "lost"];
  }
  const length = Math.max(0, state.for_s + (state.paused_s ? 0 : passed)); // the other clock may be ahead
  const digits = `${Math.floor(length / 60)}:${String(Math.floor(length % 60)).padStart(2, "0")}`;
  const text = { crying: ` · ${digits}`, quiet: length < 60 ? "" : ` · ${spent(length)}` }[state.kind];
  const names = state.devices.map(([user, isThis]) => user + (isThis ? " (this phone)" : "")).join(" and ");
  const pause = state.paused_s && `Quiet for ${Math.floor(state.paused_s + passed)} s.`;
  const listens = [pause, names && `Listening: ${names}.`, age > 2 && `Last heard ${Math.floor(age)} s ago.`];
  return [state.kind, WORDS[state.kind] + text, listens.filter(Boolean).join(" "), state.kind];
}

// Shows a baby. Returns its state in words, those to read out, why it calls, if it does, and whether loudly.
function show(baby) {
  const { infant, card, state, armed, part, name } = baby;
  const passed = (performance.now() - toldAt) / 1000;
  const [kind, words, reason, cause] = read(state, passed);
  if (cause !== baby.cause) [baby.cause, baby.answered] = [cause, ""];
  const hushed = state.hushed_s - passed;
  if (card.dataset.kind === "crying" && kind === "quiet") refresh(); // the line with the last cry
  card.dataset.kind = kind;
  part("here").hidden = link.over || armed || kind !== "lost";
  part("word").textContent = words;
  const who = cause === state.kind && state.coming && (state.mine ? "You are coming" : `${state.coming} is coming`);
  part("who").textContent = who || "";
  part("stay").hidden = !who || !state.mine;
  part("why").textContent = reason + (hushed > 0 ? ` Crying does not ring until ${clock(-hushed)} (${state.hushed_by}).` : "");
  part("trace").setAttribute("points", state.levels.map((level, k) => `${1.6 * k - 32},${Math.min(20, -0.7 * level - 26)}`).join(" "));
  const isChosen = String(infant) === home.dataset.infant;
  card.querySelector(".choose")?.setAttribute("aria-pressed", isChosen);
  if (isChosen) tiles.dataset.kind = kind;
  const lost = kind === "lost" && armed && !baby.answered && !who; // which nothing mutes
  const call = lost ? "lost" : kind !== "lost" && hushed <= 0 && state.rings ? "crying" : "";
  card.dataset.rings = call;
  const head = (babies.length > 1 ? `${name}: ` : "") + WORDS[kind];
  const aloud = [head, who, kind === "lost" && reason].filter(Boolean).join(". ");
  return { name, head, aloud, reason, call, hushed, loud: lost || state.loud };
}

function paint() {
  const shown = babies.map(show);
  document.title = [...shown.map(({ head }) => head), title].join(" · ");
  const aloud = shown.map((each) => each.aloud).join(" ");
  if (told !== aloud) told = spoken.textContent = aloud;
  const [hush, isHushed] = [document.getElementById("hush"), shown.some(({ hushed }) => hushed > 0)];
  hush.disabled = sound?.state !== "running"; // "Switch the ring on" is there
  hush.dataset.order = isHushed ? "ring" : "hush";
  hush.textContent = isHushed ? "Ring on" : "Ring off 10 min";
  ready(isHushed);
  call(shown.filter((each) => each.call));
  document.body.style.setProperty("--bar", `${document.querySelector(".bar").offsetHeight}px`);
  if (zone.scrollHeight > zone.clientHeight + 1 || room.clientHeight < LEAST_PX) document.body.classList.remove("still"); // the type is too large
}

// Says whether this page can ring, and what to do if not.
function ready(isHushed) {
  const isOn = sound?.state === "running";
  const [canNotify, dozes] = [window.Notification?.permission === "granted", !lock || lock.released];
  const words = !sound ? "The ring is off: this page only flashes."
    : !isOn ? "The browser has locked the sound, so this page only flashes." : [
      isHushed ? "The ring for crying is off." : "The ring is on.",
      dozes && "This screen may turn off, and then nothing rings. Charge the phone and set its screen to stay on.",
      !canNotify && "There are no notifications: keep this page in view.",
    ].filter(Boolean).join(" ");
  if (ring.textContent !== words) ring.textContent = words;
  ring.dataset.on = isOn;
  begin.hidden = isOn;
}

// Flashes until somebody answers those who call. Some of them also sound and shake now.
function call(callers) {
  const now = performance.now();
  const first = (those) => ["crying", "lost"].find((what) => those.some((each) => each.call === what));
  const [before, wasLoud] = [calls, loudest];
  calls = callers.map(({ name, call: what }) => name + what).join();
  loudest = first(callers.filter(({ loud }) => loud));
  coming.hidden = !callers.length;
  coming.textContent = `I'm coming${babies.length > 1 ? ` to ${callers.map(({ name }) => name).join(" and ")}` : ""}`;
  document.body.dataset.rings = first(callers) ?? (now < triedUntil ? "crying" : "");
  const begins = calls !== before || (loudest && loudest !== wasLoud);
  if (begins) notify(callers);
  if (loudest && (begins || now - rungAt >= RING_MS)) {
    rungAt = now;
    if (sound) play(sound, loudest);
    navigator.vibrate?.(SHAKES[loudest]);
  }
}

async function notify(callers) {
  if (!sound || window.Notification?.permission !== "granted") return;
  const worker = await navigator.serviceWorker.ready;
  const [head, body] = ["head", "reason"].map((key) => callers.map((each) => each[key]).join(" "));
  if (head) return worker.showNotification(head, { body, tag: "ring", renotify: true, requireInteraction: true });
  for (const shown of await worker.getNotifications({ tag: "ring" })) shown.close();
}

function order(type, infant, alarm) {
  if (link.socket.readyState === WebSocket.OPEN) link.socket.send(JSON.stringify({ type, infant, alarm }));
}

// Replaces the tiles, by default of the same baby, also with what other devices noted; and the babies.
async function refresh(infant = home.dataset.infant) {
  const turn = ++asked;
  if (infant !== home.dataset.infant) noted = "";
  home.dataset.infant = infant;
  const answer = await fetch(`/night?infant=${infant}`, { redirect: "manual" }).catch(() => null);
  if (answer?.status === 404) link.over = "The diary of this baby was deleted. Reload the page.";
  if (!answer?.ok || turn !== asked) return; // a later answer has the newest content
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const newest = [...page.querySelectorAll(".baby")];
  if (newest.map(({ dataset }) => dataset.infant).join() !== babies.map(({ infant }) => infant).join()) {
    meet(newest);
    link.socket.close();
  }
  tiles.replaceChildren(...page.getElementById("tiles").childNodes);
  const undo = tiles.querySelector(`[data-of="${noted}"]`);
  if (undo) [undo.hidden, document.getElementById("last").hidden, spoken.textContent] = [false, true, undo.textContent];
  const [links, others] = [document, page].map((each) => each.querySelector(".bar"));
  if (links.innerHTML !== others.innerHTML) links.replaceChildren(...others.childNodes);
  paint();
}

async function stayAwake() {
  if (sound && !document.hidden && (!lock || lock.released)) {
    lock = await navigator.wakeLock?.request("screen").catch(() => undefined);
  }
}

function switchOn() {
  sessionStorage.setItem("rings", "on"); // on other pages, `away.js` waits for an alarm
  sound ??= new AudioContext();
  sound.onstatechange = paint;
  stayAwake().then(paint);
}

begin.onclick = trial.onclick = async () => { // sound, notifications and the wake lock need a tap
  switchOn();
  triedUntil = performance.now() + TRY_MS;
  for (const wait of [0, TRY_MS / 2]) setTimeout(play, wait, sound, "crying");
  navigator.vibrate?.([...SHAKES.crying, 250, ...SHAKES.crying]);
  await window.Notification?.requestPermission?.();
  paint();
};
coming.addEventListener("click", () => {
  const callers = babies.filter(({ card }) => card.dataset.rings);
  for (const baby of callers) {
    baby.answered = baby.cause;
    baby.state.rings = false;
    order("coming", baby.infant, baby.cause);
  }
  paint();
  refresh(callers[0]?.card.dataset.infant); // what is noted next is about this baby
});
home.addEventListener("click", ({ target }) => {
  const stayed = babies.find(({ part }) => part("stay") === target);
  if (stayed) {
    order("stay", stayed.infant);
    stayed.answered = stayed.state.coming = "";
  }
  if (babies.length > 1 && !target.closest("a")) refresh(target.closest(".baby")?.dataset.infant);
});
tiles.addEventListener("click", ({ target }) => {
  if (target.id === "hush") babies.forEach(({ infant }) => order(target.dataset.order, infant));
});
tiles.addEventListener("submit", async (event) => {
  noted = await note(event);
  const last = document.getElementById("last");
  clearTimeout(fading);
  fading = setTimeout(() => ((noted = ""), refresh()), NOTED_MS);
  if (noted) refresh();
  else [last.hidden, last.textContent] = [false, "Not saved. Try again."];
});
for (const wish of [delay, again]) {
  wish.value = localStorage.getItem(wish.id) ?? wish.value;
  wish.addEventListener("change", () => {
    localStorage.setItem(wish.id, wish.value);
    link.socket.close();
  });
}
matchMedia("(orientation: landscape)").addEventListener("change", () => document.body.classList.add("still"));
document.addEventListener("visibilitychange", stayAwake);
document.addEventListener("click", () => sound?.resume()); // for browsers that lock it on each new page
navigator.serviceWorker?.register("/static/worker.js", { scope: "/" });
setInterval(paint, PAINT_MS);
setInterval(() => (refresh(), stayAwake()), REFRESH_MS);
if (sessionStorage.getItem("rings")) switchOn(); // browsers allow sound on the next page of a site, or ask for a tap
meet(document.querySelectorAll(".baby"));
connect(link);
