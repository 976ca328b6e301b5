// Draws the cry player and reports what the person does; Python (player.py) keeps the state.
// One engine a widget holds the sound, however many views of it a notebook shows.

const RATES = [0.25, 0.5, 0.75, 1];
const GUTTER = 54; // px left of the plots, for the axis labels
const RIGHT = 10;
const WAVE = 84;
const GAP = 12;
const SPEC = 168;
const TRACK = 58; // of each model's answers over time
const AXIS = 36;
const TOP = 6;
const REPORT_MS = 200; // how often the cursor's place goes to Python while playing
const SEEK_S = 0.1;
// Each map's lightness only rises or only falls, so it reads without colour vision.
const INK = ["#cde2ed", "#7db4d0", "#387aa6", "#1b4676", "#0c203e"];
const GLOW = ["#17324a", "#215f80", "#3f97a6", "#8fcfb4", "#f6f4c9"];
// For each class, so that lines also differ without colour.
const DASHES = [[], [7, 3], [2, 2], [7, 2, 2, 2], [12, 3], [4, 4]];
const ICONS = {
  play: "M8 5v14l11-7z",
  pause: "M7 5h4v14H7zM13 5h4v14h-4z",
  previous: "M6 5h2v14H6zM20 5v14L9 12z",
  next: "M16 5h2v14h-2zM4 5v14l11-7z",
  loop: "M7 7h10v3l4-4-4-4v3H5v6h2zM17 17H7v-3l-4 4 4 4v-3h12v-6h-2z",
};

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const toMs = (value) => Math.round(1000 * value) / 1000;
const seconds = (value) => value.toFixed(2);
const floats = (view) => new Float32Array(bytes(view).slice().buffer);
const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

function drawing(width, height, path) {
  const box = element("div");
  box.innerHTML = `<svg viewBox="0 0 ${width} ${height}" aria-hidden="true"><path ${path}/></svg>`;
  return box.firstChild;
}
const icon = (name) => drawing(24, 24, `d="${ICONS[name]}"`);

// ---------------------------------------------------------------- sound

function makeEngine(model) {
  const audio = new Audio();
  audio.preload = "auto";
  const painters = new Set();
  let url = "";
  let frame = 0;
  let reported = 0;
  let reporting = false;

  const duration = () => model.get("_clip").duration_s;
  const position = () => Math.min(audio.currentTime, duration());
  const region = () => {
    const part = model.get("selection");
    return part.length === 2 ? part : [0, duration()];
  };
  const tell = (changes) => {
    for (const [name, value] of Object.entries(changes)) model.set(name, value);
    model.save_changes();
  };
  // What the engine itself found must not come back to it as a wish to seek or to stop.
  const report = (changes) => {
    reporting = true;
    tell(changes);
    reporting = false;
  };
  const paint = () => painters.forEach((painter) => painter(position()));

  function load() {
    audio.pause();
    const old = url;
    url = URL.createObjectURL(new Blob([model.get("_clip").wav], { type: "audio/wav" }));
    audio.src = url;
    audio.playbackRate = model.get("rate");
    if (old) URL.revokeObjectURL(old);
    paint();
  }

  function seek(value) {
    const place = clamp(toMs(value), 0, duration());
    audio.currentTime = place;
    reported = performance.now();
    report({ position_s: place });
    paint();
  }

  function follow() {
    cancelAnimationFrame(frame);
    if (!model.get("playing")) return;
    const [start, stop] = region();
    if (audio.currentTime >= stop || audio.ended) {
      if (!model.get("loop")) {
        audio.pause();
        audio.currentTime = stop;
        report({ playing: false, position_s: stop });
        paint();
        return;
      }
      audio.currentTime = start;
      if (audio.paused) audio.play();
    }
    if (performance.now() - reported > REPORT_MS) {
      reported = performance.now();
      report({ position_s: position() });
    }
    paint();
    frame = requestAnimationFrame(follow);
  }

  async function start() {
    const [first, last] = region();
    // A hundredth of a second before the end nothing is left to hear: begin again.
    if (audio.currentTime < first - 0.01 || audio.currentTime > last - 0.01) {
      audio.currentTime = first;
    }
    audio.preservesPitch = true;
    audio.playbackRate = model.get("rate");
    try {
      await audio.play();
      follow();
    } catch (error) {
      if (error.name === "AbortError") return; // another clip was chosen meanwhile
      const text =
        error.name === "NotAllowedError"
          ? "The browser wants a click before it plays: press Play."
          : `The browser can't play this clip (${error.message}).`;
      report({ playing: false, notice: text });
    }
  }

  function stop() {
    cancelAnimationFrame(frame);
    audio.pause();
    if (!reporting) report({ position_s: position() });
    paint();
  }

  model.on("change:_clip", load);
  model.on("change:playing", () => (model.get("playing") ? start() : stop()));
  model.on("change:rate", () => (audio.playbackRate = model.get("rate")));
  model.on("change:selection", paint);
  model.on("change:position_s", () => {
    if (reporting) return;
    audio.currentTime = model.get("position_s");
    paint();
  });
  // A hidden tab gets no animation frames but still these.
  audio.addEventListener("timeupdate", follow);
  audio.addEventListener("ended", follow);
  load();
  audio.currentTime = model.get("position_s");
  return { painters, position, seek, tell };
}

