// The application's live page: a WebSocket in place of a notebook's kernel, and alarms.
import { connect, note, play } from "/static/common.js";
import widget from "/static/live.js";

const home = document.getElementById("live");
const lines = document.getElementById("lines");
const lost = document.getElementById("lost");
const title = document.title;
let heard = "off"; // by the microphone: off, quiet, cry, or deaf, which means nothing
let sound;

// What live.js needs of an anywidget's model, and `connect` of a page.
const link = {
  over: "",
  startsAtOnce: sessionStorage.getItem("listens") === home.dataset.infant,
  get() { return this.about; },
  on(_event, handler) { this.tell = handler; },
  tell() {},
  send(content, _callbacks, buffers = []) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    const text = JSON.stringify(content);
    if (!buffers.length) return this.socket.send(text); // at once, before another page is opened
    const head = new TextEncoder().encode(text);
    this.socket.send(new Blob([new Uint32Array([head.length]), head, ...buffers]));
  },
  address: () => `/listen?infant=${home.dataset.infant}`,
  hear(message) {
    if (message.type === "refused") return this.lose(message.why);
    if (message.others) showOthers(message);
    if (message.type !== "about") return this.tell(message);
    lost.hidden = true;
    if (this.about) return this.tell({ type: "reopened" });
    this.about = message.about;
    home.replaceChildren();
    widget().render({ model: this, el: home });
    home.querySelector("details")?.append(...document.querySelectorAll(".figure")); // scores, where reasons are
  },
  // why: the page is of no use any more, so microphone and camera stop.
  lose(why) {
    say(`This page is not listening. ${why ?? "There is no connection. Trying again …"}`);
    if (!why) return;
    this.over = why;
    if (heard !== "off") alarm("lost");
    if (!this.about) home.replaceChildren();
    this.tell({ type: "over" });
    sessionStorage.removeItem("listens");
    this.socket.close();
  },
  onPhase(phase, choice) {
    const listens = phase === "on" && !choice.file;
    if (listens) sessionStorage.setItem("listens", home.dataset.infant);
    else sessionStorage.removeItem("listens");
    heard = listens ? "quiet" : "off";
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
    if (now === "deaf") alarm("lost");
    if (now === "cry") alarm("crying");
    heard = now;
  },
};

function showOthers({ others, coming }) {
  const also = others.length ? `Listening on other devices as well: ${[...new Set(others)].join(" and ")}.` : "";
  const words = [coming && `${coming} is coming.`, also].filter(Boolean).join(" ");
  const line = document.getElementById("others");
  if (line.textContent !== words) line.textContent = words; // else it would be read out again
}

function say(words) {
  lost.firstChild.textContent = words;
  lost.hidden = false;
}

function alarm(what) {
  if (!document.getElementById("tone").checked) return;
  sound ??= new AudioContext();
  play(sound, what);
}

// Replaces the lines of the diary.
async function refresh() {
  const answer = await fetch(`/lines?infant=${home.dataset.infant}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const newest = page.getElementById("lines");
  if (newest) lines.replaceChildren(...newest.childNodes);
}

lines.addEventListener("submit", async (event) => {
  if (await note(event)) refresh();
  else say("Not saved. Try again.");
});
document.querySelector("header").addEventListener("click", (event) => {
  const leaves = event.target.closest("li a");
  if (leaves && heard !== "off" && !confirm("Listening stops while another page is shown.")) event.preventDefault();
});
connect(link);
