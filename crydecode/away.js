// Pages beside Night: on a phone whose ring is on, an alarm leads back to Night.

const SILENT_MS = 5000; // without a sign of the server
let armed = false; // whether anybody was heard to listen
let silent;

const back = () => location.assign("/night#alarm");

function wait() {
  clearTimeout(silent);
  silent = setTimeout(back, SILENT_MS);
}

function connect() {
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/watch?${sessionStorage.getItem("watched")}`);
  socket.onclose = () => setTimeout(connect, SILENT_MS / 2);
  socket.onmessage = ({ data }) => {
    const states = [JSON.parse(data)].flat();
    if (states.some(({ kind, rings, coming }) => rings || (armed && kind === "lost" && !coming))) back();
    armed ||= states.some(({ kind }) => kind && kind !== "lost");
    wait();
  };
}

if (sessionStorage.getItem("rings")) {
  wait();
  connect();
}
