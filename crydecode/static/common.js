// What pages that listen or watch share: the connection, the tones of an alarm, and forms.

const AGAIN_MS = 2000; // between attempts to connect
const TONES = { crying: [660, 880], lost: [330, 220, 330, 220] }; // Hz
const ENDS = { 4401: "You are logged out.", 4409: "This page was closed, because too many are open." };

// Connects a page's WebSocket, and again after each loss, until `link.over` says why not. `lose` is
// called with the reason for the end, if there is one.
export function connect(link) {
  link.socket = new WebSocket(location.origin.replace("http", "ws") + link.address());
  link.socket.onmessage = ({ data }) => link.hear(JSON.parse(data));
  link.socket.onclose = async ({ code }) => {
    if (!link.over) link.lose(ENDS[code]);
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    const answer = await fetch(location, { redirect: "manual" }).catch(() => null);
    if (!link.over && answer?.type === "opaqueredirect") link.lose(ENDS[4401]);
    if (!link.over) connect(link);
  };
}

export function play(sound, what) {
  if (sound.state !== "running") sound.resume();
  TONES[what].forEach((hz, k) => {
    const [note, gain] = [sound.createOscillator(), sound.createGain()];
    note.type = what === "lost" ? "square" : "triangle";
    note.frequency.value = hz;
    gain.gain.value = 0.5;
    note.connect(gain).connect(sound.destination);
    note.start(sound.currentTime + 0.25 * k);
    note.stop(sound.currentTime + 0.25 * k + 0.22);
  });
}

// Sends a form without leaving the page. Returns what it noted, or "" if it was not saved.
export async function note(event) {
  event.preventDefault();
  const body = new URLSearchParams(new FormData(event.target, event.submitter));
  const answer = await fetch("/say", { method: "POST", body, redirect: "manual" }).catch(() => null);
  return answer?.type === "opaqueredirect" ? body.get("what").split("-")[0] : "";
}
