// Listens and looks, sends what it hears and sees to Python (live.py), and draws what comes back.
// One capture a widget, however many views of it a page shows.

const BLOCK_S = 0.25; // sound of one message
const FRAME_MS = 250;
const FRAME_WIDTH = 320; // px
const JPEG_QUALITY = 0.8;
const UNANSWERED = 8; // messages under way, beyond which sound waits; a picture waits for none
const HELD_S = 5; // of sound that waits for Python; what is older is a gap
const QUIET_MS = 1500; // without sound from the microphone, or pictures from the camera
const WORDLESS_MS = 3000; // without an answer from Python
const WATCH_MS = 250;
const LOOK_MS = 2000; // between questions after the end, whether the log has been written
const SPAN_S = 120; // of the timeline
const TIMELINE = 46; // px

// Runs beside the page, so that a busy page loses no sound: one channel, blocks of equal size.
const TAP = `
registerProcessor("tap", class extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.block = new Float32Array(processorOptions.size);
    this.filled = 0;
  }
  process([channels]) {
    for (let i = 0; channels.length && i < channels[0].length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.block[this.filled++] = sum / channels.length;
      if (this.filled === this.block.length) {
        this.port.postMessage({ at: currentTime + i / sampleRate, block: this.block.slice() });
        this.filled = 0;
      }
    }
    return true;
  }
});`;

const WORDS = {
  NotAllowedError: "The browser may not use the WHAT. Allow it in the address bar and press Start again, or choose a file.",
  NotFoundError: "No WHAT was found. Plug one in and press Start again, or choose a file.",
  NotReadableError: "The WHAT is in use elsewhere. Close the other program and press Start again, or choose a file.",
  InsecureContext: "Browsers open the WHAT only on this computer or over HTTPS. Open this page at an https address.",
};
const wordsFor = (error, what) => (WORDS[error.name] ?? `The WHAT can't be used (${error.message}).`).replaceAll("WHAT", what);

// ---------------------------------------------------------------- capture

