// Plays a clip, with a cursor over the picture that Python (player.py) drew, and asks for other clips.

const SEEK_S = 0.1;
const ICONS = {
  play: "M8 5v14l11-7z",
  pause: "M7 5h4v14H7zM13 5h4v14h-4z",
  previous: "M6 5h2v14H6zM20 5v14L9 12z",
  next: "M16 5h2v14h-2zM4 5v14l11-7z",
  loop: "M7 7h10v3l4-4-4-4v3H5v6h2zM17 17H7v-3l-4 4 4 4v-3h12v-6h-2z",
};
const button = (name, label, title) =>
  `<button type="button" class="cry-${name}" aria-label="${label}" title="${title}">` +
  `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg></button>`;
const PAGE = `
<div class="cry-head">
  <strong class="cry-title"></strong>
  <span class="cry-step">
    <select class="cry-infant" aria-label="Infant"></select>
    <select class="cry-class" aria-label="Class"></select>
    ${button("previous", "Previous clip", "Previous clip (P)")}
    <span class="cry-number"></span>
    ${button("next", "Next clip", "Next clip (N)")}
  </span></div>
<div class="cry-about"><span class="cry-label"></span><span class="cry-name"></span></div>
<video class="cry-video" playsinline aria-label="Video of the clip"></video><div class="cry-video-note"></div>
<div class="cry-graph" tabindex="0" role="slider" aria-label="Position in the clip" aria-valuemin="0">
  <img class="cry-picture" alt="" draggable="false">
  <div class="cry-overlay"><div class="cry-part"></div><div class="cry-cursor"></div></div>
</div><div class="cry-now"></div>
<div class="cry-transport">
  ${button("play", "Play", "Play or pause (Space)")}
  ${button("loop", "Loop", "Loop (L)")}
  <select class="cry-rate" aria-label="Speed" title="Speed, at the same pitch">
    <option>0.25×<option>0.5×<option>0.75×<option selected>1×</select>
  <span class="cry-time"></span><button class="cry-clear" title="Clear the selection (Esc)"></button>
</div>
<div class="cry-notice" role="alert"></div>
<div class="cry-foot">
  <span class="cry-data"></span>
  <details class="cry-keys"><summary>Keys</summary>Space plays and pauses · ← → Home and End move the
    cursor · drag selects · Esc clears the selection · L loops · N and P step through the clips</details>
</div>
<div class="cry-spoken" role="status" aria-live="polite"></div>`;

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const seconds = (value) => value.toFixed(2);
const percent = (value) => `${100 * value}%`;
function load(media, data, type) {
  URL.revokeObjectURL(media.src);
  media.src = URL.createObjectURL(new Blob([data], { type }));
}

// Offers each of `values`, with how often it occurs, below all of them.
function offer(select, all, values) {
  const option = (value, text, count) => element("option", { value }, `${text} (${count})`);
  const each = [...new Set(values)].sort();
  select.append(option("", all, values.length),
    ...each.map((value) => option(value, value, values.filter((other) => other === value).length)));
  select.hidden = each.length < 2;
}

