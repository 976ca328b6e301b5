// The application's live page: a WebSocket in place of a notebook's kernel, and alarms.
import widget from "/static/live.js";

const AGAIN_MS = 2000; // between attempts to connect
const WHY = {
  4401: "You are logged out, so nothing is listening.",
  4409: "This page was closed, because too many are open. It was not listening. Open it again.",
  1008: "This page sent too much, so it has stopped. Open it again.",
};
const home = document.getElementById("live");
const lines = `/lines?infant=${home.dataset.infant}`;
const lost = document.getElementById("lost");
const title = document.title;

// What live.js needs of an anywidget's model, over a WebSocket.
const link = {
  handlers: [],
  startsAtOnce: sessionStorage.getItem("listens") === home.dataset.infant,
  get(name) { return name === "_about" ? this.about : undefined; },
  on(_event, handler) { this.handlers.push(handler); },
  tell(message) { for (const handler of this.handlers) handler(message); },
  send(content, _callbacks, buffers) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const text = JSON.stringify(content);
    if (!buffers?.length) return this.socket.send(text);
    const head = new TextEncoder().encode(text);
    const size = new Uint8Array(new Uint32Array([head.length]).buffer);
    this.socket.send(new Blob([size, head, buffers[0]]));
  },
  connect() {
    const { protocol, host } = location;
    this.socket = new WebSocket(`${protocol.replace("http", "ws")}//${host}/listen?infant=${home.dataset.infant}`);
    this.socket.addEventListener("message", ({ data }) => this.hear(JSON.parse(data)));
    this.socket.addEventListener("close", ({ code }) => this.end(code));
  },
  hear(message) {
    if (message.type === "refused") return over(message.why);
    if (message.others) tell(message);
    if (message.type !== "about") return this.tell(message);
    lost.hidden = true;
    if (this.about) return this.tell({ type: "reopened" });
    this.about = message.about;
    home.replaceChildren();
    widget().render({ model: this, el: home });
    home.querySelector("details")?.append(...document.querySelectorAll(".figure")); // scores, where reasons are
  },
  async end(code) {
    if (!lost.dataset.over && WHY[code]) over(WHY[code]);
    if (lost.dataset.over) return;
    say("Not connected, so nothing is listening. Trying again …");
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    const answer = await fetch(lines, { redirect: "manual" }).catch(() => null);
    if (answer?.type === "opaqueredirect") over(WHY[4401]);
    else this.connect();
  },
  onPhase(phase, choice) {
    if (phase === "on" && !choice.file) sessionStorage.setItem("listens", home.dataset.infant);
    else sessionStorage.removeItem("listens");
    if (phase === "on") window.Notification?.requestPermission?.();
    heard = phase === "on" && !choice.file ? "quiet" : "off";
    document.title = title;
  },
  onEnded() {
    if (heard === "cry") heard = "quiet";
    refresh();
  },
  onPaint({ on, word, cries, deaf }) {
    const now = !on || heard === "off" ? "off" : deaf ? "deaf" : cries ? "cry" : "quiet";
    if (now !== "off") document.title = `${deaf ? "Not listening" : word} · ${title}`;
    if (now === heard || (now === "quiet" && heard === "cry")) return;
    if (now === "deaf") alarm(220, "Not listening", "The page can't hear the baby.");
    if (now === "cry") alarm(660, "The baby is crying", word);
    heard = now;
  },
};
let heard = "off";

function tell({ others, coming }) {
  const also = others.length ? `Listening on other devices as well: ${[...new Set(others)].join(" and ")}.` : "";
  const words = [coming && `${coming} is coming.`, also].filter(Boolean).join(" ");
  const line = document.getElementById("others");
  if (line.textContent !== words) line.textContent = words; // else it would be read out again
}

function say(words) {
  lost.firstChild.textContent = words;
  lost.hidden = false;
}

// The page is of no use any more: says why, and stops microphone and camera.
function over(words) {
  if (heard !== "off") alarm(220, "Not listening", words);
  lost.dataset.over = "true";
  say(words);
  if (!link.about) home.replaceChildren();
  link.tell({ type: "over" });
  sessionStorage.removeItem("listens");
  link.socket?.close();
}

function alarm(hz, head, body) {
  if (!document.getElementById("tone").checked) return;
  const context = new AudioContext();
  const [tone, gain] = [context.createOscillator(), context.createGain()];
  tone.frequency.value = hz;
  gain.gain.value = 0.2;
  tone.connect(gain).connect(context.destination);
  tone.start();
  tone.stop(context.currentTime + 0.4);
  tone.onended = () => context.close();
  if (window.Notification?.permission === "granted") {
    try {
      new Notification(head, { body, tag: "cry" });
    } catch { /* Android allows it to service workers alone. */ }
  }
}

// Replaces the lines of the diary, whose forms are sent without leaving the page.
async function refresh(answer = fetch(lines)) {
  const page = new DOMParser().parseFromString(await (await answer).text(), "text/html");
  const newest = page.getElementById("lines") ?? page.querySelector("main");
  if (newest) document.getElementById("lines").replaceChildren(...newest.childNodes);
}

document.getElementById("lines").addEventListener("submit", (event) => {
  event.preventDefault();
  const body = new URLSearchParams(new FormData(event.target, event.submitter));
  body.set("back", lines);
  refresh(fetch(event.target.action, { method: "POST", body })).catch(() => say("Not saved: no connection."));
});
document.querySelector("header").addEventListener("click", (event) => {
  const leaves = event.target.closest("li a");
  if (leaves && heard !== "off" && !confirm("Listening stops while another page is shown.")) event.preventDefault();
});
link.connect();
