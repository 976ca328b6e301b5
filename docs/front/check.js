// The page that audits a table: a worker runs Python, which is loaded for the first table.
"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const find = selector => document.querySelector(selector);
const zone = find("#zone"), choice = find("#file"), example = find("#example");
let worker = null;

function working(words) {
  find("#status").textContent = words;
  choice.disabled = example.disabled = Boolean(words);
}

function refuse(words) {
  working("");
  find("#error").textContent = words;
}

function audit(name, content) {
  find("#error").textContent = "";
  find("#result").hidden = true;
  working("Starting Python …");
  if (!worker) {
    worker = new Worker(DATA.worker, { type: "module" });
    worker.addEventListener("message", ({ data }) => hear(data));
    worker.addEventListener("error", () => hear({ failed: "this site" }));
  }
  worker.postMessage({ name, content, wheel: new URL(DATA.wheel, location).href, lite: new URL("lite/", location).href });
}

function hear({ doing, refused, failed, ...result }) {
  if (doing) return working(doing);
  if (refused) return refuse(refused);
  if (failed) {
    worker = worker?.terminate() ?? null;
    return refuse(`Python did not start: its files could not be loaded from ${failed}, or this browser cannot run them. ` +
      "The first check needs the network once: connect and try again. Or install uv and run: uvx cryutils audit FILE");
  }
  show(result);
}

function show({ name, text, page }) {
  working("");
  find("#result-title").textContent = `The audit of ${name}`;
  find("#text").textContent = text;
  find("#copied").textContent = "";
  find("#report").srcdoc = page;
  URL.revokeObjectURL(find("#save").href);
  find("#save").href = URL.createObjectURL(new Blob([page], { type: "text/html" }));
  find("#save").download = `${name.replace(/\.\w+$/, "")}-audit.html`;
  find("#result").hidden = false;
  find("#result-title").focus();
}

// The frame is as high as the report in it, whose scripts would not run.
find("#report").addEventListener("load", ({ target }) => {
  const root = target.contentDocument.documentElement;
  root.querySelector("h1")?.remove(); // the title above says it
  new ResizeObserver(() => { target.style.height = `${root.offsetHeight}px`; }).observe(root);
});
find("#copy").hidden = !navigator.clipboard; // as on a server without HTTPS
find("#copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(find("#text").textContent);
  find("#copied").textContent = "Copied.";
});

async function take(file) {
  if (file && !choice.disabled) audit(file.name, await file.arrayBuffer());
}

choice.addEventListener("change", () => {
  take(choice.files[0]);
  choice.value = ""; // so that a corrected file can be chosen again
});
example.addEventListener("click", async () => {
  const response = await fetch(DATA.example).catch(() => null);
  if (response?.ok) audit("example.csv", await response.arrayBuffer());
  else refuse("The example could not be loaded. Check the connection and try again.");
});
for (const kind of ["dragover", "dragleave", "drop"])
  document.addEventListener(kind, event => {
    event.preventDefault(); // else the browser leaves the page and opens the file
    zone.classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files[0]);
  });
if (location.protocol === "file:") find("#error").textContent = "Open this page from a web server: python -m http.server -d outputs/site";
else working("");
