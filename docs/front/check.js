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
    worker.addEventListener("error", () => hear({ failed: "its thread did not start" }));
  }
  worker.postMessage({ name, content, wheel: new URL(DATA.wheel, location).href, lite: new URL("lite/", location).href });
}

function hear({ doing, name, report, refused, failed }) {
  if (doing) return working(doing);
  if (refused) return refuse(refused);
  if (failed) {
    worker = worker?.terminate() ?? null;
    return refuse(`Python could not be loaded: ${failed}. Check the connection and try again, or use the command.`);
  }
  working("");
  find("#result-title").textContent = `The audit of ${name}`;
  find("#report").textContent = report;
  URL.revokeObjectURL(find("#save").href);
  find("#save").href = URL.createObjectURL(new Blob([saved(name, report)], { type: "text/html" }));
  find("#save").download = `${name.replace(/\.\w+$/, "")}-audit.html`;
  find("#result").hidden = false;
  find("#result-title").focus();
}

function saved(name, report) {
  const page = document.implementation.createHTMLDocument(`Audit of ${name}`);
  page.documentElement.lang = "en";
  page.head.insertAdjacentHTML("afterbegin", '<meta charset="utf-8"><meta name="color-scheme" content="light dark">');
  const parts = { h1: `Audit of ${name}`, pre: report, p: `cryutils ${DATA.version}: cryutils audit ${name}` };
  for (const [tag, words] of Object.entries(parts))
    page.body.append(Object.assign(page.createElement(tag), { textContent: words }));
  return `<!doctype html>\n${page.documentElement.outerHTML}\n`;
}

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
