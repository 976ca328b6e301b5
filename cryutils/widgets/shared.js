// What the scripts of all widgets share; `scripts.asset` puts it before each.

// Okabe and Ito's colours, on light and on dark.
const CLASS_INK = ["#0072b2", "#d55e00", "#007a5a", "#a84f80", "#8a6d00", "#3d8fbf"];
const CLASS_GLOW = ["#6cb8e0", "#ff9d57", "#4fd1a8", "#e6a3c7", "#f0e442", "#a9d8f5"];
const classInk = (dark, i) => (dark ? CLASS_GLOW : CLASS_INK)[i % CLASS_INK.length];

function element(tag, properties = {}, ...children) {
  const { className, ...attributes } = properties;
  const node = document.createElement(tag);
  if (className) node.className = className;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

// A canvas reads any way of writing a colour: names, rgb(), color(srgb …).
function rgba(colour) {
  const context = element("canvas", { width: 1, height: 1 }).getContext("2d");
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data;
}

function isDark(style, node) {
  const dark = ([red, green, blue]) => 0.299 * red + 0.587 * green + 0.114 * blue < 128;
  const theme = style.getPropertyValue("--jp-layout-color0").trim();
  if (theme) return dark(rgba(theme));
  for (let at = node; at; at = at.parentElement) {
    const colour = rgba(getComputedStyle(at).backgroundColor);
    if (colour[3] > 127) return dark(colour);
  }
  return false; // nothing painted behind it: a browser's page is white
}

// A widget's style, and whether it is drawn on dark, which its own style sheet is told.
function themed(root) {
  const dark = isDark(getComputedStyle(root), root.parentElement);
  root.dataset.theme = dark ? "dark" : "light";
  return { dark };
}

// Calls `paint` whenever a page changes between light and dark. Returns what ends it.
function onTheme(paint) {
  const observer = new MutationObserver(paint);
  for (const node of [document.documentElement, document.body]) {
    observer.observe(node, { attributes: true, attributeFilter: ["class", "theme", "data-jp-theme-name", "data-jp-theme-light"] });
  }
  return () => observer.disconnect();
}
