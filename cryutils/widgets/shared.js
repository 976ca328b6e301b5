// What the scripts of all widgets share; `clip_view.asset` puts it before each.

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

function isDark(node) {
  for (let at = node; at; at = at.parentElement) {
    const [red, green, blue, opacity] = rgba(getComputedStyle(at).backgroundColor);
    if (opacity > 127) return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
  }
  return false; // nothing painted behind it: a browser's page is white
}

// Draws a widget for the background it is on.
function themed(root) {
  root.style.colorScheme = isDark(root.parentElement) ? "dark" : "light";
}

// Calls `paint` whenever a page changes between light and dark. Returns what ends it.
function onTheme(paint) {
  const observer = new MutationObserver(paint);
  for (const node of [document.documentElement, document.body]) {
    observer.observe(node, { attributes: true, attributeFilter: ["class", "theme", "data-jp-theme-name", "data-jp-theme-light"] });
  }
  return () => observer.disconnect();
}