function render({ model, el }) {
  const about = model.get("_about");
  const clip = () => model.get("_clip");
  // JupyterLab's own shortcuts (L, N, P, Space, arrows) must not see the player's keys.
  const root = element("div", { className: "cry-player", role: "group", "aria-label": `Cry player ${about.title}`, "data-lm-suppress-shortcuts": "true" });
  root.innerHTML = PAGE;
  const node = (name) => root.querySelector(`.cry-${name}`);
  const [infants, classes, rate, loop, play, clear] = ["infant", "class", "rate", "loop", "play", "clear"].map(node);
  const [graph, image, overlay, cursor, part] = ["graph", "picture", "overlay", "cursor", "part"].map(node);
  const [video, videoNote] = ["video", "video-note"].map(node);
  const audio = new Audio();
  video.muted = true; // `audio` plays its sound
  let [playing, loops] = [false, false];
  let [selection, frame] = [[], 0]; // start and end in s; the next animation frame

  node("title").textContent = about.title;
  node("data").textContent = `Source: ${about.data}`;
  offer(classes, "all classes", about.clips.map(([label]) => label));
  offer(infants, "all infants", about.clips.map(([, infant]) => infant).filter(Boolean));

  const position = () => Math.min(audio.currentTime, clip().duration_s); // in s
  const region = () => (selection.length ? selection : [0, clip().duration_s]);

  function seek(value) {
    audio.currentTime = clamp(value, 0, clip().duration_s);
    paint();
  }

  function select(from, to) {
    const [start, stop] = [from, to].sort((a, b) => a - b);
    selection = stop - start >= 0.01 ? [start, stop] : [];
    root.classList.toggle("cry-has-part", selection.length > 0);
    part.style.left = percent(start / clip().duration_s);
    part.style.width = percent((stop - start) / clip().duration_s);
    clear.textContent = `${seconds(start)}–${seconds(stop)} s ✕`;
    clear.setAttribute("aria-label", `Clear the selection from ${seconds(start)} to ${seconds(stop)} s`);
  }

  function deselect() {
    if (document.activeElement === clear) graph.focus(); // the button vanishes
    select(0, 0);
  }

  function pause() {
    playing = false;
    audio.pause();
    paint();
  }

  function start() {
    const [first, last] = region();
    // A hundredth of a second before the end nothing is left to hear: begin again.
    if (audio.currentTime < first - 0.01 || audio.currentTime > last - 0.01) audio.currentTime = first;
    audio.playbackRate = parseFloat(rate.value);
    playing = true;
    // A pause or another clip aborts it, which is no reason to stop what plays since.
    audio.play().then(follow, (error) => error.name === "AbortError" || pause());
  }
  const toggle = () => (playing ? pause() : start());

  // Moves the cursor with the sound, and ends or repeats the selection.
  function follow() {
    cancelAnimationFrame(frame);
    if (!playing) return;
    const [first, last] = region();
    if (audio.currentTime >= last || audio.ended) {
      if (!loops) pause();
      audio.currentTime = loops ? first : last;
      if (loops && audio.paused) audio.play();
    }
    paint();
    frame = requestAnimationFrame(follow);
  }
  // A hidden page gets no animation frames but still these.
  for (const event of ["timeupdate", "ended"]) audio.addEventListener(event, follow);

  // What each model says at the cursor.
  function answers(at) {
    return clip().tracks.map(([name, rows]) => {
      const row = rows[Math.min(Math.floor(at / about.step_s + 1e-6), rows.length - 1)];
      if (!row) return `${name}: no answer`;
      const best = row.indexOf(Math.max(...row));
      return `${name}: ${about.classes[best]} ${Math.round(100 * row[best])} %`;
    });
  }

  function paint() {
    const at = position();
    const text = `${seconds(at)} of ${seconds(clip().duration_s)} s`;
    cursor.style.left = percent(at / clip().duration_s);
    node("time").textContent = text;
    node("now").textContent = answers(at).join(" · ");
    graph.setAttribute("aria-valuenow", seconds(at));
    graph.setAttribute("aria-valuetext", [text, ...answers(at)].join("; "));
    loop.setAttribute("aria-pressed", loops);
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
    play.querySelector("path").setAttribute("d", playing ? ICONS.pause : ICONS.play);
    if (video.hidden) return;
    if (Math.abs(video.currentTime - at) > (playing ? 0.12 : 0.01)) video.currentTime = at; // it drifted
    video.playbackRate = parseFloat(rate.value);
    if (playing && video.paused) video.play().catch(() => {}); // paused again before it began
    if (!playing && !video.paused) video.pause();
  }

  // The indices of the clips of the chosen class and infant.
  const members = () => about.clips.flatMap(([label, infant], i) =>
    ["", label].includes(classes.value) && ["", infant].includes(infants.value) ? [i] : []);

  const paintNumber = () =>
    (node("number").textContent = `${members().indexOf(clip().index) + 1} of ${members().length}`);

  function paintClip() {
    const [now, wanted] = [clip(), playing]; // someone pressed Play while the clip was on its way
    load(audio, now.wav, "audio/wav");
    load(image, now.picture, "image/png");
    for (const [side, share] of Object.entries(now.axes)) overlay.style[side] = percent(share);
    video.hidden = !now.video.byteLength;
    if (!video.hidden) load(video, now.video, now.video_type);
    videoNote.textContent = now.video_note;
    if (!members().includes(now.index)) classes.value = infants.value = "";
    const [label, infant] = about.clips[now.index];
    node("label").textContent = label;
    // DonateACry's file names begin with the infant: once is enough.
    const known = now.name.toLowerCase().includes(infant.toLowerCase());
    node("name").textContent = known ? now.name : `${now.name} · infant ${infant}`;
    graph.setAttribute("aria-valuemax", seconds(now.duration_s));
    paintNumber();
    node("spoken").textContent = `Clip ${node("number").textContent}: ${label}, ${now.name}, ${seconds(now.duration_s)} seconds`;
    deselect();
    pause();
    if (wanted) start();
  }
  const paintNotice = () => (node("notice").textContent = model.get("_notice"));

  video.addEventListener("error", () => {
    video.hidden = true;
    videoNote.textContent = "This browser can't show the video: sound only.";
  });
  video.addEventListener("loadeddata", paint);

  function go(index) {
    pause();
    model.set("index", index);
    model.save_changes();
  }
  function step(by) {
    const chosen = members();
    go(chosen.at((chosen.indexOf(model.get("index")) + by) % chosen.length));
  }
  const toggleLoop = () => {
    loops = !loops;
    paint();
  };
  const clicks = { play: toggle, loop: toggleLoop, previous: () => step(-1), next: () => step(+1), clear: deselect };
  for (const [name, action] of Object.entries(clicks)) node(name).addEventListener("click", action);
  rate.addEventListener("change", () => (audio.playbackRate = parseFloat(rate.value)));
  for (const [choice, other] of [[classes, infants], [infants, classes]]) {
    choice.addEventListener("change", () => {
      if (!members().length) other.value = ""; // the infant has no clip of the class
      if (members().includes(model.get("index"))) paintNumber();
      else go(members()[0]);
    });
  }

  const commands = {
    " ": toggle,
    l: toggleLoop,
    n: () => step(+1), p: () => step(-1),
    Escape: deselect,
    Home: () => seek(0), End: () => seek(clip().duration_s),
    ArrowLeft: () => seek(position() - SEEK_S),
    ArrowRight: () => seek(position() + SEEK_S),
  };
  root.addEventListener("keydown", (event) => {
    // A notebook that sees a key, whichever, takes the focus away to its own cell.
    event.stopPropagation();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const native = event.target.closest("select, summary") || (event.key === " " && event.target.closest("button"));
    const command = commands[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (native || !command) return;
    command();
    event.preventDefault();
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
    if (drag && Math.abs(event.clientX - drag.x) > 4) drag.moved = true;
    if (drag?.moved) select(drag.from, secondAt(event));
  });
  graph.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) {
      const at = secondAt(event);
      if (at < region()[0] || at > region()[1]) deselect();
      seek(at);
    }
    drag = null;
  });
  graph.addEventListener("pointercancel", () => (drag = null));

  el.append(root);
  model.on("change:_clip", paintClip);
  model.on("change:_notice", paintNotice);
  const theme = () => themed(root);
  image.addEventListener("load", theme); // by then the player has its place in the page
  const endTheme = onTheme(theme);
  paintClip();
  paintNotice();

  return () => {
    model.off("change:_clip", paintClip);
    model.off("change:_notice", paintNotice);
    endTheme();
    pause();
    for (const media of [audio, image, video]) URL.revokeObjectURL(media.src);
  };
}

export default { render };