// ---------------------------------------------------------------- drawing

function colourTable(paper, stops) {
  const context = element("canvas", { width: 256, height: 1 }).getContext("2d");
  const gradient = context.createLinearGradient(0, 0, 256, 0);
  [paper, ...stops].forEach((colour, i) => gradient.addColorStop(i / stops.length, colour));
  context.fillStyle = gradient;
  context.fillRect(0, 0, 256, 1);
  return context.getImageData(0, 0, 256, 1).data;
}

function spectrogramImage(clip, table) {
  const canvas = element("canvas", { width: clip.columns, height: clip.rows });
  const context = canvas.getContext("2d");
  const image = context.createImageData(clip.columns, clip.rows);
  const grey = bytes(clip.spectrogram);
  for (let row = 0; row < clip.rows; row++) {
    const line = (clip.rows - 1 - row) * clip.columns; // low frequencies at the bottom
    for (let column = 0; column < clip.columns; column++) {
      const at = 4 * (row * clip.columns + column);
      const from = 4 * grey[line + column];
      for (let c = 0; c < 3; c++) image.data[at + c] = table[from + c];
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function tickStep(span, most) {
  const steps = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600];
  return steps.find((step) => span / step <= most) ?? 600;
}

// Text that reads upwards, its middle at (x, y).
function writeUp(context, text, x, y, most) {
  context.save();
  context.textAlign = "center";
  context.translate(x, y);
  context.rotate(-Math.PI / 2);
  context.fillText(text, 0, 0, most);
  context.restore();
}

const tracksHeight = (about) => about.tracks.length * (GAP + TRACK);

// What one model says, a step a moment; a moment without an answer is a gap.
function drawTrack(context, rows, { top, plot, duration, step, dark }) {
  const x = (s) => GUTTER + (plot * Math.min(s, duration)) / duration;
  const y = (value) => top + TRACK - 3 - value * (TRACK - 6);
  const classes = rows.find((row) => row)?.length ?? 0;
  for (let c = 0; c < classes; c++) {
    context.strokeStyle = classInk(dark, c);
    context.lineWidth = 1.8;
    context.setLineDash(DASHES[c % DASHES.length]);
    context.beginPath();
    rows.forEach((row, k) => {
      if (!row || k * step >= duration) return;
      if (k && rows[k - 1]) context.lineTo(x(k * step), y(row[c]));
      else context.moveTo(x(k * step), y(row[c]));
      context.lineTo(x((k + 1) * step), y(row[c]));
    });
    context.stroke();
  }
  context.setLineDash([]);
  context.lineWidth = 1;
}

function drawPlots(canvas, clip, about, { style, dark }) {
  const { context, colour } = brush(canvas, style);
  const plot = canvas.clientWidth - GUTTER - RIGHT;
  if (plot < 20) return;
  context.textBaseline = "middle";

  const middle = TOP + WAVE / 2;
  context.fillStyle = colour("plot");
  context.fillRect(GUTTER, TOP, plot, WAVE);
  const bounds = floats(clip.envelope);
  const columns = bounds.length / 2;
  const peak = Math.max(bounds.reduce((most, v) => Math.max(most, Math.abs(v)), 0), 1e-6);
  const scale = (WAVE / 2 - 4) / peak;
  context.fillStyle = colour("line");
  context.fillRect(GUTTER, middle, plot, 1);
  context.fillStyle = colour("wave");
  context.beginPath();
  const lineTo = (i, y) => context.lineTo(GUTTER + (plot * (i + 0.5)) / columns, y);
  for (let i = 0; i < columns; i++) lineTo(i, middle - bounds[2 * i + 1] * scale - 0.5);
  for (let i = columns - 1; i >= 0; i--) lineTo(i, middle - bounds[2 * i] * scale + 0.5);
  context.fill();

  const top = TOP + WAVE + GAP;
  const image = spectrogramImage(clip, colourTable(colour("plot"), dark ? GLOW : INK));
  context.imageSmoothingQuality = "high";
  context.drawImage(image, GUTTER, top, plot, SPEC);
  context.strokeStyle = colour("line");
  context.strokeRect(GUTTER - 0.5, TOP - 0.5, plot + 1, WAVE + 1);
  context.strokeRect(GUTTER - 0.5, top - 0.5, plot + 1, SPEC + 1);

  clip.tracks.forEach((rows, t) => {
    const at = top + SPEC + GAP + t * (GAP + TRACK);
    context.fillStyle = colour("plot");
    context.fillRect(GUTTER, at, plot, TRACK);
    drawTrack(context, rows, { top: at, plot, duration: clip.duration_s, step: about.step_s, dark });
    context.strokeStyle = colour("line");
    context.strokeRect(GUTTER - 0.5, at - 0.5, plot + 1, TRACK + 1);
    context.fillStyle = colour("ink");
    context.textAlign = "right";
    context.fillText("1", GUTTER - 7, at + 5);
    context.fillText("0", GUTTER - 7, at + TRACK - 4);
    writeUp(context, about.tracks[t], 26, at + TRACK / 2, TRACK + GAP);
  });
  const bottom = top + SPEC + tracksHeight(about);

  context.fillStyle = colour("ink");
  context.textAlign = "right";
  for (const value of [peak, 0, -peak]) {
    const text = value === 0 ? "0" : value.toFixed(peak < 0.1 ? 2 : 1).replace("-", "−");
    context.fillText(text, GUTTER - 7, middle - value * scale + (value > 0 ? 3 : value < 0 ? -3 : 0));
  }
  const khz = clip.top_hz / 1000;
  const frequencyStep = tickStep(khz, 5);
  for (let value = 0; value <= khz + 1e-6; value += frequencyStep) {
    const y = top + SPEC * (1 - value / khz);
    context.fillRect(GUTTER - 4, y - 0.5, 3, 1);
    context.fillText(String(+value.toFixed(2)), GUTTER - 7, clamp(y, top + 4, top + SPEC - 4));
  }
  context.textAlign = "center";
  const timeStep = tickStep(clip.duration_s, Math.max(plot / 64, 2));
  for (let value = 0; value <= clip.duration_s + 1e-6; value += timeStep) {
    const x = GUTTER + (plot * value) / clip.duration_s;
    context.fillRect(x - 0.5, bottom + 1, 1, 3);
    context.fillText(String(+value.toFixed(2)), x, bottom + 12);
  }
  context.fillStyle = colour("faint");
  context.fillText("time in s", GUTTER + plot / 2, bottom + 27);
  writeUp(context, "amplitude", 9, middle);
  writeUp(context, "frequency in kHz", 9, top + SPEC / 2);
  if (clip.tracks.length) writeUp(context, "probability", 9, (top + SPEC + GAP + bottom) / 2);
}

// ---------------------------------------------------------------- view

function makeView(model, el, engine) {
  const get = (name) => model.get(name);
  const clip = () => get("_clip");
  const about = get("_about");

  const button = (name, text, title) =>
    element("button", { type: "button", className: `cry-${name}`, title, "aria-label": text }, icon(name));
  const play = button("play", "Play", "Play or pause (Space)");
  const previous = button("previous", "Previous clip", "Previous clip (P)");
  const next = button("next", "Next clip", "Next clip (N)");
  const loop = button("loop", "Loop", "Loop (L)");
  const clear = element("button", { type: "button", className: "cry-clear", title: "Clear the selection (Esc)" });
  const choice = (name, properties, options) =>
    element("select", { className: `cry-${name}`, ...properties },
      ...options.map(([value, text]) => element("option", { value }, text)));
  const total = about.counts.reduce((sum, [, count]) => sum + count, 0);
  const counted = (all, counts) =>
    [["", total], ...counts].map(([value, count]) => [value, `${value || all} (${count})`]);
  const classes = choice("class", { "aria-label": "Class" }, counted("all classes", about.counts));
  const infants = choice("infant", { "aria-label": "Infant" }, counted("all infants", about.infants));
  const rate = choice("rate", { "aria-label": "Speed", title: "Speed, at the same pitch" },
    RATES.map((value) => [value, `${value}×`]));

  const label = element("span", { className: "cry-label" });
  const name = element("span", { className: "cry-name" });
  const number = element("span", { className: "cry-number" });
  const time = element("span", { className: "cry-time" });
  const bars = element("div", { className: "cry-bars", role: "list", "aria-label": "Probabilities of the classes" });
  const notice = element("div", { className: "cry-notice", role: "alert" });
  const spoken = element("div", { className: "cry-spoken", role: "status", "aria-live": "polite" });
  const video = element("video", { className: "cry-video", playsinline: "", "aria-label": "Video of the clip" });
  video.muted = true; // the sound comes from the engine, once, however many views there are
  const videoNote = element("div", { className: "cry-video-note" });
  const now = element("span", { className: "cry-now" });
  const legend = element("div", { className: "cry-legend" });
  const canvas = element("canvas", { "aria-hidden": "true" });
  const part = element("div", { className: "cry-part" });
  const cursor = element("div", { className: "cry-cursor" });
  const overlay = element("div", { className: "cry-overlay" }, part, cursor);
  const slider = { tabindex: 0, role: "slider", "aria-label": "Position in the clip", "aria-valuemin": 0 };
  const graph = element("div", { className: "cry-graph", ...slider }, canvas, overlay);
  graph.style.height = `${TOP + WAVE + GAP + SPEC + tracksHeight(about) + AXIS}px`;
  Object.assign(overlay.style, { left: `${GUTTER}px`, right: `${RIGHT}px`, top: `${TOP}px`, bottom: `${AXIS}px` });

  const keys = element("details", { className: "cry-keys" }, element("summary", {}, "Keys"),
    "Space plays and pauses · ← → Home and End move the cursor · drag selects · " +
      "Esc clears the selection · L loops · N and P step through the clips");
  const root = element(
    "div",
    // JupyterLab's own shortcuts (L, N, P, Space, arrows) must not see the player's keys.
    { className: "cry-player", role: "group", "aria-label": `Cry player ${about.title}`, "data-lm-suppress-shortcuts": "true" },
    element("div", { className: "cry-head" },
      ...(about.title ? [element("strong", { className: "cry-title" }, about.title)] : []),
      element("span", { className: "cry-step" }, ...(about.infants.length ? [infants] : []), classes, previous, number, next)),
    element("div", { className: "cry-about" }, label, name),
    video, videoNote, graph, legend,
    element("div", { className: "cry-transport" }, play, loop, rate, time, clear),
    bars, notice,
    element("div", { className: "cry-foot" }, element("span", { className: "cry-data" }, `Source: ${about.data}`), keys),
    spoken,
  );
  el.append(root);

  // ---- from the state to the page
  const fraction = (value) => `${(100 * value) / clip().duration_s}%`;

  // What each model says where the cursor stands.
  function answers(position) {
    return clip().tracks.map((rows, t) => {
      const row = rows[Math.min(Math.floor(position / about.step_s + 1e-6), rows.length - 1)];
      if (!row) return `${about.tracks[t]}: no answer`;
      const best = row.indexOf(Math.max(...row));
      return `${about.tracks[t]}: ${about.classes[best]} ${Math.round(100 * row[best])} %`;
    });
  }

  function paintCursor(position) {
    cursor.style.left = fraction(position);
    const text = `${seconds(position)} of ${seconds(clip().duration_s)} s`;
    time.textContent = text;
    now.textContent = answers(position).join(" · ");
    graph.setAttribute("aria-valuenow", seconds(position));
    graph.setAttribute("aria-valuetext", [text, ...answers(position)].join("; "));
    follow(position);
  }

  // The picture follows the sound: it is moved where it has drifted from it.
  function follow(position) {
    if (video.hidden) return;
    const playing = get("playing");
    if (Math.abs(video.currentTime - position) > (playing ? 0.12 : 0.01)) video.currentTime = position;
    video.playbackRate = get("rate");
    if (playing && video.paused) video.play().catch(() => {}); // paused again before it began
    if (!playing && !video.paused) video.pause();
  }

  let videoUrl = "";
  function paintVideo() {
    const { video: data, video_type: type, video_note: note } = clip();
    if (videoUrl) URL.revokeObjectURL(videoUrl);
    videoUrl = data.byteLength ? URL.createObjectURL(new Blob([data], { type })) : "";
    video.hidden = !videoUrl;
    videoNote.textContent = note;
    if (videoUrl) video.src = videoUrl;
    else video.removeAttribute("src");
  }
  video.addEventListener("error", () => {
    if (video.hidden || !video.src) return;
    video.hidden = true;
    videoNote.textContent = "This browser can't show the video: sound only.";
  });
  video.addEventListener("loadeddata", () => follow(engine.position()));

  function paintLegend(dark) {
    if (!about.tracks.length) return;
    const keys = about.classes.map((name, c) => {
      const dashes = DASHES[c % DASHES.length].join(" ");
      const line = drawing(30, 8, `d="M0 4h30" stroke="${classInk(dark, c)}" stroke-width="2.5" stroke-dasharray="${dashes}"`);
      return element("span", { className: "cry-key" }, line, `${name}${name === clip().label ? " ◆ label" : ""}`);
    });
    legend.replaceChildren(...keys, now);
  }

  function paintPart() {
    const [start, stop] = get("selection");
    root.classList.toggle("cry-has-part", stop !== undefined);
    if (stop === undefined) return;
    part.style.left = fraction(start);
    part.style.width = fraction(stop - start);
    clear.textContent = `${seconds(start)}–${seconds(stop)} s ✕`;
    clear.setAttribute("aria-label", `Clear the selection from ${seconds(start)} to ${seconds(stop)} s`);
  }

  function paintPlaying() {
    const playing = get("playing");
    play.replaceChildren(icon(playing ? "pause" : "play"));
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
  }

  function paintSettings() {
    loop.setAttribute("aria-pressed", String(get("loop")));
    rate.value = String(get("rate"));
    if (!rate.value) rate.value = String(RATES.find((value) => value >= get("rate")));
    classes.value = get("chosen_class");
    infants.value = get("chosen_infant");
    notice.textContent = get("notice");
  }

  function paintBars() {
    const rows = clip().probabilities;
    const best = Math.max(...rows.map(([, value]) => value));
    bars.replaceChildren(...rows.map(([title, value]) => {
      const bar = element("span", { className: "cry-bar" });
      bar.style.width = `${100 * value}%`;
      const given = title === clip().label ? [element("span", { className: "cry-given" }, " ◆ label")] : [];
      return element("div", { className: `cry-row${value === best ? " cry-best" : ""}`, role: "listitem" },
        element("span", { className: "cry-class-name" }, title, ...given),
        element("span", { className: "cry-track" }, bar),
        element("span", { className: "cry-value" }, `${Math.round(100 * value)} %`));
    }));
  }

  function paintPlots() {
    if (!root.isConnected) return; // the observer below paints once it has a place and a size
    const theme = themed(root);
    drawPlots(canvas, clip(), about, theme);
    paintLegend(theme.dark);
  }

  function paintClip() {
    const now = clip();
    label.textContent = now.label;
    // DonateACry's file names begin with the infant: once is enough.
    const known = now.name.toLowerCase().includes(now.infant.toLowerCase());
    name.textContent = known ? now.name : `${now.name} · infant ${now.infant}`;
    number.textContent = `${now.number} of ${now.count}`;
    graph.setAttribute("aria-valuemax", seconds(now.duration_s));
    spoken.textContent = `Clip ${now.number} of ${now.count}: ${now.label}, ${now.name}, ${seconds(now.duration_s)} seconds`;
    paintBars();
    paintVideo();
    paintPart();
    paintCursor(get("position_s"));
    paintPlots();
  }

  // ---- from the person to the state
  const toggle = (what) => engine.tell({ [what]: !get(what) });
  const step = (type, more = {}) => {
    if (get("playing")) engine.tell({ playing: false });
    model.send({ type, ...more });
  };
  const select = (from, to) => {
    const [start, stop] = [from, to].sort((a, b) => a - b).map((value) => clamp(toMs(value), 0, clip().duration_s));
    engine.tell({ selection: stop - start >= 0.01 ? [start, stop] : [] });
  };

  play.addEventListener("click", () => toggle("playing"));
  loop.addEventListener("click", () => toggle("loop"));
  previous.addEventListener("click", () => step("previous"));
  next.addEventListener("click", () => step("next"));
  clear.addEventListener("click", () => {
    engine.tell({ selection: [] });
    graph.focus();
  });
  rate.addEventListener("change", () => engine.tell({ rate: Number(rate.value) }));
  classes.addEventListener("change", () => step("choose_class", { label: classes.value }));
  infants.addEventListener("change", () => step("choose_infant", { infant: infants.value }));

  const commands = {
    " ": () => toggle("playing"),
    l: () => toggle("loop"),
    n: () => step("next"),
    p: () => step("previous"),
    Escape: () => engine.tell({ selection: [] }),
    Home: () => engine.seek(0),
    End: () => engine.seek(clip().duration_s),
    ArrowLeft: () => engine.seek(engine.position() - SEEK_S),
    ArrowRight: () => engine.seek(engine.position() + SEEK_S),
  };
  root.addEventListener("keydown", (event) => {
    // A notebook that sees a key, whichever, takes the focus away to its own cell.
    event.stopPropagation();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const native = event.target.closest("select, summary, input") || (event.key === " " && event.target.closest("button"));
    const command = commands[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (native || !command) return;
    event.preventDefault();
    command();
  });

  const secondAt = (event) => {
    const box = overlay.getBoundingClientRect();
    return clamp((event.clientX - box.left) / box.width, 0, 1) * clip().duration_s;
  };
  let drag = null;
  graph.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    graph.setPointerCapture(event.pointerId);
    drag = { x: event.clientX, from: secondAt(event), moved: false };
  });
  graph.addEventListener("pointermove", (event) => {
    if (!drag) return;
    drag.moved ||= Math.abs(event.clientX - drag.x) > 4;
    if (drag.moved) select(drag.from, secondAt(event));
  });
  graph.addEventListener("pointerup", (event) => {
    if (!drag) return;
    const at = secondAt(event);
    const [start, stop] = get("selection");
    if (!drag.moved) {
      if (stop !== undefined && (at < start || at > stop)) engine.tell({ selection: [] });
      engine.seek(at);
    }
    drag = null;
  });
  graph.addEventListener("pointercancel", () => (drag = null));

  // ---- keep both together, and let go at the end
  const watched = {
    "change:_clip": paintClip,
    "change:selection": paintPart,
    "change:playing": () => {
      paintPlaying();
      follow(engine.position());
    },
  };
  for (const name of ["loop", "rate", "chosen_class", "chosen_infant", "notice"]) {
    watched[`change:${name}`] = paintSettings;
  }
  for (const [event, handler] of Object.entries(watched)) model.on(event, handler);
  engine.painters.add(paintCursor);
  const resized = new ResizeObserver(paintPlots);
  resized.observe(graph);
  const endTheme = onTheme(paintPlots);
  paintSettings();
  paintPlaying();
  paintClip();

  return () => {
    for (const [event, handler] of Object.entries(watched)) model.off(event, handler);
    engine.painters.delete(paintCursor);
    video.pause();
    if (videoUrl) URL.revokeObjectURL(videoUrl);
    resized.disconnect();
    endTheme();
    if (!engine.painters.size && get("playing")) engine.tell({ playing: false });
  };
}

export default () => {
  let engine;
  return {
    render({ model, el }) {
      engine ??= makeEngine(model);
      return makeView(model, el, engine);
    },
  };
};
