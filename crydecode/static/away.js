// Pages beside Night: on a phone whose ring is on, an alarm leads back to Night.
import { connect } from "/static/common.js";

const SILENT_MS = 5000; // without a sign of the server
const watched = sessionStorage.getItem("watched");
const infants = new URLSearchParams(watched).getAll("infant");
const armed = new Set(); // the infants to whom anybody was heard to listen
let silent;

const back = () => location.assign(`/night#${[...armed]}`);

function wait() {
  clearTimeout(silent);
  silent = setTimeout(back, SILENT_MS);
}

const link = {
  address: () => `/watch?${watched}`,
  lose: () => {}, // the silence leads back
  hear(states) {
    if (states.why) return; // it was refused
    const calls = ({ kind, rings, coming }, k) => rings || (armed.has(infants[k]) && kind === "lost" && !coming);
    if (states.some(calls)) back();
    states.forEach(({ kind }, k) => kind !== "lost" && armed.add(infants[k]));
    wait();
  },
};

if (sessionStorage.getItem("rings")) {
  wait();
  connect(link);
}
