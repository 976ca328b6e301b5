// The page for the night: shows what another device hears, and rings. `watch.py` sends a state each second.

const SILENT_S = 5; // without a sign of the server, or of the device that listens
const AGAIN_MS = 2000; // between attempts to connect
const RING_MS = 1500; // between two tones
const REFRESH_MS = 60_000; // of the line with the last feed
const PAINT_MS = 500;
const WORDS = { quiet: "Quiet", crying: "Crying", lost: "Not listening" };
const SHAKES = { crying: [300, 150, 300], lost: [100, 100, 100, 100, 100, 100, 600] }; // ms
const TONES = { crying: [660, 880], lost: [330, 220, 330, 220] }; // Hz
const LOGGED_OUT = "You are logged out. Reload the page to log in.";
const ENDS = {
  4401: LOGGED_OUT,
  4409: "This page was closed, because too many are open. Reload it.",
  1008: "This page sent too much, so it has stopped. Reload it.",
};
const [home, word, why, spoken, trace, here, coming, begin, tiles, delay, again] = [
  "night", "word", "why", "spoken", "trace", "here", "coming", "begin", "tiles", "delay", "again",
].map((id) => document.getElementById(id));
const title = document.title;
let state = { kind: "lost", for_s: null, age_s: null, why: "", levels: [], devices: [] };
let toldAt = performance.now();
let over = ""; // why nothing more will come
let refusal = ""; // why the server did not answer
let armed = false; // whether anybody was heard to listen, so that the end of it is an alarm
let muted = false; // whether somebody came here, while the server could not be told
let socket, sound, rings, rungAt, wasLoud;

function connect() {
  const query = new URLSearchParams({ infant: home.dataset.infant, delay: delay.value, again: again.value });
  const mine = (socket = new WebSocket(`${location.origin.replace("http", "ws")}/watch?${query}`));
  mine.addEventListener("message", ({ data }) => {
    const message = JSON.parse(data);
    refusal = message.type === "refused" ? message.why : "";
    if (refusal) return;
    [state, toldAt] = [message, performance.now()];
    if (state.kind !== "lost") [armed, muted] = [true, false];
    paint();
  });
  mine.addEventListener("close", async ({ code }) => {
    if (mine !== socket) return;
    over ||= ENDS[code] ?? "";
    paint();
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    await refresh(); // a login that ended meanwhile
    if (!over && mine === socket) connect();
  });
}

const clock = (seconds) =>
  new Date(Date.now() - 1000 * seconds).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });

