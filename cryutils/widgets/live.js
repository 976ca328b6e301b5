// Listens and looks, sends what it hears and sees to Python (listener.py), and shows what comes back.
// `model` is an anywidget's in notebooks, and page.js' `Link` in the application: get, send, on.

const BLOCK_S = 0.25; // sound of one message, as 16-bit numbers: 32 kB/s
const RATE_HZ = 16_000; // of a microphone's sound
const FRAME_MS = 250;
const FRAME_SIDE = 320; // px, the longer one
const JPEG_QUALITY = 0.8;
const UNANSWERED = 8; // messages under way, beyond which sound waits; a picture waits for none
const HELD_S = 5; // of sound that waits for Python; what is older is a gap
const QUIET_MS = 1500; // without sound from the microphone
const WORDLESS_MS = 3000; // without an answer from Python
const WATCH_MS = 250;
const QUANTUM = 128; // samples that a browser passes on at once
const SURE_MS = 4000; // between the two taps that stop
const LOOK_MS = 2000; // between questions after the end, whether all is saved
const PIECE_S = 1; // of a file: sound of one message, and from one picture to the next
const PIECE_MS = 100; // between two of these, because the application ends a page that sends more
const LONGEST_S = 600; // of a file, which is read as a whole

// Runs beside the page, so that a busy page loses no sound: one channel, blocks of equal size.
const TAP = `
registerProcessor("tap", class extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.block = new Float32Array(processorOptions.size);
    this.filled = 0;
  }
  process([[sound = new Float32Array(${QUANTUM})]]) { // a film may have none
    this.block.set(sound, this.filled);
    this.filled = (this.filled + sound.length) % this.block.length;
    if (!this.filled) this.port.postMessage({ at: currentTime + sound.length / sampleRate, block: this.block });
    return true;
  }
});`;

// Okabe and Ito's colours for the states, on light and on dark.
const INKS = ["#0072b2, #6cb8e0", "#d55e00, #ff9d57", "#007a5a, #4fd1a8", "#a84f80, #e6a3c7", "#8a6d00, #f0e442", "#3d8fbf, #a9d8f5"];
const WORDS = {
  NotAllowedError: "The browser may not use the WHAT. Allow it in the address bar and press Start listening again, or choose a file.",
  NotFoundError: "No WHAT was found. Plug one in and press Start listening again, or choose a file.",
  NotReadableError: "The WHAT is in use elsewhere. Close the other program and press Start listening again, or choose a file.",
  Untouched: "The browser waits for a touch before it opens the WHAT. Press Start listening.",
  InsecureContext: "Browsers open the WHAT only on this computer or over HTTPS. Open this page at an https address.",
};
const wordsForFile = (error) => error.name === "RangeError" ? `The recording is longer than ${LONGEST_S / 60} minutes. Choose a shorter one.`
  : "This browser can't read the recording. Choose another one.";
const wordsFor = (error, what) => (WORDS[error.name] ?? `The WHAT can't be used (${error.message}).`).replaceAll("WHAT", what);

const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const loudness = (block) => Math.sqrt(block.reduce((sum, value) => sum + value * value, 0) / block.length);
const decibels = (level) => Math.round(20 * Math.log10(Math.max(level, 3e-5)));

// ---------------------------------------------------------------- capture