function makeCapture(model) {
  const { camera } = model.get("_about"); // whether the models look at pictures
  const painters = new Set();
  const state = {
    phase: "off", // off, starting, on
    notice: "", // what went wrong at the start, or is missing
    silence: "", // why nothing is heard or seen at this moment; "" while all is well
    level: 0,
    readings: [],
    readAt: 0,
    stream: null,
    preview: null, // the element whose picture is taken
    missing: "", // which of sound and picture, where the other goes on
    dozes: !navigator.wakeLock, // whether the device may turn its screen off, and stop listening
  };
  let context, node, source, wakeLock, frameTimer, watchTimer, fileUrl;
  let attempt = 0; // a start that was overtaken by another must not go on
  let next = 0;
  let waiting = []; // sound not yet sent
  const unanswered = new Map();
  let heardAt, seenAt, watchedAt, askedAt, gapOpen, wordless;
  const canvas = document.createElement("canvas");

  const paint = () => painters.forEach((painter) => painter());
  const tracks = () => state.stream?.getTracks() ?? [];
  const wants = (kind) =>
    state.stream ? tracks().some((track) => track.kind === kind) : kind === "audio" || (camera && state.preview?.videoWidth > 0);
  // A track that is muted or has ended goes on giving zeros and a still picture.
  const alive = (kind) =>
    !state.stream || tracks().some((track) => track.kind === kind && track.readyState === "live" && !track.muted);

  function send(content, buffer) {
    const number = next++;
    unanswered.set(number, performance.now());
    model.send({ ...content, number }, undefined, buffer ? [buffer] : []);
  }

  function flush() {
    while (waiting.length && unanswered.size < UNANSWERED) {
      const { at, block } = waiting.shift();
      send({ type: "sound", at, sr: context.sampleRate }, block.buffer);
    }
  }

  // What isn't heard is written down as a gap, never as silence.
  function openGap(reason) {
    state.silence = reason;
    if (gapOpen) return;
    gapOpen = true;
    waiting = [];
    send({ type: "gap", at: context?.currentTime ?? 0, reason });
  }

  function onBlock({ at, block }) {
    if (document.hidden || state.phase !== "on" || !alive("audio")) return;
    heardAt = performance.now();
    state.level = Math.sqrt(block.reduce((sum, value) => sum + value * value, 0) / block.length);
    if (gapOpen) return; // `watch` ends it
    waiting.push({ at, block });
    if (waiting.length * BLOCK_S > HELD_S) waiting.shift();
    flush();
  }

  function takeFrame() {
    const video = state.preview;
    if (!camera || !video?.videoWidth || document.hidden || video.paused || !alive("video")) return;
    seenAt = performance.now();
    if (gapOpen || unanswered.size >= UNANSWERED / 2) return; // the next will do
    canvas.width = Math.min(FRAME_WIDTH, video.videoWidth);
    canvas.height = Math.round((canvas.width * video.videoHeight) / video.videoWidth);
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const at = context.currentTime;
    canvas.toBlob(async (blob) => {
      const bytes = await blob?.arrayBuffer();
      if (bytes && state.phase === "on") send({ type: "frame", at }, bytes);
    }, "image/jpeg", JPEG_QUALITY);
  }

  // Says within two seconds that nothing is heard, whatever took the sound away.
  function watch() {
    if (state.phase !== "on") return;
    const now = performance.now();
    const asleep = Date.now() - watchedAt > 4 * WATCH_MS + QUIET_MS; // the other clock sleeps as well
    watchedAt = Date.now();
    const deaf = wants("audio") && now - heardAt > QUIET_MS;
    const blind = wants("video") && now - seenAt > QUIET_MS;
    wordless ||= now - Math.min(...unanswered.values()) > WORDLESS_MS;
    if (wordless && now - askedAt > WORDLESS_MS) {
      // What was under way may be lost with the connection: ask again.
      unanswered.clear();
      gapOpen = false;
      askedAt = now;
    }
    if (document.hidden) openGap("this page is hidden");
    else if (asleep) openGap("this device was asleep");
    else if (wordless) openGap("the server doesn't answer");
    else if (context.state !== "running") {
      context.resume().catch(() => {});
      openGap("the browser has stopped the sound");
    }
    else if ((deaf || !wants("audio")) && (blind || !wants("video"))) openGap("neither sound nor picture arrives");
    else {
      gapOpen = false;
      state.silence = "";
      state.missing = deaf ? "sound" : blind ? "picture" : "";
    }
    state.dozes = !wakeLock || wakeLock.released;
    if (state.preview?.ended) stop("The file has ended.");
    paint();
  }

  async function stayAwake() {
    // Not every browser has it, a hidden page may not ask, and a low battery refuses it.
    wakeLock = await navigator.wakeLock?.request("screen").catch(() => undefined);
    if (state.phase !== "on") wakeLock?.release();
  }

  async function ask(choice) {
    if (!navigator.mediaDevices) throw new DOMException("", "InsecureContext");
    // What browsers do to make speech clear takes cries for noise.
    const audio = choice.sound && { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const video = choice.picture && { width: { ideal: 640 } };
    const parts = [[audio && { audio }, "microphone"], [video && { video }, "camera"]].filter(([part]) => part);
    if (!parts.length) throw new Error("neither is chosen");
    try {
      return await navigator.mediaDevices.getUserMedia(Object.assign({}, ...parts.map(([part]) => part)));
    } catch (error) {
      if (parts.length < 2) throw error;
      // One of the two is better than none.
      for (const [part, what] of parts) {
        const other = what === "camera" ? "microphone" : "camera";
        const stream = await navigator.mediaDevices.getUserMedia(part).catch(() => null);
        if (!stream) continue;
        state.notice = wordsFor(error, other).replace(/ Allow.*| Plug.*| Close.*| Choose.*/, ` The ${what} alone is used.`);
        return stream;
      }
      throw error;
    }
  }

  async function start(choice) {
    stop();
    const mine = ++attempt;
    Object.assign(state, { phase: "starting", notice: "", silence: "", missing: "", readings: [] });
    paint();
    let stream = null;
    const film = model.get("film"); // of a demonstration
    const file = choice.file ?? (film.byteLength ? new Blob([film], { type: "video/mp4" }) : null);
    try {
      context = new AudioContext();
      if (!context.audioWorklet) throw new DOMException("", "InsecureContext");
      await context.audioWorklet.addModule(URL.createObjectURL(new Blob([TAP], { type: "text/javascript" })));
      stream = file ? null : await ask(choice);
      if (mine !== attempt) return stream?.getTracks().forEach((track) => track.stop());
      state.stream = stream;
      await connect(file, file !== choice.file);
      if (mine !== attempt) return;
    } catch (error) {
      stream?.getTracks().forEach((track) => track.stop());
      if (mine !== attempt) return;
      const what = file ? "file" : choice.sound && choice.picture ? "microphone and camera" : choice.sound ? "microphone" : "camera";
      stop(wordsFor(error, what));
      return;
    }
    heardAt = seenAt = askedAt = performance.now();
    watchedAt = Date.now();
    gapOpen = wordless = false;
    state.phase = "on";
    model.set("from_file", Boolean(choice.file));
    model.set("listening", true);
    model.save_changes();
    frameTimer = setInterval(takeFrame, FRAME_MS);
    watchTimer = setInterval(watch, WATCH_MS);
    stayAwake();
    paint();
  }

  async function connect(file, again) {
    const video = element("video", { playsinline: "", "aria-label": "What is seen" });
    state.preview = video;
    const size = Math.round(BLOCK_S * context.sampleRate);
    node = new AudioWorkletNode(context, "tap", { numberOfOutputs: 1, processorOptions: { size } });
    node.port.onmessage = ({ data }) => onBlock(data);
    if (file) {
      fileUrl = URL.createObjectURL(file);
      video.src = fileUrl;
      video.loop = again;
      source = context.createMediaElementSource(video);
      source.connect(context.destination); // a file is heard while it is analysed
    } else {
      video.muted = true;
      video.srcObject = state.stream;
      if (state.stream.getAudioTracks().length) source = context.createMediaStreamSource(state.stream);
      for (const track of tracks()) for (const name of ["mute", "unmute", "ended"]) track.addEventListener(name, watch);
      if (!state.stream.getVideoTracks().length) state.preview = null;
    }
    source?.connect(node).connect(context.destination); // the tap itself puts out silence
    await context.resume();
    await video.play();
  }

  function stop(notice = "") {
    attempt++;
    clearInterval(frameTimer);
    clearInterval(watchTimer);
    tracks().forEach((track) => track.stop());
    node?.disconnect();
    source?.disconnect();
    context?.close();
    state.preview?.pause();
    wakeLock?.release();
    if (fileUrl) URL.revokeObjectURL(fileUrl);
    context = node = source = wakeLock = fileUrl = undefined;
    waiting = [];
    unanswered.clear();
    const was = state.phase;
    Object.assign(state, { phase: "off", stream: null, preview: null, level: 0, silence: "", missing: "", notice });
    if (was === "on") {
      model.set("listening", false);
      model.save_changes();
    }
    paint();
  }

  model.on("msg:custom", ({ type, number, readings }) => {
    if (type !== "answer") return;
    wordless = false;
    for (const earlier of unanswered.keys()) if (earlier <= number) unanswered.delete(earlier);
    state.readings.push(...readings);
    if (readings.length) state.readAt = performance.now();
    const last = state.readings.at(-1);
    while (last && state.readings[0].time < last.time - SPAN_S) state.readings.shift();
    if (state.phase === "on") flush();
    if (readings.length) paint();
  });
  model.on("change:notice", paint);
  setInterval(() => {
    if (state.phase === "off" && model.get("waiting")) model.send({ type: "look", number: next++ });
  }, LOOK_MS);
  document.addEventListener("visibilitychange", () => {
    if (state.phase !== "on") return;
    if (document.hidden) watch();
    else stayAwake();
  });
  return { state, painters, start, stop };
}

// ---------------------------------------------------------------- view

function drawTimeline(canvas, readings, about, { style, dark }) {
  const { context, colour } = brush(canvas, style);
  const width = canvas.clientWidth;
  context.fillStyle = colour("track");
  context.fillRect(0, 8, width, 20);
  const end = readings.at(-1)?.time ?? 0;
  const x = (time) => width * (1 - (end - time) / SPAN_S);
  readings.forEach(({ time, verdict }, i) => {
    const state = about.states.indexOf(verdict);
    const left = x(time - about.hop_s);
    if (verdict === about.gap) {
      // Hatched until something is heard again.
      const until = x(i + 1 < readings.length ? readings[i + 1].time - about.hop_s : end);
      context.strokeStyle = colour("faint");
      for (let at = left; at < until; at += 6) context.strokeRect(at, 8, 0, 20);
    } else if (state >= 0 || verdict === about.unsure) {
      context.fillStyle = state >= 0 ? classInk(dark, state) : colour("faint");
      context.fillRect(left, 8, x(time) - left + 0.5, 20);
    }
  });
  context.fillStyle = colour("faint");
  context.fillText(`${SPAN_S / 60} min ago`, 0, 42);
  context.textAlign = "right";
  context.fillText("now", width, 42);
}

function makeView(model, el, capture) {
  const { state } = capture;
  const about = model.get("_about");

  const start = element("button", { type: "button", className: "live-start" });
  const box = (text, checked) => {
    const input = element("input", { type: "checkbox" });
    input.checked = checked;
    return [input, element("label", {}, input, ` ${text}`)];
  };
  const [sound, soundLabel] = box("microphone", true);
  const [picture, pictureLabel] = box("camera", true);
  const file = element("input", { type: "file", accept: "audio/*,video/*", "aria-label": "A file instead" });
  const verdict = element("div", { className: "live-verdict" });
  const awake = element("p", { className: "live-awake" }, "Keep this screen on. If it locks, listening stops.");
  const remark = element("div", { className: "live-remark" });
  const action = element("div");
  const link = ({ text, source, url }) =>
    element("p", {}, text, " ", element("a", { href: url, target: "_blank", rel: "noreferrer noopener" }, source));
  const spoken = element("div", { className: "live-spoken", role: "status", "aria-live": "polite" });
  const notice = element("div", { className: "live-notice", role: "alert" });
  const meter = element("meter", { min: -60, max: 0, low: -50, "aria-label": "Level in dB" });
  const bars = element("div", { className: "live-bars", role: "list", "aria-label": "Probabilities of the states" });
  const preview = element("div", { className: "live-preview" });
  const canvas = element("canvas", { className: "live-timeline", role: "img" });
  canvas.style.height = `${TIMELINE}px`;
  const devices = model.get("film").byteLength || !about.camera ? [] : [soundLabel, pictureLabel];
  const root = element(
    "div",
    { className: "live", role: "group", "aria-label": "Live analysis", "data-lm-suppress-shortcuts": "true" },
    element("h2", { className: "live-spoken" }, "Live analysis"),
    element("div", { className: "live-top" }, start, verdict),
    notice,
    awake,
    element("div", { className: "live-now" },
      element("div", { className: "live-advice" },
        element("div", { className: "live-action" }, remark, action),
        ...(about.actions[about.any] ?? []).map(link)),
      preview),
    element("div", { className: "live-controls" }, ...devices,
      element("label", { className: "live-file" }, "or a file: ", file)),
    element("label", { className: "live-level" }, "level ", meter),
    bars,
    canvas,
    element("p", { className: "live-foot" }, about.source),
    spoken,
  );
  el.append(root);

  function paintBars(reading, dark) {
    bars.replaceChildren(...about.states.map((name, i) => {
      const value = reading?.probabilities[name] ?? 0;
      const bar = element("span", { className: "live-bar" });
      bar.style.width = `${100 * value}%`;
      bar.style.background = classInk(dark, i);
      return element("div", { className: "live-row", role: "listitem" },
        element("span", {}, name), element("span", { className: "live-track" }, bar),
        element("span", { className: "live-value" }, reading && name in reading.probabilities ? `${Math.round(100 * value)} %` : "–"));
    }));
  }

  function paint() {
    const theme = themed(root);
    const on = state.phase === "on";
    const fresh = performance.now() - state.readAt < WORDLESS_MS;
    const reading = on && fresh && !state.silence ? state.readings.at(-1) : undefined;
    start.textContent = state.phase === "off" ? "Start" : state.phase === "starting" ? "Asking the browser …" : "Stop";
    for (const input of [sound, picture, file]) input.disabled = state.phase !== "off";
    const words = [state.notice, model.get("notice")].filter(Boolean).join(" ");
    if (notice.textContent !== words) notice.textContent = words; // else it would be read out again
    const silent = !on || state.silence || reading?.verdict === about.gap;
    const word = silent ? "Not listening" : (reading?.verdict ?? "Listening …");
    if (verdict.textContent !== word) spoken.textContent = verdict.textContent = word;
    root.dataset.listening = !silent;
    awake.hidden = !state.dozes || !matchMedia("(pointer: coarse)").matches;
    const missing = state.missing && `No ${state.missing} arrives.`;
    remark.textContent = on ? (state.silence ? `Nothing is heard: ${state.silence}.` : [reading?.note, missing].filter(Boolean).join(". ")) : "";
    // Only where it changes: a link that is drawn again under a finger isn't followed.
    if (action.dataset.of !== word) action.replaceChildren(...((reading && about.actions[word]) ?? []).map(link));
    action.dataset.of = word;
    meter.value = 20 * Math.log10(Math.max(state.level, 1e-3));
    if (state.preview !== preview.firstChild) preview.replaceChildren(...(state.preview ? [state.preview] : []));
    paintBars(reading, theme.dark);
    const shown = new Set(state.readings.map((each) => each.verdict));
    canvas.setAttribute("aria-label", `The last ${SPAN_S / 60} minutes: ${[...shown].join(", ") || "nothing yet"}`);
    if (root.isConnected) drawTimeline(canvas, state.readings, about, theme);
  }

  const choice = () => ({ sound: sound.checked, picture: about.camera && picture.checked, file: file.files[0] ?? null });
  start.addEventListener("click", () => (state.phase === "off" ? capture.start(choice()) : capture.stop()));
  file.addEventListener("change", () => file.files.length && capture.start(choice()).finally(() => (file.value = "")));
  root.addEventListener("keydown", (event) => event.stopPropagation()); // the notebook's own shortcuts
  capture.painters.add(paint);
  const resized = new ResizeObserver(paint);
  resized.observe(canvas);
  const endTheme = onTheme(paint);
  paint();
  return () => {
    capture.painters.delete(paint);
    resized.disconnect();
    endTheme();
    if (!capture.painters.size) capture.stop();
  };
}

export default () => {
  let capture;
  return {
    render({ model, el }) {
      if (!capture) {
        model.set("listening", false); // what a page that is gone was doing
        model.save_changes();
      }
      capture ??= makeCapture(model);
      return makeView(model, el, capture);
    },
  };
};