function spent(seconds) {
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// Returns the state's key, its words, and what is said beneath.
function read() {
  const passed = (performance.now() - toldAt) / 1000;
  const cut = passed > SILENT_S;
  const age = state.age_s + passed;
  if (over || cut || state.kind === "lost" || age > SILENT_S) {
    const since = state.for_s === null ? null : state.kind === "lost" ? state.for_s + passed : age;
    const reason = over || (cut ? refusal || "No connection to the diary. Trying again …"
      : since === null ? "No device is listening yet. On the one beside the baby, press:"
        : `The device beside the baby: ${state.why.replace("this page", "its page") || "no sign of it"}.`);
    return ["lost", since === null ? WORDS.lost : `${WORDS.lost} since ${clock(since)}`, reason];
  }
  const length = Math.max(0, state.for_s + passed); // the other clock may be ahead
  const digits = `${Math.floor(length / 60)}:${String(Math.floor(length % 60)).padStart(2, "0")}`;
  const text = { crying: ` · ${digits}`, quiet: length < 60 ? "" : ` · ${spent(length)}` }[state.kind];
  const names = state.devices.map(([user, mine]) => (mine ? `${user}, this phone` : user)).join(" and ");
  const listens = [names && `Listening: ${names}.`, age > 2 && `Last heard ${Math.floor(age)} s ago.`];
  return [state.kind, WORDS[state.kind] + text, listens.filter(Boolean).join(" ")];
}

function paint() {
  const [kind, words, reason] = read();
  const hushed = state.hushed_s - (performance.now() - toldAt) / 1000;
  const off = hushed > 0 ? ` The ring is off until ${clock(-hushed)} (${state.hushed_by}).` : "";
  if (home.dataset.kind !== kind) spoken.textContent = `${WORDS[kind]}. ${kind === "lost" ? reason : ""}`;
  if (home.dataset.kind === "crying" && kind === "quiet") refresh(); // the line with the last cry
  home.dataset.kind = kind;
  here.hidden = over || armed || kind !== "lost";
  document.title = `${WORDS[kind]} · ${title}`;
  word.textContent = words;
  why.textContent = reason + off;
  trace.setAttribute("points", state.levels.map((level, k) => `${1.6 * k - 32},${Math.min(20, -0.7 * level - 26)}`).join(" "));
  const hush = document.getElementById("hush");
  hush.setAttribute("aria-pressed", hushed > 0);
  hush.textContent = hushed > 0 ? "Ring on again" : "Ring off 10 min";
  const lost = kind === "lost" && armed && !muted && !state.answered;
  const what = hushed > 0 ? "" : lost ? "lost" : kind !== "lost" && state.rings ? "crying" : "";
  ring(what, Boolean(what) && (lost || state.loud), words, reason);
}

// Flashes until somebody answers. loud: whether it also sounds and shakes now.
function ring(what, loud, words, reason) {
  const now = performance.now();
  const begins = what !== rings || (loud && !wasLoud);
  coming.hidden = !what;
  document.body.dataset.rings = what;
  if (begins) notify(what, words, reason);
  if (loud && (begins || now - rungAt >= RING_MS)) {
    rungAt = now;
    tone(what);
    navigator.vibrate?.(SHAKES[what]);
  }
  [rings, wasLoud] = [what, loud];
}

function tone(what) {
  if (sound && sound.state !== "running") sound.resume();
  TONES[what].forEach((hz, k) => {
    if (!sound) return;
    const [note, gain] = [sound.createOscillator(), sound.createGain()];
    note.type = what === "lost" ? "square" : "triangle";
    note.frequency.value = hz;
    gain.gain.value = 0.5;
    note.connect(gain).connect(sound.destination);
    note.start(sound.currentTime + 0.25 * k);
    note.stop(sound.currentTime + 0.25 * k + 0.22);
  });
}

async function notify(what, words, reason) {
  if (!sound || window.Notification?.permission !== "granted") return;
  const worker = await navigator.serviceWorker.ready;
  if (what) return worker.showNotification(words, { body: reason, tag: "ring", renotify: true, requireInteraction: true });
  for (const shown of await worker.getNotifications({ tag: "ring" })) shown.close();
}

function order(type) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type }));
}

// Replaces the line of the last feed and the tiles, also with what other devices noted.
async function refresh() {
  const answer = await fetch(`/night?infant=${home.dataset.infant}`, { redirect: "manual" }).catch(() => null);
  if (answer?.type === "opaqueredirect") over = LOGGED_OUT;
  if (!answer?.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  tiles.replaceChildren(...page.getElementById("tiles").childNodes);
  paint();
}

async function stayAwake() {
  if (sound && !document.hidden) await navigator.wakeLock?.request("screen").catch(() => undefined);
}

begin.addEventListener("click", () => { // sound, notifications and the wake lock need a tap
  begin.hidden = true;
  sound = new AudioContext();
  tone("crying");
  navigator.vibrate?.(200);
  window.Notification?.requestPermission?.();
  stayAwake();
});
coming.addEventListener("click", () => {
  muted = true;
  state.rings = false;
  order("coming");
  paint();
});
tiles.addEventListener("click", ({ target }) => {
  if (target.id === "hush") order(target.ariaPressed === "true" ? "ring" : "hush");
});
tiles.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = new URLSearchParams(new FormData(tiles, event.submitter));
  const answer = await fetch("/say", { method: "POST", body, redirect: "manual" }).catch(() => null);
  if (answer?.type === "opaqueredirect") refresh();
  else document.getElementById("last").textContent = "Not saved. Try again.";
});
for (const wish of [delay, again]) {
  wish.value = localStorage.getItem(wish.id) ?? wish.value;
  wish.addEventListener("change", () => {
    localStorage.setItem(wish.id, wish.value);
    socket.close();
  });
}
document.addEventListener("visibilitychange", stayAwake);
navigator.serviceWorker?.register("/static/worker.js", { scope: "/" });
setInterval(paint, PAINT_MS);
setInterval(refresh, REFRESH_MS);
connect();