function makeCapture(model) {
  const { camera, film } = model.get("_about"); // whether the models look at pictures; a demonstration's film
  const painters = new Set();
  const state = {
    phase: "off", // off, starting, on
    notice: "", // what went wrong at the start, or is missing
    silence: "", // why nothing is heard or seen at this moment; "" while all is well
    level: 0,
    reading: null, // the newest, and when it came
    readAt: 0,
    said: "", // by Python
    ended: "", // the one answer to a file
    cried: false, // whether crying was heard since the start
    isFile: false,
    judged: 0, // of a file, in percent
    waiting: 0, // readings that are not saved yet
    stream: null,
    preview: null, // the element whose picture is taken
    dozes: !navigator.wakeLock, // whether the device may turn its screen off, and stop listening
  };
  let context, node, source, wakeLock, frameTimer, watchTimer, fileUrl;
  let attempt = 0; // a start that was overtaken by another must not go on
  let [next, begun] = [0, 0]; // numbers of messages: the next, and the newest start
  let waiting = []; // sound not yet sent
  const unanswered = new Map();
  let heardAt, askedAt, gapOpen, wordless;
  const canvas = document.createElement("canvas");

  const paint = () => painters.forEach((painter) => painter());
  const tracks = () => state.stream?.getTracks() ?? [];
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
      const { at, block, level } = waiting.shift();
      const samples = Int16Array.from(block, (x) => Math.max(-32768, Math.min(32767, Math.round(32768 * x))));
      send({ type: "sound", at, sr: context.sampleRate, level: decibels(level) }, samples.buffer);
    }
  }

  // What isn't heard is written down as a gap, never as silence.
  function openGap(reason) {
    state.silence = reason;
    state.reading = null;
    if (gapOpen) return;
    gapOpen = true;
    waiting = [];
    send({ type: "gap", at: context?.currentTime ?? 0, reason });
  }

  function onBlock({ at, block }) {
    if (document.hidden || state.phase !== "on" || !alive("audio")) return;
    heardAt = performance.now();
    state.level = loudness(block);
    if (gapOpen) return; // `watch` ends it
    waiting.push({ at, block, level: state.level });
    if (waiting.length * BLOCK_S > HELD_S) waiting.shift();
    flush();
  }

  function takeFrame() {
    const video = state.preview;
    if (!video?.videoWidth || document.hidden || video.paused || !alive("video")) return;
    if (!gapOpen && unanswered.size < UNANSWERED / 2) sendFrame(video, context.currentTime); // else the next will do
  }

  async function sendFrame(video, at) {
    if (!camera) return;
    const scale = Math.min(1, FRAME_SIDE / Math.max(video.videoWidth, video.videoHeight));
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight].map((side) => Math.round(scale * side));
    canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", JPEG_QUALITY));
    const bytes = await blob?.arrayBuffer();
    if (bytes && state.phase === "on") send({ type: "frame", at }, bytes);
  }

  function why() {
    const track = state.stream?.getAudioTracks()[0];
    if (!track || track.readyState === "ended") return "the microphone is gone";
    return track.muted ? "the microphone is muted" : "no sound is coming in";
  }

  // Says within two seconds that nothing is heard, whatever took the sound away.
  function watch() {
    if (state.phase !== "on") return;
    const now = performance.now();
    wordless ||= now - Math.min(...unanswered.values()) > WORDLESS_MS;
    if (wordless && !state.isFile && now - askedAt > WORDLESS_MS) { // what was under way may be lost: ask again
      unanswered.clear();
      gapOpen = false;
      askedAt = now;
    }
    if (state.isFile) state.silence = wordless ? "the server doesn't answer" : "";
    else if (document.hidden) openGap("this page is hidden");
    else if (wordless) openGap("the server doesn't answer");
    else if (context.state !== "running") {
      context.resume().catch(() => {});
      openGap("the browser has stopped the sound");
    }
    else if (now - heardAt > QUIET_MS) openGap(why());
    else {
      gapOpen = false;
      state.silence = "";
    }
    state.dozes = !wakeLock || wakeLock.released;
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
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    if (choice.picture) {
      try {
        return await navigator.mediaDevices.getUserMedia({ audio, video: { width: { ideal: 640 } } });
      } catch (error) {
        state.notice = `${wordsFor(error, "camera").split(". ")[0]}. The microphone alone is used.`;
      }
    }
    return navigator.mediaDevices.getUserMedia({ audio });
  }

  async function start(choice) {
    stop();
    const mine = ++attempt;
    const isFile = Boolean(choice.file);
    Object.assign(state, { phase: "starting", notice: "", silence: "", reading: null, ended: "", last: "", cried: false, isFile, judged: 0 });
    paint();
    let stream, sound;
    try {
      await open(isFile || !film ? { sampleRate: RATE_HZ } : {}); // a film is also heard
      stream = isFile || film ? null : await ask(choice);
      if (mine !== attempt) return stream?.getTracks().forEach((track) => track.stop());
      state.stream = stream;
      state.preview = element("video", { playsinline: "", "aria-label": "What is seen" });
      sound = await (isFile ? read(choice.file) : connect(film));
      if (mine !== attempt) return;
    } catch (error) {
      stream?.getTracks().forEach((track) => track.stop());
      if (mine !== attempt) return;
      stop(isFile ? wordsForFile(error) : wordsFor(error, choice.picture ? "microphone and camera" : "microphone"));
      return;
    }
    heardAt = askedAt = performance.now();
    gapOpen = wordless = false;
    state.phase = "on";
    begun = next;
    send({ type: "start", file: isFile });
    model.onPhase?.("on", choice);
    watchTimer = setInterval(watch, WATCH_MS);
    stayAwake();
    paint();
    if (sound) judge(sound, mine).catch((error) => mine === attempt && stop(wordsForFile(error)));
    else frameTimer = setInterval(takeFrame, FRAME_MS);
  }

  // Returns a file's sound, or nothing if it has to be played: not every browser decodes a film's sound at once.
  async function read(file) {
    const video = state.preview;
    video.src = fileUrl = URL.createObjectURL(file);
    await Promise.race([new Promise((done) => (video.onloadedmetadata = video.onerror = done)), wait(WORDLESS_MS)]);
    if (video.duration > LONGEST_S && video.duration < Infinity) throw new RangeError();
    const sound = await file.arrayBuffer().then((bytes) => context.decodeAudioData(bytes)).catch(() => {});
    return sound || video !== state.preview ? sound : connect(fileUrl);
  }

  async function sendPicture(at) {
    const video = state.preview;
    if (!video?.videoWidth) return;
    const sought = new Promise((done) => (video.onseeked = done));
    video.currentTime = at;
    await Promise.race([sought, wait(QUIET_MS)]);
    if (video === state.preview) await sendFrame(video, at);
  }

  // Sends a file as fast as Python answers, each piece with the picture at its end.
  async function judge(sound, mine) {
    const [size, n] = [PIECE_S * sound.sampleRate, sound.numberOfChannels];
    const channels = Array.from({ length: n }, (_, k) => sound.getChannelData(k));
    await sendPicture(0);
    for (let end = size; end < sound.length + size; end += size) {
      const block = channels[0].slice(end - size, end);
      block.forEach((_, k) => (block[k] = channels.reduce((sum, each) => sum + each[end - size + k], 0) / n));
      const at = Math.min(end, sound.length) / sound.sampleRate;
      await Promise.all([wait(PIECE_MS), sendPicture(at)]);
      if (mine !== attempt) return;
      Object.assign(state, { level: loudness(block), judged: Math.round((100 * at) / sound.duration) });
      waiting.push({ at, block, level: state.level });
      flush();
      while (unanswered.size) await wait(PIECE_MS / 5);
    }
    if (mine === attempt) stop();
  }

  async function open(options) {
    context = new AudioContext(options);
    if (!context.audioWorklet) throw new DOMException("", "InsecureContext");
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([TAP], { type: "text/javascript" })));
  }

  async function connect(url) {
    const video = state.preview;
    if (url) {
      video.src = url;
      video.loop = url === film;
      video.onended = () => video === state.preview && stop();
      source = context.createMediaElementSource(video);
      source.connect(context.destination);
    } else {
      video.muted = true;
      video.srcObject = state.stream;
      try {
        source = context.createMediaStreamSource(state.stream);
      } catch { // Firefox can't change a microphone's rate
        context.close();
        await open({});
        source = context.createMediaStreamSource(state.stream);
      }
      for (const track of tracks()) for (const name of ["mute", "unmute", "ended"]) track.addEventListener(name, watch);
      if (!state.stream.getVideoTracks().length) state.preview = null;
    }
    const size = QUANTUM * Math.round((BLOCK_S * context.sampleRate) / QUANTUM);
    node = new AudioWorkletNode(context, "tap", { channelCount: 1, channelCountMode: "explicit", processorOptions: { size } });
    node.port.onmessage = ({ data }) => onBlock(data);
    source.connect(node).connect(context.destination); // the tap itself puts out silence
    // Without a touch, after a reload, some browsers never go on.
    const late = new Promise((_, reject) => setTimeout(reject, WORDLESS_MS, new DOMException("", "Untouched")));
    await Promise.race([late, context.resume().then(() => video.play())]);
  }

  function stop(notice = "") {
    attempt++;
    clearInterval(frameTimer);
    clearInterval(watchTimer);
    tracks().forEach((track) => track.stop());
    context?.close();
    state.preview?.pause();
    wakeLock?.release();
    if (fileUrl) URL.revokeObjectURL(fileUrl);
    context = node = source = wakeLock = fileUrl = undefined;
    waiting = [];
    unanswered.clear();
    const was = state.phase;
    Object.assign(state, { phase: "off", stream: null, preview: null, level: 0, silence: "", notice });
    if (was === "on") {
      send({ type: "stop" });
      model.onPhase?.("off");
    }
    paint();
  }

  model.on("msg:custom", ({ type, number, readings, notice, waiting, ended }) => {
    if (type === "reopened" && state.phase === "on") { // another process may answer now
      if (state.isFile) return stop("The connection was lost. Choose the file again.");
      unanswered.clear();
      gapOpen = false;
      send({ type: "start", file: false });
    }
    if (type === "over") {
      state.over = true;
      stop();
    }
    if (type !== "answer" || number < begun) return;
    wordless = false;
    for (const earlier of unanswered.keys()) if (earlier <= number) unanswered.delete(earlier);
    Object.assign(state, { said: notice, waiting });
    if (readings.length) Object.assign(state, { reading: readings.at(-1), readAt: performance.now() });
    state.cried ||= readings.some(({ cries }) => cries);
    if (ended) state[state.isFile ? "ended" : "last"] = ended;
    if (ended) model.onEnded?.(ended);
    if (state.phase === "on") return flush(); // `watch` paints it, four times a second
    paint();
  });
  setInterval(() => {
    if (state.phase === "off" && state.waiting) model.send({ type: "look", number: next++ });
  }, LOOK_MS);
  document.addEventListener("visibilitychange", () => {
    if (state.phase !== "on") return;
    if (document.hidden) watch();
    else stayAwake();
  });
  return { state, painters, start, stop };
}

