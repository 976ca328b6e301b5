// An upload button. It sends a file in pieces, since Jupyter's servers close a connection that
// sends more than 10 MiB at once, and they say nothing.

const PIECE = 1 << 20; // bytes

export default {
  render({ model, el }) {
    const input = element("input", { type: "file", accept: "audio/*,video/*", hidden: "" });
    const button = element(
      "button", { type: "button", className: "jupyter-button widget-upload" }, "Upload",
    );
    el.append(input, button);
    button.addEventListener("click", () => input.click());
    input.addEventListener("change", async () => {
      const file = input.files[0];
      if (!file) return;
      button.disabled = true;
      try {
        await send(model, file);
      } finally {
        button.disabled = false;
        input.value = ""; // so that the same file can be chosen again
      }
    });
  },
};

async function send(model, file) {
  const about = { name: file.name, size: file.size };
  if (file.size > model.get("most_bytes")) {
    model.send({ ...about, at: 0 }, undefined, []); // which only says how large it is
    return;
  }
  for (let at = 0; at === 0 || at < file.size; at += PIECE) {
    const piece = await file.slice(at, at + PIECE).arrayBuffer();
    model.send({ ...about, at }, undefined, [piece]);
  }
}