// ---------------------------------------------------------------- view

function makeView(model, el, capture) {
  const { state } = capture;
  const about = model.get("_about");
  const isStudy = about.film === ""; // in the application, except its demonstration, reasons are behind a tap
  const link = ({ text, source, url }) =>
    element("li", {}, text, " ", element("a", { href: url, target: "_blank", rel: "noreferrer noopener" }, source));
  const start = element("button", { type: "button", className: "live-start" });
  const camera = element("input", { type: "checkbox" });
  const file = element("input", { type: "file", accept: "audio/*,video/*", "aria-label": "A recording instead" });
  const answer = element("p", { className: "live-answer" });
  const remark = element("p", { className: "live-remark" });
  const notice = element("p", { className: "live-notice", role: "alert" });
  const spoken = element("p", { className: "live-spoken", role: "status" });
  const awake = element("p", { className: "live-awake" }, "Keep this screen on. If it locks, listening stops.");
  const advice = element("ul");
  const preview = element("div", { className: "live-preview" });
  const meter = element("meter", { min: -60, max: 0, low: -50, "aria-label": "Level in dB" });
  const bars = element("div", { className: "live-bars" });
  const named = element("p");
  const study = !isStudy ? [bars] : !Object.keys(about.states).length ? []
    : [element("details", {}, element("summary", {}, "What the models say (a study)"),
      element("p", {}, "This is a guess. Do not act on it."), named, bars, advice)];
  let sureUntil = 0; // a second tap before then stops
  camera.checked = true;
  const root = element(
    "div",
    { className: "live", role: "group", "aria-label": "Live analysis", "data-lm-suppress-shortcuts": "true" },
    answer, remark, notice, start, awake,
    element("label", { className: "live-choice" }, "A recording instead ", file),
    ...(about.camera && !about.film ? [element("label", { className: "live-choice" }, camera, " camera")] : []),
    element("label", { className: "live-level" }, "Loudness ", meter),
    element("div", { className: "live-now" }, preview,
      element("div", {}, ...(isStudy ? [] : [advice]), element("ul", {}, ...(about.advice[about.any] ?? []).map(link)))),
    ...study,
    ...(about.source ? [element("p", { className: "live-foot" }, about.source)] : []), spoken,
  );
  el.append(root);
  new ResizeObserver(() => themed(root)).observe(root); // as soon as it is in the page

  function paintBars(reading) {
    bars.replaceChildren(...Object.entries(about.states).map(([state, name], i) => {
      const value = reading?.probabilities[state];
      const bar = element("span", { className: "live-bar" });
      bar.style.width = `${100 * (value ?? 0)}%`;
      bar.style.background = `light-dark(${INKS[i % INKS.length]})`;
      return element("div", { className: "live-row" }, element("span", {}, name),
        element("span", { className: "live-track" }, bar),
        element("span", { className: "live-value" }, value === undefined ? "–" : `${Math.round(100 * value)} %`));
    }));
  }

  function paint() {
    themed(root);
    const on = state.phase === "on";
    const reading = on && !state.silence && performance.now() - state.readAt < WORDLESS_MS ? state.reading : null;
    const silent = !on || Boolean(state.silence) || (!state.isFile && reading?.verdict === about.gap);
    const isHidden = isStudy && reading?.cries; // the reason
    const word = !on ? (isStudy && state.cried && state.ended ? "Crying was heard" : state.ended || "Not listening")
      : silent ? "Not listening" : state.isFile ? "Judging the recording …"
        : isHidden ? "Crying" : (reading?.words ?? "Listening …");
    start.textContent = { off: "Start listening", starting: state.isFile ? "Reading …" : "Asking the browser …", on: performance.now() < sureUntil ? "Tap again to stop" : "Stop" }[state.phase];
    start.disabled = Boolean(state.over);
    for (const input of [camera, file]) input.disabled = state.over || state.phase !== "off";
    const words = [state.notice, state.said].filter(Boolean).join(" ");
    if (notice.textContent !== words) notice.textContent = words; // else it would be read out again
    if (answer.textContent !== word) spoken.textContent = answer.textContent = word;
    root.dataset.listening = !silent || (!on && Boolean(state.ended));
    root.dataset.sure = (isStudy ? reading?.cries : reading?.share >= 0.6) ? "more" : "less";
    awake.hidden = !on || state.isFile || !state.dozes || !matchMedia("(pointer: coarse)").matches;
    const last = state.last && state.last !== "crying" && !reading?.cries ? `The last cry: ${state.last}.` : "";
    named.textContent = !on ? state.ended : state.isFile ? "" : reading?.cries ? `${reading.words}. ${reading.remark}` : last;
    remark.textContent = !on ? "" : state.silence ? `Nothing is heard: ${state.silence}.` : state.isFile ? state.judged ? `${state.judged} %` : ""
      : [!isHidden && reading?.remark, !isStudy && last].filter(Boolean).join(" ");
    // Only where it changes: a link that is drawn again under a finger isn't followed.
    const of = (!state.isFile && reading?.state) || "";
    if (advice.dataset.of !== of) advice.replaceChildren(...(about.advice[of] ?? []).map(link));
    advice.dataset.of = of;
    meter.value = decibels(state.level);
    root.dataset.phase = state.phase;
    const shown = state.preview?.videoWidth ? state.preview : null;
    if (shown !== preview.firstChild) preview.replaceChildren(...(shown ? [shown] : []));
    paintBars(state.isFile ? null : reading);
    model.onPaint?.({ on, word, cries: Boolean(reading?.cries), deaf: silent });
  }

  const choice = () => ({ picture: about.camera && camera.checked, file: file.files[0] ?? null });
  start.addEventListener("click", () => {
    const sure = state.phase !== "on" || state.isFile || performance.now() < sureUntil;
    sureUntil = sure ? 0 : performance.now() + SURE_MS;
    if (state.phase === "off") capture.start(choice());
    else if (sure) capture.stop(state.isFile ? "You stopped before its end." : "");
    else paint();
  });
  file.addEventListener("change", () => file.files.length && capture.start(choice()).finally(() => (file.value = "")));
  root.addEventListener("keydown", (event) => event.stopPropagation()); // the notebook's own shortcuts
  capture.painters.add(paint);
  const endTheme = onTheme(paint);
  paint();
  if (model.startsAtOnce) capture.start(choice());
  return () => {
    capture.painters.delete(paint);
    endTheme();
    if (!capture.painters.size) capture.stop();
  };
}

export default () => {
  let capture;
  return {
    render({ model, el }) {
      capture ??= makeCapture(model);
      return makeView(model, el, capture);
    },
  };
};
